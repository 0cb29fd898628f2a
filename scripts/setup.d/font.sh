# The screen's font, out of Debian's console-setup-linux, which is only unpacked: installing it would set up
# this machine's keyboard. Sourced by scripts/setup.

fetch_font()
{
	private_apt_update
	retry private_apt download console-setup-linux
	dpkg-deb -x console-setup-linux_*.deb unpacked
	mkdir -p "$deps/font"
	cp unpacked/usr/share/consolefonts/Lat15-Terminus16.psf.gz "$deps/font/console.psf.gz"
}
