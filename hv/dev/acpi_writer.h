/*
 * Writes ACPI tables, little-endian, one after another into a buffer that stands for guest memory
 * at a known address. Without a buffer it only counts. Past the buffer's end it writes nothing
 * and remembers that.
 */
#ifndef NEAP_HV_DEV_ACPI_WRITER_H
#define NEAP_HV_DEV_ACPI_WRITER_H

#include "core/types.h"

/* Common header of all tables but RSDP and FACS (ACPI 6.4, 5.2.6). */
#define ACPI_HEADER_SIZE     36
#define ACPI_HEADER_LENGTH   4
#define ACPI_HEADER_CHECKSUM 9

struct acpi_writer {
	u8 *buf;     /* NULL: count */
	size_t size; /* of buf */
	size_t used; /* may grow beyond size */
	u64 at;	     /* guest-physical address of buf */
};

/* Whether something did not fit; what was written then is of no use. */
static inline bool acpi_writer_overflowed(const struct acpi_writer *w)
{
	return w->used > w->size;
}

/* The low n bytes of v, n up to 8. */
void acpi_put(struct acpi_writer *w, unsigned n, u64 v);
void acpi_put_bytes(struct acpi_writer *w, const void *p, size_t n);
void acpi_put_zeros(struct acpi_writer *w, size_t n);

/* Zeros up to the next guest address that is a multiple of align, a power of two. */
void acpi_align(struct acpi_writer *w, unsigned align);

/* Starts a table at a multiple of 16; returns its offset in the buffer. */
size_t acpi_begin(struct acpi_writer *w, const char signature[4], u8 revision);

/* Ends the table begun at offset: fills in length and checksum. Returns its guest address. */
u64 acpi_end(struct acpi_writer *w, size_t offset);

/* Makes the n bytes at offset sum up to 0 by the byte at offset + place. */
void acpi_checksum(struct acpi_writer *w, size_t offset, size_t n, size_t place);

#endif
