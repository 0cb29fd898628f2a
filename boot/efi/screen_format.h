/* Frame buffers as the firmware's graphics output describes them. Needs no library. */
#ifndef NEAP_BOOT_EFI_SCREEN_FORMAT_H
#define NEAP_BOOT_EFI_SCREEN_FORMAT_H

#include "boot/boot_info.h"

/* EFI_GRAPHICS_PIXEL_FORMAT (UEFI 2.10, 12.9.2). */
enum screen_pixels { SCREEN_RGBX, SCREEN_BGRX, SCREEN_BITMASK, SCREEN_BLT_ONLY };

/* EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE, as far as it describes memory. */
struct screen_mode {
	u64 base, size; /* bytes */
	u32 width, height;
	u32 line_pixels; /* PixelsPerScanLine */
	enum screen_pixels pixels;
	u32 red_mask, green_mask, blue_mask, reserved_mask; /* SCREEN_BITMASK only */
};

/* False, and fb's type NONE: there is no memory to draw into, or the description makes no sense. */
bool screen_format_convert(const struct screen_mode *mode, struct boot_framebuffer *fb);

#endif
