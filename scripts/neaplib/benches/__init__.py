"""The benches: each takes its figures and returns a report; scripts/bench runs them."""

from . import boot, exits, hyperv, rcu, size, slots, vcpu_table

# In the order in which they run: the quick ones first.
PARTS = {"size": size.take, "rcu": rcu.take, "vcpu_table": vcpu_table.take, "exits": exits.take,
         "hyperv": hyperv.take, "slots": slots.take, "boot": boot.take}
