# The Zydis decoder, from Debian's source package: libzydis-dev has a shared library only.
# Sourced by scripts/setup.

zydis_parts="Decoder DecoderData SharedData Register Utils"
zydis_defines="-DZYAN_NO_LIBC -DZYDIS_STATIC_BUILD -DZYCORE_STATIC_BUILD -DZYDIS_DISABLE_FORMATTER
	-DZYDIS_DISABLE_ENCODER -DNDEBUG"

build_zydis()
{
	local out="$deps/zydis"
	private_apt_update
	retry private_apt source --download-only zydis
	dpkg-source --no-check -x zydis_*.dsc src
	rm -rf "$out"
	mkdir -p "$out/include" "$out/lib"
	cp -r src/include/Zydis "$out/include/"
	cp -r /usr/include/Zycore "$out/include/"
	zydis_archive hv "$out/lib/libzydis.a" -ffreestanding -mgeneral-regs-only -mno-red-zone \
		-mcmodel=kernel -fno-pic -fno-pie -fno-stack-protector -fcf-protection=none
	zydis_archive host "$out/lib/libzydis-host.a" -fPIC
	archive_must_hold "$out/lib/libzydis.a" ZydisDecoderInit ZydisDecoderDecodeFull
	ld -r -o whole.o hv/*.o
	if nm -u whole.o | grep .; then
		echo "the decoder needs more than itself"
		return 1
	fi
	dpkg-parsechangelog -l src/debian/changelog -S Version > "$out/version"
}

# zydis_archive NAME FILE FLAGS...
zydis_archive()
{
	local name=$1 file=$2 part
	shift 2
	mkdir "$name"
	for part in $zydis_parts; do
		gcc -std=gnu11 -O2 -ffunction-sections -fdata-sections $zydis_defines "$@" \
			-I"$deps/zydis/include" -Isrc/src -c "src/src/$part.c" -o "$name/$part.o"
	done
	ar rcs "$file" "$name"/*.o
}
