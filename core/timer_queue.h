/* The timer queue's side towards the CPU it belongs to; users of timers need core/timer.h only. */
#ifndef NEAP_CORE_TIMER_QUEUE_H
#define NEAP_CORE_TIMER_QUEUE_H

struct timer_queue;

/* An empty queue, before its CPU runs. */
void timer_queue_init(struct timer_queue *q);

/* Callbacks that one interrupt runs at most. */
#define TIMER_BATCH 64

/*
 * The local timer's interrupt: runs what is due on this CPU, and programs the next: at once if more
 * than a batch is due. Interrupts off.
 */
void timer_run_expired(void);

#endif
