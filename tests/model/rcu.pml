/*
 * The protocol of core/rcu.c and hv/mmu/shootdown.c, for three processors. Checked exhaustively by
 * `make model`.
 *
 * CPU 0 runs a worker that replaces an object ROUNDS times, each time: unlink, shoot down, wait for a
 * grace period, free. CPUs 1 and 2 idle, run the hypervisor or a guest, as they like. The object
 * stands for a page of a VM's page tables: software holds a reference to it (`ref`) between two
 * quiescent states, and a processor may have it in its caches (`tlb`) until it flushes, across
 * exits, and uses it in the guest at any time.
 *
 * A step is one access to memory that others see, with what is local around it. A counter that is
 * read and then written down as read is one step: it only grows, so writing it down later says less.
 * Memory is as on x86: a store may be seen late by others (`late`), until a full barrier. Only the
 * store that ends idling needs one, so only that one is ever late.
 *
 * Faults, each of which the check must find:
 *   -DNO_FLUSH       the kick's handler says it has flushed, and has not
 *   -DNO_LOAD_CHECK  a load of a vCPU does not look whether it has to flush
 *   -DEARLY          a CPU says that it is quiescent while it holds a reference
 *   -DNO_BARRIER     idling ends without a full barrier
 *   -DNO_KICK        nobody is kicked: a guest that never exits holds up everything
 */
#ifndef ROUNDS
#define ROUNDS 2
#endif
#define CPUS 3
#define NONE (ROUNDS + 1)

byte current;	         /* the published object; all that are less are unlinked */
byte freed;	         /* objects less than this are freed */
byte gp, seen[CPUS];     /* grace periods begun; as CPUs have seen it in a quiescent state */
byte wanted = 1, flushed[CPUS];	/* shootdowns asked for; as CPUs have flushed */
bool idle[CPUS], loaded[CPUS], kicked[CPUS];

/*
 * For safety a kick may wait as long as it likes while the hypervisor does one thing after another.
 * For progress (-DPROMPT) it is taken before the next: what is done between two windows is bounded.
 */
#ifdef PROMPT
#define GOES_ON (!kicked[me])
#else
#define GOES_ON true
#endif

#define USE(object) assert(object >= freed)

/* An interrupt: in a window, in idle, or as a VM-exit. No reference is held. */
inline take_kick()
{
	d_step {
		kicked[me] = false;
		was = wanted;
#ifndef NO_FLUSH
		if
		:: loaded[me] && flushed[me] != was -> tlb = NONE
		:: else
		fi
#endif
	}
	d_step {
		if
		:: loaded[me] -> flushed[me] = was
		:: else
		fi;
		was = 0;
		seen[me] = gp
	}
}

proctype cpu(byte me)
{
	byte ref = NONE, tlb = NONE, was;
	bool late = false; /* this CPU is not idle, but others see that it is */

idling:
	idle[me] = true;
	/* A kick ends it, as any interrupt. */
#ifdef NO_BARRIER
	late = true;
#else
	idle[me] = false;
#endif
	seen[me] = gp;

hypervisor:
	if
	:: atomic { late -> idle[me] = false; late = false }
	:: atomic { GOES_ON -> ref = current } /* a reader */
#ifdef EARLY
		seen[me] = gp;
#endif
		d_step { USE(ref); ref = NONE }
	:: kicked[me] -> take_kick()
	/* The vCPU is loaded, or taken out. */
	:: atomic { GOES_ON && !late && !loaded[me] -> loaded[me] = true }
#ifndef NO_LOAD_CHECK
		d_step {
			was = wanted;
			if
			:: flushed[me] != was -> tlb = NONE
			:: else
			fi
		}
		d_step { flushed[me] = was; was = 0 }
#endif
		goto guest
	:: atomic { GOES_ON && !late && loaded[me] -> goto guest }
	:: atomic { GOES_ON && !late && loaded[me] -> loaded[me] = false; goto idling }
	:: atomic { GOES_ON && !late -> goto idling }
	fi;
	goto hypervisor;

guest:
	/* It may run for ever without an exit of its own: only a kick ends that. */
	if
	:: atomic { kicked[me] -> goto exited }
	:: atomic { !kicked[me] && tlb == NONE -> tlb = current; goto guest }
	:: d_step { !kicked[me] && tlb != NONE -> USE(tlb) }
		goto guest
	:: atomic { !kicked[me] -> goto hypervisor }
	fi;
exited:
	take_kick();
	goto hypervisor
}

#define OVER(i)	 (idle[i] || seen[i] == gp)
#define CLEAN(i) (!loaded[i] || flushed[i] == wanted)

#ifdef NO_KICK
#define KICK(i) skip
#else
#define KICK(i) kicked[i] = true
#endif

/* The worker on CPU 0, which is quiescent itself while it waits. */
active proctype worker()
{
	do
	:: freed < ROUNDS ->
		current++;

		wanted++; /* shootdown() */
		d_step { if :: !CLEAN(1) -> KICK(1) :: else fi }
		d_step { if :: !CLEAN(2) -> KICK(2) :: else fi }
		CLEAN(1);
		CLEAN(2);

		gp++; /* rcu_synchronize() */
		d_step { if :: !OVER(1) -> KICK(1) :: else fi }
		d_step { if :: !OVER(2) -> KICK(2) :: else fi }
		OVER(1);
		OVER(2);

		freed++
	:: else -> break
	od
}

init {
	atomic {
		idle[1] = true;
		idle[2] = true;
		run cpu(1);
		run cpu(2)
	}
}

/* Every shootdown and every grace period ends, whatever the guests do. */
ltl progress { <> (freed == ROUNDS) }
