# Guest programs: one multiboot ELF each, $(BUILD)/guest/NAME.elf, all of them by `make guests`: from
# one file each, or from all files of the directories that GUEST_DIRECTORIES names.
# Included by the Makefile, which sets BUILD, CC and DEPS (newlib in $(DEPS)/newlib-guest).
GUEST_SOURCES := $(wildcard guest/*.c guest/bad/*.c)
GUEST_DIRECTORIES := conform slots dirty storm hyperv
GUEST_DIRECTORY_SOURCES := $(foreach d,$(GUEST_DIRECTORIES),$(wildcard guest/$(d)/*.c guest/$(d)/*.S))
GUEST_LIB_SOURCES := $(wildcard guest/lib/*.c guest/lib/*.S)
GUEST_ELFS := $(patsubst %.c,$(BUILD)/guest/%.elf,$(notdir $(GUEST_SOURCES))) \
	$(patsubst %,$(BUILD)/guest/%.elf,$(GUEST_DIRECTORIES))
GUEST_LIB_OBJECTS := $(patsubst %,$(BUILD)/%.o,$(basename $(GUEST_LIB_SOURCES)))
GUEST_NEWLIB := $(DEPS)/newlib-guest

GUEST_CFLAGS = -std=gnu11 -O2 -g -ffreestanding -fno-pie -fno-stack-protector \
	-fcf-protection=none -fno-asynchronous-unwind-tables -mno-red-zone -Wall -Wextra -Werror \
	-Wshadow -Wstrict-prototypes -Wmissing-prototypes -MMD -MP -Iguest/lib \
	-nostdinc -isystem $(GUEST_NEWLIB)/include -isystem $(shell $(CC) -print-file-name=include)
GUEST_LDFLAGS = -nostdlib -static -Wl,-T,guest/lib/guest.lds -Wl,--build-id=none \
	-Wl,-z,max-page-size=4096 -Wl,-z,noexecstack

.PHONY: guests
guests: $(GUEST_ELFS)

$(BUILD)/guest/%.o: guest/%.c
	@mkdir -p $(@D)
	@echo "  CC $<"; $(CC) $(GUEST_CFLAGS) -c -o $@ $<

# What handlers of guest/storm consist of keeps off SSE, as its stubs want it.
$(addprefix $(BUILD)/guest/lib/,apic.o smp.o trap.o): GUEST_CFLAGS += -mgeneral-regs-only
$(BUILD)/guest/storm/%.o: GUEST_CFLAGS += -mgeneral-regs-only

$(BUILD)/guest/%.o: guest/%.S
	@mkdir -p $(@D)
	@echo "  AS $<"; $(CC) $(GUEST_CFLAGS) -c -o $@ $<

$(BUILD)/guest/libguest.a: $(GUEST_LIB_OBJECTS)
	@rm -f $@
	@$(AR) rcs $@ $^

# Linked as ELF64 (kept as NAME.elf64, for gdb), then put into the ELF32 container that multiboot 1
# loaders want.
# $(1): the program's name, $(2): its objects.
define GUEST_PROGRAM
$(BUILD)/guest/$(1).elf64: $(2) $(BUILD)/guest/libguest.a guest/lib/guest.lds
	@echo "  LD $$@"; $$(CC) $$(GUEST_LDFLAGS) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $$(filter %.a,$$^) \
		$(GUEST_NEWLIB)/lib/libm.a $(GUEST_NEWLIB)/lib/libc.a -Wl,--end-group
endef
objects_of = $(patsubst %,$(BUILD)/%.o,$(basename $(1)))
$(foreach s,$(GUEST_SOURCES),$(eval $(call GUEST_PROGRAM,$(basename $(notdir $(s))),$(call objects_of,$(s)))))
$(foreach d,$(GUEST_DIRECTORIES),$(eval $(call GUEST_PROGRAM,$(d),$(call \
	objects_of,$(filter guest/$(d)/%,$(GUEST_DIRECTORY_SOURCES))))))

$(BUILD)/guest/%.elf: $(BUILD)/guest/%.elf64
	@objcopy -S -O elf32-i386 $< $@

.PRECIOUS: $(BUILD)/guest/%.elf64
-include $(patsubst %.c,$(BUILD)/%.d,$(GUEST_SOURCES)) $(GUEST_LIB_OBJECTS:.o=.d) \
	$(addsuffix .d,$(addprefix $(BUILD)/,$(basename $(GUEST_DIRECTORY_SOURCES))))
