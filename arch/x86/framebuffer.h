/* The linear frame buffer as a log sink. */
#ifndef NEAP_ARCH_X86_FRAMEBUFFER_H
#define NEAP_ARCH_X86_FRAMEBUFFER_H

#include "boot/boot_info.h"

/*
 * Clears the screen and adds the sink. -ENODEV: there is no such frame buffer; -EINVAL: not a
 * format that we can draw; -ENOMEM: it cannot be mapped. Boot CPU, once devices can be mapped.
 */
int framebuffer_init(const struct boot_framebuffer *fb) __must_check;

#endif
