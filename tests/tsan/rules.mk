# Threaded tests on the build machine under ThreadSanitizer. Included by the Makefile after
# tests/rules.mk, whose flags and shim they use.

TSAN := $(BUILD)/tsan
# GCC warns of fences, which the sanitizer does not model; no test here depends on one.
TSAN_CFLAGS := $(HOST_CFLAGS) -fsanitize=thread -Wno-tsan -include tests/tsan/pause.h
# The hypervisor's own, in place of the shim's where both have one: the first definition counts.
TSAN_SOURCES := mm/frame.c mm/heap.c mm/ptab.c mm/ptab_split.c hv/vcpu_table.c hv/hyperv/vp_index.c hv/vcpu_flush.c core/log.c \
	core/patience.c core/rcu.c core/rcu_defer.c hv/dev/apic_bus.c \
	$(wildcard hv/dev/lapic*.c) hv/dev/ioapic.c hv/guest_tsc.c core/rbtree.c core/interval_tree.c \
	mm/ptab_run.c hv/mmu/prefetch.c hv/slot_backing.c hv/slot_set.c hv/slots.c hv/dirty_bitmap.c hv/mmu/dirty_log.c \
	hv/mmu/dirty_merge.c hv/mmu/tdp.c tests/unit/shim/shim.c
TSAN_OBJECTS := $(patsubst %.c,$(TSAN)/%.o,$(TSAN_SOURCES))
TSAN_PROGRAMS := $(patsubst tests/tsan/%.c,$(TSAN)/%,$(wildcard tests/tsan/tsan_*.c))

$(TSAN_OBJECTS): | $(DEPS)/.ready
$(TSAN)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC (tsan) $<"; gcc $(TSAN_CFLAGS) -c -o $@ $<
$(TSAN_PROGRAMS): $(TSAN)/%: $(TSAN)/tests/tsan/%.o $(TSAN_OBJECTS)
	@gcc -fsanitize=thread -Wl,--gc-sections -Wl,-z,muldefs -o $@ $^ -lcmocka -lpthread

.PHONY: test-tsan tsan-programs
tsan-programs: $(TSAN_PROGRAMS)
.SECONDARY: $(patsubst $(TSAN)/%,$(TSAN)/tests/tsan/%.o,$(TSAN_PROGRAMS))

test-tsan: setup
	@$(MAKE) --no-print-directory -j2 tsan-programs
	@scripts/test-units $(TSAN_PROGRAMS)

# RCU's without the sanitizer, which slows down what is to race: RCU_SECONDS (60).
RCU_SECONDS ?= 60
TSAN_PLAIN_OBJECTS := $(patsubst %.c,$(TSAN)/plain/%.o,tests/tsan/tsan_rcu.c $(TSAN_SOURCES))
$(TSAN_PLAIN_OBJECTS): | $(DEPS)/.ready
$(TSAN)/plain/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC (plain) $<"; gcc $(HOST_CFLAGS) -O2 -include tests/tsan/pause.h -c -o $@ $<
$(TSAN)/plain/rcu: $(TSAN_PLAIN_OBJECTS)
	@gcc -Wl,--gc-sections -Wl,-z,muldefs -o $@ $^ -lcmocka -lpthread

.PHONY: test-rcu-long
test-rcu-long: setup
	@$(MAKE) --no-print-directory $(TSAN)/plain/rcu
	@TSAN_SECONDS=$(RCU_SECONDS) $(TSAN)/plain/rcu

-include $(TSAN_OBJECTS:.o=.d) $(wildcard $(TSAN)/tests/tsan/*.d)
