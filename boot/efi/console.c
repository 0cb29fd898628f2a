#include "boot/efi/console.h"

#include "boot/efi/efi_lib.h"
#include "boot/efi/text_format.h"

#define TICKS_PER_SECOND 10000000ull /* UEFI 2.10, 7.1.7: timers count 100 ns */

static bool silent;

static const char *const prefix[] = {
	[LOG_ERROR] = "neap.efi: error: ",
	[LOG_WARN] = "neap.efi: warning: ",
	[LOG_INFO] = "neap.efi: ",
};

/* The log's lines for the firmware: UTF-16, what cannot be shown masked. */
static void print(const char *s)
{
	CHAR16 text[LOG_LINE_MAX];
	size_t n = 0;

	for (; *s && n + 1 < ARRAY_SIZE(text); s++)
		text[n++] = *s >= ' ' && *s <= '~' ? (CHAR16)*s : L'?';
	text[n] = 0;
	(void)efi_system->ConOut->OutputString(efi_system->ConOut, text);
}

void log_vline(enum log_level level, const char *fmt, va_list ap)
{
	char line[LOG_LINE_MAX];

	if (silent || level > LOG_INFO || !efi_system->ConOut)
		return;
	(void)text_format(line, sizeof(line), fmt, ap);
	print(prefix[level]);
	print(line);
	(void)efi_system->ConOut->OutputString(efi_system->ConOut, (CHAR16[]){ L'\r', L'\n', 0 });
}

void log_line(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vline(level, fmt, ap);
	va_end(ap);
}

void console_silence(void)
{
	silent = true;
}

void console_wait_key(unsigned seconds)
{
	EFI_BOOT_SERVICES *bs = efi_system->BootServices;
	EFI_EVENT event[2];
	UINTN n = 1, which;
	EFI_INPUT_KEY key;

	if (EFI_ERROR(bs->CreateEvent(EVT_TIMER, TPL_APPLICATION, NULL, NULL, &event[0])))
		return;
	if (EFI_ERROR(bs->SetTimer(event[0], TimerRelative, seconds * TICKS_PER_SECOND))) {
		bs->CloseEvent(event[0]);
		return;
	}
	if (efi_system->ConIn) {
		/* What was typed before is no answer. */
		(void)efi_system->ConIn->Reset(efi_system->ConIn, FALSE);
		event[n++] = efi_system->ConIn->WaitForKey;
	}
	(void)bs->WaitForEvent(n, event, &which);
	if (which == 1)
		(void)efi_system->ConIn->ReadKeyStroke(efi_system->ConIn, &key);
	bs->CloseEvent(event[0]);
}
