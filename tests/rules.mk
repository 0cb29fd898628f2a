# Unit tests and fuzzers: the hypervisor's own sources compiled for the build machine with sanitizers.
# Included by the Makefile, which sets BUILD, DEPS and CC.

UNIT := $(BUILD)/unit
FUZZ := $(BUILD)/fuzz
FUZZ_SECONDS ?= 10

# What is left out is bound to the machine, or (core/sched.c) shares a name with the C library: its test
# includes it.
HOST_SOURCES := $(EFI_PLAIN_SOURCES) $(filter-out boot/main.c arch/x86/smp.c core/sched.c mm/host_map.c,$(foreach d,boot arch/x86 arch/x86/svm core mm hv hv/hyperv hv/dev hv/load hv/emulate hv/mmu hv/debug,$(wildcard $(d)/*.c)))
HOST_CFLAGS := -std=gnu11 -O1 -g -fno-omit-frame-pointer -ffunction-sections -fdata-sections \
	-fno-sanitize-recover=undefined -Wall -Wextra -Werror -Wshadow -MMD -MP -Itests/unit/shim -Itests/unit -I. \
	-DNEAP_VERSION='"test"' $(ZYDIS_CFLAGS)
UNIT_CFLAGS := $(HOST_CFLAGS) -fsanitize=address,undefined
FUZZ_CFLAGS := $(HOST_CFLAGS) -fsanitize=address,undefined,fuzzer-no-link
HOST_LIBS := $(DEPS)/zydis/lib/libzydis-host.a

UNIT_OBJECTS := $(patsubst %.c,$(UNIT)/%.o,$(HOST_SOURCES)) $(UNIT)/arch/x86/switch.o
FUZZ_OBJECTS := $(patsubst %.c,$(FUZZ)/%.o,$(HOST_SOURCES)) $(FUZZ)/arch/x86/switch.o
UNIT_PROGRAMS := $(patsubst tests/unit/%.c,$(UNIT)/%,$(wildcard tests/unit/test_*.c))
FUZZ_PROGRAMS := $(patsubst tests/fuzz/%.c,$(FUZZ)/%,$(wildcard tests/fuzz/fuzz_*.c))

$(UNIT_OBJECTS) $(FUZZ_OBJECTS): | $(DEPS)/.ready

$(UNIT)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC (unit) $<"; gcc $(UNIT_CFLAGS) -c -o $@ $<
$(FUZZ)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC (fuzz) $<"; clang $(FUZZ_CFLAGS) -c -o $@ $<
$(UNIT)/arch/x86/switch.o $(FUZZ)/arch/x86/switch.o: arch/x86/switch.S
	@mkdir -p $(@D)
	@gcc -g -c -o $@ $<

$(UNIT)/libunit.a: $(UNIT_OBJECTS)
$(FUZZ)/libunit.a: $(FUZZ_OBJECTS)
$(UNIT)/libunit.a $(FUZZ)/libunit.a:
	@rm -f $@
	@ar rcs $@ $^

# The first definition counts: what a test defines itself takes the place of the shim's, and the shim's
# of the hypervisor's.
HOST_LDFLAGS := -fsanitize=address,undefined -Wl,--gc-sections -Wl,-z,muldefs

$(UNIT_PROGRAMS): $(UNIT)/%: $(UNIT)/tests/unit/%.o $(UNIT)/tests/unit/shim/shim.o $(UNIT)/libunit.a \
		$(BUILD)/hv/dev/acpi/aml.o
	@gcc $(HOST_LDFLAGS) -o $@ $^ $(HOST_LIBS) -lcmocka -lpthread
$(FUZZ_PROGRAMS): $(FUZZ)/%: $(FUZZ)/tests/fuzz/%.o $(FUZZ)/tests/unit/shim/shim.o $(FUZZ)/libunit.a \
		$(BUILD)/hv/dev/acpi/aml.o
	@clang -fsanitize=fuzzer $(HOST_LDFLAGS) -Wl,-z,start-stop-gc -o $@ $^ $(HOST_LIBS)

.PHONY: test-unit-programs fuzz-programs
test-unit-programs: $(UNIT_PROGRAMS)
fuzz-programs: $(FUZZ_PROGRAMS)
.SECONDARY: $(patsubst $(UNIT)/%,$(UNIT)/tests/unit/%.o,$(UNIT_PROGRAMS)) \
	$(patsubst $(FUZZ)/%,$(FUZZ)/tests/fuzz/%.o,$(FUZZ_PROGRAMS))

# Every program is run whatever became of the others; each fuzzer for two seconds.
test-unit: setup
	@$(MAKE) --no-print-directory -j2 test-unit-programs fuzz-programs
	@scripts/test-units --fuzz-seconds 2 $(UNIT_PROGRAMS) $(FUZZ_PROGRAMS)

fuzz: setup
	@$(MAKE) --no-print-directory -j2 fuzz-programs
	@scripts/test-units --fuzz-seconds $(FUZZ_SECONDS) $(FUZZ_PROGRAMS)

-include $(UNIT_OBJECTS:.o=.d) $(FUZZ_OBJECTS:.o=.d) $(wildcard $(UNIT)/tests/unit/*.d $(FUZZ)/tests/*/*.d)
