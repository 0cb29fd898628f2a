# Benchmarks on the build machine: the hypervisor's own sources, optimized, without sanitizers.
# Included by the Makefile after tests/rules.mk, whose flags and shim they use.

BENCH := $(BUILD)/hostbench
BENCH_CFLAGS := $(filter-out -O1 -fno-sanitize-recover=undefined,$(HOST_CFLAGS)) -O2 -Itests/unit/shim
BENCH_SLOTS_SOURCES := $(wildcard tests/bench/slots/*.c) core/rbtree.c core/interval_tree.c mm/frame.c mm/ptab.c \
	hv/slot_backing.c hv/slot_set.c hv/slots.c tests/unit/shim/shim.c
BENCH_SLOTS_OBJECTS := $(patsubst %.c,$(BENCH)/%.o,$(BENCH_SLOTS_SOURCES))

$(BENCH_SLOTS_OBJECTS): | $(DEPS)/.ready
$(BENCH)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC (bench) $<"; gcc $(BENCH_CFLAGS) -c -o $@ $<
$(BENCH)/slots: $(BENCH_SLOTS_OBJECTS)
	@gcc -Wl,-z,muldefs -o $@ $^

.PHONY: bench-slots
bench-slots: setup
	@$(MAKE) --no-print-directory $(BENCH)/slots $(BUILD)/neap.elf guests
	@scripts/bench-slots

-include $(BENCH_SLOTS_OBJECTS:.o=.d)
