# Debian's stock cloud kernel, unpacked and not installed. Sourced by scripts/setup.

fetch_linux()
{
	local out="$deps/linux" package
	private_apt_update
	package=$(private_apt_cache_depends linux-image-cloud-amd64)
	[ -n "$package" ] || { echo "linux-image-cloud-amd64 names no kernel"; return 1; }
	retry private_apt download "$package"
	dpkg-deb -x "$package"_*.deb unpacked
	rm -rf "$out"
	mkdir -p "$out"
	cp unpacked/boot/vmlinuz-* "$out/vmlinuz"
	chmod 644 "$out/vmlinuz"
	echo "$package $(dpkg-deb -f "$package"_*.deb Version)" > "$out/version"
}

# The concrete kernel package that the metapackage depends on.
private_apt_cache_depends()
{
	local dir="$deps/apt"
	apt-cache -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$dir/sources" \
		-o Dir::State::lists="$dir/lists" -o Dir::Cache="$dir/cache" \
		show --no-all-versions "$1" |
		sed -n 's/^Depends:.*\(linux-image-[^ ,]*-cloud-amd64\).*/\1/p'
}
