#include "hv/dev/acpi_writer.h"

#include <string.h>

#define ACPI_OEM_ID	      "NEAP  "
#define ACPI_OEM_TABLE_ID     "NEAPTABL"
#define ACPI_OEM_REVISION     1
#define ACPI_CREATOR_ID	      "NEAP"
#define ACPI_CREATOR_REVISION 1

static void put_byte(struct acpi_writer *w, u8 v)
{
	if (w->buf && w->used < w->size)
		w->buf[w->used] = v;
	w->used++;
}

void acpi_put(struct acpi_writer *w, unsigned n, u64 v)
{
	for (unsigned i = 0; i < n; i++)
		put_byte(w, (u8)(v >> (8 * i)));
}

void acpi_put_bytes(struct acpi_writer *w, const void *p, size_t n)
{
	const u8 *byte = p;

	while (n--)
		put_byte(w, *byte++);
}

void acpi_put_zeros(struct acpi_writer *w, size_t n)
{
	while (n--)
		put_byte(w, 0);
}

void acpi_align(struct acpi_writer *w, unsigned align)
{
	u64 now = w->at + w->used;

	acpi_put_zeros(w, (size_t)(ALIGN_UP(now, align) - now));
}

size_t acpi_begin(struct acpi_writer *w, const char signature[4], u8 revision)
{
	size_t offset;

	acpi_align(w, 16);
	offset = w->used;
	acpi_put_bytes(w, signature, 4);
	acpi_put(w, 4, 0); /* length */
	acpi_put(w, 1, revision);
	acpi_put(w, 1, 0); /* checksum */
	acpi_put_bytes(w, ACPI_OEM_ID, 6);
	acpi_put_bytes(w, ACPI_OEM_TABLE_ID, 8);
	acpi_put(w, 4, ACPI_OEM_REVISION);
	acpi_put_bytes(w, ACPI_CREATOR_ID, 4);
	acpi_put(w, 4, ACPI_CREATOR_REVISION);
	return offset;
}

void acpi_checksum(struct acpi_writer *w, size_t offset, size_t n, size_t place)
{
	u8 sum = 0;

	if (!w->buf || acpi_writer_overflowed(w))
		return;
	w->buf[offset + place] = 0;
	for (size_t i = 0; i < n; i++)
		sum += w->buf[offset + i];
	w->buf[offset + place] = (u8)-sum;
}

u64 acpi_end(struct acpi_writer *w, size_t offset)
{
	u32 length = (u32)(w->used - offset);

	if (w->buf && !acpi_writer_overflowed(w))
		memcpy(w->buf + offset + ACPI_HEADER_LENGTH, &length, sizeof(length));
	acpi_checksum(w, offset, length, ACPI_HEADER_CHECKSUM);
	return w->at + offset;
}
