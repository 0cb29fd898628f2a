# Neap. `make run` boots it with a stock Linux guest; `make test` runs every test; `make help` lists the rest.
BUILD ?= build
DEPS ?= build/deps
CC := gcc
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unversioned)

.DELETE_ON_ERROR:
.PHONY: all run test test-unit test-boot test-clang model fuzz soak lint format format-check tidy cppcheck headers \
	size setup clean help

all: $(BUILD)/neap.elf $(BUILD)/neap.efi $(BUILD)/torture.elf $(BUILD)/direct.bin guests size

help:
	@echo "make             neap.elf, neap.efi, torture.elf, the guest programs"
	@echo "make run         boot Neap with a stock Linux guest; its shell is on this terminal"
	@echo "make test        unit tests, boot tests, both compilers, lint"
	@echo "make test-unit   unit tests, and each fuzzer for two seconds (part of make test, as the next five)"
	@echo "make test-boot   tests of the scripts, and Neap booted in Bochs and QEMU"
	@echo "make test-tsan   threaded tests under ThreadSanitizer"
	@echo "make test-clang  the other compiler"
	@echo "make model       the models of concurrent protocols, checked exhaustively"
	@echo "make lint        clang-format, clang-tidy, cppcheck, self-standing headers"
	@echo "make fuzz        each fuzzer for FUZZ_SECONDS seconds (10)"
	@echo "make bench       all figures, into $(BUILD)/bench; or only BENCH_PARTS=\"exits boot\", ..."
	@echo "make bench-dirty, bench-rcu, bench-slots, bench-vcpu-table   these alone"
	@echo "make soak        SOAK_BOOTS (50) boots in QEMU with SOAK_SMP (4) processors, SOAK_SECONDS (600) of torture,"
	@echo "                 STORM_SECONDS (600) of storm, SOAK_CLOCKS (300) of comparing clocks"
	@echo "make size        text, data and lines of the hypervisor"
	@echo "make format      clang-format on all of it"
	@echo "make clean       removes what was built, but for $(DEPS)"

# What a fresh machine lacks; quick when nothing is missing. Everything that is built waits for it.
setup:
	@scripts/setup
$(DEPS)/.ready: scripts/setup $(wildcard scripts/setup.d/*) guest/initrd/init
	@scripts/setup
	@touch $@

# --- the hypervisor ---

CLANG := $(findstring clang,$(CC))
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wcast-qual -Wvla -Wundef -Wwrite-strings
RETPOLINE := $(if $(CLANG),-mretpoline,-mindirect-branch=thunk -fno-jump-tables)
HV_CFLAGS = -std=gnu11 -O2 -g -ffreestanding -fbuiltin -mgeneral-regs-only -mno-red-zone -mcmodel=kernel \
	-fno-pic -fno-pie -fno-stack-protector -fcf-protection=none -fno-omit-frame-pointer \
	-fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections -fno-strict-aliasing \
	$(RETPOLINE) $(WARNINGS) -MMD -MP -I. -nostdinc -isystem $(DEPS)/newlib-hv/include \
	-isystem $(shell $(CC) -print-file-name=include) -DNEAP_VERSION='"$(VERSION)"'
ZYDIS_CFLAGS := -isystem $(DEPS)/zydis/include -DZYAN_NO_LIBC -DZYDIS_STATIC_BUILD \
	-DZYCORE_STATIC_BUILD -DZYDIS_DISABLE_FORMATTER -DZYDIS_DISABLE_ENCODER
HV_LDFLAGS = -nostdlib -static -Wl,-T,linker.ld -Wl,--build-id=none -Wl,--gc-sections \
	-Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,--fatal-warnings

HV_DIRS := boot arch/x86 arch/x86/vmx arch/x86/svm core mm hv hv/mmu hv/hyperv hv/dev hv/dev/acpi hv/load hv/emulate hv/debug
HV_SOURCES := $(foreach d,$(HV_DIRS),$(wildcard $(d)/*.c $(d)/*.S))
HV_OBJECTS := $(patsubst %,$(BUILD)/%.o,$(basename $(HV_SOURCES)))

include arch/x86/rules.mk hv/dev/acpi/rules.mk guest/rules.mk boot/efi/rules.mk

$(HV_OBJECTS) $(GUEST_LIB_OBJECTS) $(patsubst %.c,$(BUILD)/%.o,$(GUEST_SOURCES)): | $(DEPS)/.ready
# Where exits are handled: the frame pointer would cost three instructions a function, and RBP is the guest's.
HOT_OBJECTS := $(addprefix $(BUILD)/,arch/x86/vmx/vmx_exit.o arch/x86/vmx/vmx_event.o \
	arch/x86/svm/svm_exit.o arch/x86/svm/svm_event.o arch/x86/svm/svm_skip.o hv/exit.o hv/cpuid.o \
	hv/vcpu_flush.o hv/mmu/tdp.o hv/mmu/prefetch.o mm/ptab_run.o hv/hyperv/hypercall.o hv/hyperv/hypercall_vps.o \
	hv/msr.o hv/mmio.o hv/mmio_move.o hv/io_bus.o hv/dev/pic.o hv/dev/lapic.o hv/dev/lapic_access.o hv/dev/lapic_irq.o \
	hv/dev/lapic_timer.o hv/dev/ioapic.o hv/emulate/emulate.o core/timer.o core/time.o core/rbtree.o \
	core/runqueue.o core/sched_place.o)
$(HOT_OBJECTS): HV_CFLAGS += -fomit-frame-pointer
$(BUILD)/hv/emulate/emu_decode.o: HV_CFLAGS += $(ZYDIS_CFLAGS)
$(BUILD)/hv/dev/acpi/aml.o: $(ACPI_AML)
$(BUILD)/hv/dev/acpi/aml.o: ASFLAGS += $(ACPI_AML_FLAGS)
$(ACPI_AML) $(BUILD)/arch/x86/font.psf: | $(DEPS)/.ready
$(BUILD)/boot/boot_report.o: $(BUILD)/version

# Changes when the version does, so that what prints it is built again.
$(BUILD)/version: FORCE
	@mkdir -p $(@D)
	@echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' > $@
FORCE:

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC $<"; $(CC) $(HV_CFLAGS) -c -o $@ $<

$(BUILD)/%.o: %.S
	@mkdir -p $(@D)
	@echo "  AS $<"; $(CC) -g -MMD -MP -I. $(ASFLAGS) -c -o $@ $<

HV_LIBS := -Wl,--start-group $(DEPS)/zydis/lib/libzydis.a $(DEPS)/newlib-hv/lib/libc.a -Wl,--end-group

# $(call LINK_IMAGE,NAME,OBJECTS,OPTIONS): NAME.elf, linked twice: the symbol table of the first image
# goes behind the text of the second.
define LINK_IMAGE
$(BUILD)/$(1).first.elf: $(2) linker.ld
	@echo "  LD $$@"; $$(CC) $$(HV_LDFLAGS) $(3) -o $$@ $(2) $$(HV_LIBS)

$(BUILD)/$(1).symtab.S: $(BUILD)/$(1).first.elf scripts/mksymbols
	@scripts/mksymbols $$< $$@

$(BUILD)/$(1).elf: $(BUILD)/$(1).symtab.S
	@echo "  LD $$@"; $$(CC) -c -o $(BUILD)/$(1).symtab.o $$<
	@$$(CC) $$(HV_LDFLAGS) $(3) -Wl,-Map,$(BUILD)/$(1).map -o $$@ $(2) $(BUILD)/$(1).symtab.o $$(HV_LIBS)
	@scripts/mksymbols --check $$@ $$<
	@scripts/check-image $$@
endef
$(eval $(call LINK_IMAGE,neap,$(HV_OBJECTS),))

# The first sector of what Bochs boots without a loader: scripts/run --boot kernel.
$(BUILD)/direct.bin: scripts/direct.S
	@mkdir -p $(@D)
	@echo "  AS $<"; gcc -m32 -nostdlib -static -Wl,-Ttext=0x7c00,--oformat=binary,--build-id=none -o $@ $<

size: $(BUILD)/neap.elf
	@size -B $< | awk 'NR == 2 { printf "neap.elf: %d bytes text and constants, %d data, %d bss\n", $$1, $$2, $$3 }'
	@cat $(wildcard $(foreach d,$(HV_DIRS),$(d)/*.[chS])) | wc -l | awk '{ print "hypervisor: " $$1 " lines" }'

-include $(HV_OBJECTS:.o=.d)

include tests/rules.mk tests/tsan/rules.mk tests/torture/rules.mk tests/bench/rules.mk scripts/lint.mk

# --- tests; tests/rules.mk has those of the build machine, scripts/lint.mk the checks ---

test:
	@scripts/test-all

test-boot: setup
	@$(MAKE) --no-print-directory all
	@/usr/bin/python3 -m pytest -q -n 2 scripts/tests tests/boot

# The protocols in tests/model, exhaustively.
model: setup
	@scripts/check-model --out $(BUILD)/model

# The other compiler, with the same warnings and no others allowed.
test-clang: setup
	@$(MAKE) --no-print-directory -j2 BUILD=$(BUILD)/clang DEPS=$(DEPS) CC=clang $(BUILD)/clang/neap.elf $(BUILD)/clang/neap.efi \
		$(BUILD)/clang/torture.elf guests

# --- running ---

run: setup
	@$(MAKE) --no-print-directory $(BUILD)/neap.elf $(BUILD)/direct.bin
	@scripts/run --boot kernel

SOAK_BOOTS ?= 50
SOAK_SMP ?= 4
SOAK_SECONDS ?= 600
STORM_SECONDS ?= 600
SOAK_CLOCKS ?= 300
soak: setup
	@$(MAKE) --no-print-directory $(BUILD)/neap.elf $(BUILD)/torture.elf guests
	@scripts/soak --boots $(SOAK_BOOTS) --smp $(SOAK_SMP) --seconds $(SOAK_SECONDS) \
		--storm-seconds $(STORM_SECONDS) --clock-seconds $(SOAK_CLOCKS); status=$$?; \
	/usr/bin/python3 -m pytest -q -n 2 -m soak tests/boot && exit $$status

clean:
	rm -rf $(filter-out $(DEPS),$(wildcard $(BUILD)/*))
