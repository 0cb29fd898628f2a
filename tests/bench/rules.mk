# RCU beside its peer, and slots beside an array that is copied, on the build machine. Included by the Makefile
# after tests/rules.mk.

BENCH := $(BUILD)/bench
BENCH_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror -Wshadow -MMD -MP
BENCH_SOURCES := core/rcu.c core/rcu_defer.c core/patience.c tests/unit/shim/shim.c
BENCH_OBJECTS := $(patsubst %.c,$(BENCH)/%.o,$(BENCH_SOURCES) tests/bench/rcu_neap.c)

BENCH_SLOTS_SOURCES := $(wildcard tests/bench/slots/*.c) core/rbtree.c core/interval_tree.c mm/frame.c mm/ptab.c mm/ptab_split.c \
	hv/slot_backing.c hv/slot_set.c hv/slots.c hv/dirty_bitmap.c tests/unit/shim/shim.c
BENCH_SLOTS_OBJECTS := $(patsubst %.c,$(BENCH)/%.o,$(BENCH_SLOTS_SOURCES))

$(BENCH_OBJECTS) $(BENCH_SLOTS_OBJECTS) $(BENCH)/tests/bench/rcu_urcu.o: | $(DEPS)/.ready
$(BENCH)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC (bench) $<"; gcc $(BENCH_CFLAGS) -Itests/unit/shim -I. -c -o $@ $<
$(BENCH)/rcu_neap: $(BENCH_OBJECTS)
	@gcc -o $@ $^ -lpthread
$(BENCH)/rcu_urcu: $(BENCH)/tests/bench/rcu_urcu.o
	@gcc -o $@ $^ -lurcu-qsbr -lpthread

$(BENCH)/slots_host: $(BENCH_SLOTS_OBJECTS)
	@gcc -Wl,-z,muldefs -o $@ $^

.PHONY: bench-rcu bench-slots bench-dirty
bench-rcu: setup
	@$(MAKE) --no-print-directory $(BENCH)/rcu_neap $(BENCH)/rcu_urcu
	@scripts/bench-rcu --out $(BENCH)

bench-slots: setup
	@$(MAKE) --no-print-directory $(BENCH)/slots_host $(BUILD)/neap.elf guests
	@scripts/bench-slots

bench-dirty: setup
	@$(MAKE) --no-print-directory $(BUILD)/neap.elf guests
	@scripts/bench-dirty

-include $(BENCH_OBJECTS:.o=.d) $(BENCH_SLOTS_OBJECTS:.o=.d) $(BENCH)/tests/bench/rcu_urcu.d
