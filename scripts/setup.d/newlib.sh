# The two builds of newlib, from Debian's newlib-source. Sourced by scripts/setup.

# What the hypervisor and the guest programs both need to be: no position independence and none of
# the distribution's hardening, which wants run-time support that is not there.
newlib_flags="-O2 -ffreestanding -fno-pic -fno-pie -fno-stack-protector -fcf-protection=none
	-mno-red-zone -ffunction-sections -fdata-sections"

# newlib_configure PREFIX CFLAGS: unpacks newlib, enters its build directory and configures it there.
newlib_configure()
{
	tar xf /usr/src/newlib/newlib-*.tar.xz
	mkdir build
	cd build
	../newlib-*/configure --target=x86_64-elf --prefix="$1" --disable-multilib --disable-nls \
		--disable-newlib-supplied-syscalls --disable-newlib-wide-orient \
		--enable-newlib-io-long-long --enable-newlib-io-c99-formats \
		CC_FOR_TARGET=gcc AR_FOR_TARGET=ar RANLIB_FOR_TARGET=ranlib AS_FOR_TARGET=as \
		LD_FOR_TARGET=ld CFLAGS_FOR_TARGET="$(echo $2)" MAKEINFO=true
	make -j2 MAKEINFO=true configure-target-newlib
}

build_newlib_guest()
{
	local out="$deps/newlib-guest" installed="$PWD/installed"
	newlib_configure "$installed" "$newlib_flags"
	make -j2 MAKEINFO=true all-target-newlib
	make MAKEINFO=true install-target-newlib
	rm -rf "$out"
	mkdir -p "$out/lib"
	cp -r "$installed"/x86_64-elf/include "$out/include"
	cp "$installed"/x86_64-elf/lib/lib[cm].a "$out/lib/"
	archive_must_hold "$out/lib/libc.a" $newlib_hv_must_hold printf malloc strtod
	archive_must_hold "$out/lib/libm.a" sqrt
}

newlib_hv_must_hold="memcpy memset memmove memcmp memchr strlen strnlen strcmp strncmp strchr strrchr
	strstr strlcpy strtol strtoul strtoull qsort bsearch sniprintf vsniprintf"

# General registers only: the files with floating point in them do not compile, and are not wanted
# (hence make -k). newlib's own archive would then lack whole directories, so it is made here from the
# objects that did compile; those under machine/ come last and replace the generic ones.
build_newlib_hv()
{
	local out="$deps/newlib-hv" libc
	newlib_configure "$PWD/unused" "$newlib_flags -mgeneral-regs-only -mcmodel=kernel"
	libc=$PWD/x86_64-elf/newlib/libc
	make -C x86_64-elf/newlib stmp-targ-include
	make -k -j2 -C "$libc" || echo "files that need floating point were left out"
	rm -rf "$out"
	mkdir -p "$out/lib"
	cp -r "$deps/newlib-guest/include" "$out/include"
	(
		cd "$libc"
		find . -name 'lib_a-*.o' -not -path './machine/*' | sort | xargs ar rcs "$out/lib/libc.a"
		find machine -name 'lib_a-*.o' | sort | xargs ar rs "$out/lib/libc.a"
	)
	archive_must_hold "$out/lib/libc.a" $newlib_hv_must_hold
	archive_links_with_stub_only "$out/lib/libc.a" sbrk $newlib_hv_must_hold
}

# archive_must_hold FILE NAME...
archive_must_hold()
{
	local file=$1 name defined
	shift
	defined=" $(nm -g --defined-only "$file" 2> /dev/null | awk 'NF == 3 { printf "%s ", $3 }')"
	for name in "$@"; do
		case $defined in
		*" $name "*) ;;
		*) echo "$file lacks $name" && return 1 ;;
		esac
	done
}

# archive_links_with_stub_only FILE STUB NAME...: every NAME links at the hypervisor's address with
# nothing missing but STUB.
archive_links_with_stub_only()
{
	local file=$1 stub=$2
	shift 2
	echo "void $stub(void) {} void _start(void) {}" |
		gcc -ffreestanding -mcmodel=kernel -fno-pic -x c -c - -o stub.o
	ld -z noexecstack --no-warn-rwx-segments -Ttext=0xffffffff80000000 $(printf -- '-u %s ' "$@") \
		stub.o "$file" -o linked
}
