# neap.efi: the hypervisor as one UEFI application. Included by the Makefile, which sets BUILD, DEPS and CC.
# GNU-EFI (package gnu-efi) gives headers, start-up code, self-relocation and linker script; its library of
# functions is not used.
GNU_EFI_INCLUDE := /usr/include/efi
GNU_EFI_LIB := /usr/lib

# These need neither firmware nor C library; unit tests have them, too.
EFI_PLAIN_SOURCES := $(addprefix boot/efi/,elf_image.c manifest_names.c memory_map.c options.c \
	pxe_packet.c screen_format.c text_format.c)
EFI_SHARED_SOURCES := boot/regions.c hv/manifest_span.c
EFI_SOURCES := $(wildcard boot/efi/*.c) $(EFI_SHARED_SOURCES)
EFI_BUILD := $(BUILD)/efi
EFI_OBJECTS := $(patsubst %.c,$(EFI_BUILD)/%.o,$(EFI_SOURCES)) $(EFI_BUILD)/boot/efi/payload.o

# No loop may become a call of the function it is in, and none of them is the compiler's (string.c).
EFI_CFLAGS = -std=gnu11 -O2 -g -ffreestanding -fpic -fvisibility=hidden -fshort-wchar -mgeneral-regs-only \
	-mno-red-zone -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables \
	-fno-strict-aliasing $(if $(CLANG),,-fno-tree-loop-distribute-patterns) $(WARNINGS) -MMD -MP -I. \
	-nostdinc -isystem $(DEPS)/newlib-hv/include -isystem $(shell $(CC) -print-file-name=include) \
	-isystem $(GNU_EFI_INCLUDE) -isystem $(GNU_EFI_INCLUDE)/x86_64 -DGNU_EFI_USE_MS_ABI \
	-DNEAP_VERSION='"$(VERSION)"'

$(EFI_OBJECTS): | $(DEPS)/.ready
$(EFI_BUILD)/boot/efi/main.o: $(BUILD)/version

$(EFI_BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC (efi) $<"; $(CC) $(EFI_CFLAGS) -c -o $@ $<

$(EFI_BUILD)/neap.stripped.elf: $(BUILD)/neap.elf
	@mkdir -p $(@D)
	@objcopy --strip-all $< $@

# -DNAME=address for a symbol of the hypervisor; an error when it has none of that name.
EFI_ADDRESS = $$(nm $(BUILD)/neap.elf | awk '$$3 == "$(1)" { print "-D$(2)=0x" $$1; n++ } END { exit n != 1 }')

$(EFI_BUILD)/boot/efi/payload.o: boot/efi/payload.S $(EFI_BUILD)/neap.stripped.elf
	@mkdir -p $(@D)
	@echo "  AS (efi) $<"; entry=$(call EFI_ADDRESS,entry_efi,ENTRY_EFI) && \
		start=$(call EFI_ADDRESS,image_start,IMAGE_START) && \
		end=$(call EFI_ADDRESS,image_end,IMAGE_END) && \
		$(CC) $$entry $$start $$end -Wa,-I$(EFI_BUILD) -c -o $@ $<

# Linked as a shared object that relocates itself; then the same sections in a PE file.
EFI_LDSCRIPT := $(GNU_EFI_LIB)/elf_x86_64_efi.lds
EFI_SECTIONS := .text .sdata .data .dynamic .dynsym .rel .rela .rel.* .rela.* .reloc

$(EFI_BUILD)/neap.so: $(EFI_OBJECTS)
	@echo "  LD $@"; ld -nostdlib -shared -Bsymbolic -znocombreloc -znoexecstack --no-undefined \
		--no-warn-rwx-segments -T $(EFI_LDSCRIPT) -o $@ $(GNU_EFI_LIB)/crt0-efi-x86_64.o $(EFI_OBJECTS) \
		$(GNU_EFI_LIB)/libgnuefi.a

$(BUILD)/neap.efi: $(EFI_BUILD)/neap.so
	@objcopy $(addprefix -j ,$(EFI_SECTIONS)) --target=efi-app-x86_64 --subsystem=10 $< $@

-include $(patsubst %.c,$(EFI_BUILD)/%.d,$(EFI_SOURCES))
