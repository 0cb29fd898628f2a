/*
 * An interrupt for nothing, to all processors, many times a second, from a clock that is none of
 * theirs: where a processor may lose an interrupt (its timer's, a kick), it has it at the next
 * beat.
 */
#ifndef NEAP_ARCH_X86_HEARTBEAT_H
#define NEAP_ARCH_X86_HEARTBEAT_H

#define HEARTBEAT_HZ 50

/*
 * Starts it in QEMU's TCG, with a line that says so; nothing elsewhere. A #VMEXIT there rewrites
 * the word of requests that other threads set bits in, without a lock. Boot CPU, when all others
 * run.
 */
void heartbeat_init(void);

#endif
