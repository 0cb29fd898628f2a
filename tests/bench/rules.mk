# RCU beside its peer, in threads of the build machine. Included by the Makefile after tests/rules.mk.

BENCH := $(BUILD)/bench
BENCH_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror -Wshadow -MMD -MP
BENCH_SOURCES := core/rcu.c core/rcu_defer.c core/patience.c tests/unit/shim/shim.c
BENCH_OBJECTS := $(patsubst %.c,$(BENCH)/%.o,$(BENCH_SOURCES) tests/bench/rcu_neap.c)

$(BENCH_OBJECTS) $(BENCH)/tests/bench/rcu_urcu.o: | $(DEPS)/.ready
$(BENCH)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC (bench) $<"; gcc $(BENCH_CFLAGS) -Itests/unit/shim -I. -c -o $@ $<
$(BENCH)/rcu_neap: $(BENCH_OBJECTS)
	@gcc -o $@ $^ -lpthread
$(BENCH)/rcu_urcu: $(BENCH)/tests/bench/rcu_urcu.o
	@gcc -o $@ $^ -lurcu-qsbr -lpthread

.PHONY: bench-rcu
bench-rcu: setup
	@$(MAKE) --no-print-directory $(BENCH)/rcu_neap $(BENCH)/rcu_urcu
	@scripts/bench-rcu --out $(BENCH)

-include $(BENCH_OBJECTS:.o=.d) $(BENCH)/tests/bench/rcu_urcu.d
