# Benches of the build machine: RCU beside its peer, slots and the vCPU table beside arrays, VP indexes beside a scan.
# Optimized, without sanitizers; run by scripts/bench. Included by the Makefile after tests/rules.mk.

BENCH := $(BUILD)/bench
BENCH_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror -Wshadow -MMD -MP
BENCH_SOURCES := core/rcu.c core/rcu_defer.c core/patience.c tests/unit/shim/shim.c
BENCH_OBJECTS := $(patsubst %.c,$(BENCH)/%.o,$(BENCH_SOURCES) tests/bench/rcu_neap.c)

BENCH_SLOTS_SOURCES := $(wildcard tests/bench/slots/*.c) core/rbtree.c core/interval_tree.c mm/frame.c mm/ptab.c mm/ptab_split.c \
	hv/slot_backing.c hv/slot_set.c hv/slots.c hv/dirty_bitmap.c tests/unit/shim/shim.c
BENCH_SLOTS_OBJECTS := $(patsubst %.c,$(BENCH)/%.o,$(BENCH_SLOTS_SOURCES))

BENCH_VCPU_TABLE_OBJECTS := $(patsubst %.c,$(BENCH)/%.o,$(BENCH_SOURCES) hv/vcpu_table.c tests/bench/vcpu_table.c)
BENCH_VP_INDEX_OBJECTS := $(patsubst %.c,$(BENCH)/%.o,hv/hyperv/vp_index.c tests/bench/vp_index.c)
BENCH_ALL_OBJECTS := $(sort $(BENCH_OBJECTS) $(BENCH_SLOTS_OBJECTS) $(BENCH_VCPU_TABLE_OBJECTS) \
	$(BENCH_VP_INDEX_OBJECTS) $(BENCH)/tests/bench/rcu_urcu.o)

$(BENCH_ALL_OBJECTS): | $(DEPS)/.ready
$(BENCH)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC (bench) $<"; gcc $(BENCH_CFLAGS) -Itests/unit/shim -I. -c -o $@ $<
$(BENCH)/rcu_neap: $(BENCH_OBJECTS)
	@gcc -o $@ $^ -lpthread
$(BENCH)/rcu_urcu: $(BENCH)/tests/bench/rcu_urcu.o
	@gcc -o $@ $^ -lurcu-qsbr -lpthread

$(BENCH)/slots_host: $(BENCH_SLOTS_OBJECTS)
	@gcc -Wl,-z,muldefs -o $@ $^

$(BENCH)/vcpu_table: $(BENCH_VCPU_TABLE_OBJECTS)
	@gcc -o $@ $^ -lpthread
$(BENCH)/vp_index: $(BENCH_VP_INDEX_OBJECTS)
	@gcc -o $@ $^

BENCH_PROGRAMS := $(addprefix $(BENCH)/,rcu_neap rcu_urcu slots_host vcpu_table vp_index)

# What scripts/bench runs; BENCH_PARTS: some of them, by name. Goes on after a part that fails.
.PHONY: bench bench-ready bench-rcu bench-slots bench-vcpu-table bench-dirty
bench: bench-ready
	@scripts/bench --out $(BENCH) $(BENCH_PARTS)
bench-ready: setup
	@$(MAKE) --no-print-directory $(BUILD)/neap.elf guests $(BENCH_PROGRAMS)

bench-rcu bench-vcpu-table: setup
	@$(MAKE) --no-print-directory $(BENCH_PROGRAMS)
	@scripts/bench --out $(BENCH) $(subst -,_,$(@:bench-%=%))

bench-slots: bench-ready
	@scripts/bench --out $(BENCH) slots

bench-dirty: bench-ready
	@scripts/bench --out $(BENCH) dirty

-include $(BENCH_ALL_OBJECTS:.o=.d)
