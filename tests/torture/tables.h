/* The flush of the processor that part_tables.c plays; the backend's tdp_flush. */
#ifndef NEAP_TESTS_TORTURE_TABLES_H
#define NEAP_TESTS_TORTURE_TABLES_H

struct vm;

void tables_flush(struct vm *vm);

#endif
