# The stock guest's initial RAM disk: busybox and guest/initrd/init. Sourced by scripts/setup.

# The applets are linked here and not at boot: a boot in an emulator counts every instruction.
build_initrd()
{
	local applet
	mkdir -p root/bin root/dev root/proc root/sys root/tmp root/root
	cp /bin/busybox root/bin/busybox
	for applet in $(busybox --list); do
		[ "$applet" = busybox ] || ln -s busybox "root/bin/$applet"
	done
	ln -s bin root/sbin
	install -m 755 "$top/guest/initrd/init" root/init
	initrd_pack root "$deps/initrd.gz"
}

# initrd_pack DIRECTORY FILE: the same bytes whenever it is made from the same files.
initrd_pack()
{
	find "$1" -exec touch -h -d @1767225600 {} +
	(cd "$1" && find . | LC_ALL=C sort |
		cpio --quiet -o -H newc -R 0:0 --reproducible --renumber-inodes) | gzip -9n > "$2.new"
	mv "$2.new" "$2"
}
