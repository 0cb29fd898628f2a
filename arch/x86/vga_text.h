/* The VGA's text mode as a log sink. */
#ifndef NEAP_ARCH_X86_VGA_TEXT_H
#define NEAP_ARCH_X86_VGA_TEXT_H

#include "boot/boot_info.h"

/* Largest text mode used; of a larger one the upper left part. */
#define VGA_MAX_COLS 132
#define VGA_MAX_ROWS 60

/*
 * Clears the screen and adds the sink. -ENODEV: the screen is not in text mode; -ENOMEM: it cannot
 * be mapped. Boot CPU, once devices can be mapped.
 */
int vga_text_init(const struct boot_framebuffer *fb) __must_check;

#endif
