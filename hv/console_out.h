/*
 * The consoles' way to the port. Private to hv/console*.c. Either one console has it, and its bytes
 * go out as they are, or all have: then lines go out in turn, each under its VM's name. A line that
 * another one's, or the log's, has interrupted goes on as "NAME+ ".
 */
#ifndef NEAP_HV_CONSOLE_OUT_H
#define NEAP_HV_CONSOLE_OUT_H

#include "hv/console.h"

/* Bytes of a line after which it is another console's turn, and what counts as a line without its
 * end. */
#define CONSOLE_TURN 256
/* How long the beginning of a line waits for its end: a prompt has none. */
#define CONSOLE_PROMPT_NS 50000000ull
_Static_assert(CONSOLE_TURN < CONSOLE_TX_SIZE / 2, "who waits for room has a turn to send");

/* Boot CPU, once: whether the port interrupts when it has room. */
void console_out_init(bool interrupts);

/* From now on c's output goes out (NULL: nobody's), or everybody's. Then call console_out_pump().
 */
void console_out_show(struct vm_console *c, bool all);

/* A console comes, or (NULL) goes: from then on nobody sends from it. */
void console_out_set(u32 id, struct vm_console *c);

/* Its bytes go out by themselves: so it waits for room instead of losing any. Any context. */
bool console_out_is_shown(const struct vm_console *c);

/* Moves what is shown to the port while that takes it. Any context, a guest's UART's lock may be
 * held. */
void console_out_pump(void);

/* The same for one console, shown or not, whole lines or not. */
void console_out_pump_one(struct vm_console *c);

/*
 * One byte of a guest's into its buffer; a full one loses its oldest. Sends it, if it is shown and
 * nobody else would.
 */
void console_out_byte(struct vm_console *c, u8 byte);

#endif
