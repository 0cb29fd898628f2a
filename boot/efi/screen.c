#include "boot/efi/firmware.h"
#include "boot/efi/screen_format.h"

_Static_assert((int)SCREEN_RGBX == PixelRedGreenBlueReserved8BitPerColor &&
		       (int)SCREEN_BGRX == PixelBlueGreenRedReserved8BitPerColor &&
		       (int)SCREEN_BITMASK == PixelBitMask && (int)SCREEN_BLT_ONLY == PixelBltOnly,
	       "the same numbers");

static const EFI_GUID graphics_guid = EFI_GRAPHICS_OUTPUT_PROTOCOL_GUID;

/* The mode it is in: a change would only cost time and what is on the screen. */
static bool take_screen(EFI_HANDLE handle, struct boot_framebuffer *fb)
{
	EFI_GRAPHICS_OUTPUT_PROTOCOL *graphics = efi_protocol(handle, &graphics_guid);
	const EFI_GRAPHICS_OUTPUT_MODE_INFORMATION *info;
	struct screen_mode mode;

	if (!graphics || !graphics->Mode || !graphics->Mode->Info)
		return false;
	info = graphics->Mode->Info;
	mode = (struct screen_mode){ .base = graphics->Mode->FrameBufferBase,
				     .size = graphics->Mode->FrameBufferSize,
				     .width = info->HorizontalResolution,
				     .height = info->VerticalResolution,
				     .line_pixels = info->PixelsPerScanLine,
				     .pixels = (enum screen_pixels)info->PixelFormat,
				     .red_mask = info->PixelInformation.RedMask,
				     .green_mask = info->PixelInformation.GreenMask,
				     .blue_mask = info->PixelInformation.BlueMask,
				     .reserved_mask = info->PixelInformation.ReservedMask };
	return screen_format_convert(&mode, fb);
}

void firmware_screen(struct boot_framebuffer *fb)
{
	EFI_BOOT_SERVICES *bs = efi_system->BootServices;
	EFI_GUID guid = graphics_guid;
	EFI_HANDLE *handle;
	UINTN n;

	fb->type = BOOT_FB_NONE;
	if (take_screen(efi_system->ConsoleOutHandle, fb))
		return;
	if (EFI_ERROR(bs->LocateHandleBuffer(ByProtocol, &guid, NULL, &n, &handle)))
		return;
	for (UINTN i = 0; i < n && !take_screen(handle[i], fb); i++)
		;
	(void)bs->FreePool(handle);
}
