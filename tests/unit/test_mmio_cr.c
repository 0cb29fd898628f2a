/* Instructions at control registers: decoded for the backends, and SMSW executed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "mmio_world.h"

static struct mmio_cr_access decode(const char *bytes, unsigned count)
{
	struct mmio_cr_access a;

	memset(&a, 0xff, sizeof(a));
	memset(ram + CODE, 0x90, 16);
	memcpy(ram + CODE, bytes, count);
	assert_int_equal(mmio_decode_cr_access(&vcpu, NULL, 0, &a), 0);
	return a;
}
#define DECODE(bytes) decode(bytes, sizeof(bytes) - 1)

static void expect_move(struct mmio_cr_access a, u8 kind, u8 cr, u8 reg, u8 length)
{
	assert_int_equal(a.kind, kind);
	assert_int_equal(a.cr, cr);
	assert_int_equal(a.reg, reg);
	assert_int_equal(a.length, length);
	assert_false(a.memory);
}

static void test_cr_moves(void **unused)
{
	(void)unused;
	for (unsigned reg = 0; reg < 16; reg++) {
		char to[] = { (char)(0x40 | reg >> 3), 0x0f, 0x22, (char)(0xc0 | (reg & 7)) };

		expect_move(decode(to, 4), MMIO_CR_MOV_TO, 0, (u8)reg, 4);
		to[2] = 0x20;
		to[3] = (char)(0xe0 | (reg & 7));
		expect_move(decode(to, 4), MMIO_CR_MOV_FROM, 4, (u8)reg, 4);
	}
	expect_move(DECODE("\x0f\x22\xdc"), MMIO_CR_MOV_TO, 3, REG_RSP, 3);
	expect_move(DECODE("\x44\x0f\x22\xc3"), MMIO_CR_MOV_TO, 8, REG_RBX, 4);
	expect_move(DECODE("\x45\x0f\x20\xc7"), MMIO_CR_MOV_FROM, 8, REG_R15, 4);
	expect_move(DECODE("\x0f\x20\xd0"), MMIO_CR_MOV_FROM, 2, REG_RAX, 3);
	/* The mod field is not looked at (APM vol. 3, MOV CRn). */
	expect_move(DECODE("\x0f\x20\x03"), MMIO_CR_MOV_FROM, 0, REG_RBX, 3);
	expect_move(DECODE("\x66\x0f\x22\xe1"), MMIO_CR_MOV_TO, 4, REG_RCX, 4);
	mode_legacy(true);
	expect_move(DECODE("\x0f\x22\xc6"), MMIO_CR_MOV_TO, 0, REG_RSI, 3);
	mode_legacy(false);
	expect_move(DECODE("\x0f\x22\xc2"), MMIO_CR_MOV_TO, 0, REG_RDX, 3);
	expect_move(DECODE("\x66\x0f\x20\xc0"), MMIO_CR_MOV_FROM, 0, REG_RAX, 4);
}

static void test_cr_others(void **unused)
{
	struct mmio_cr_access a;

	(void)unused;
	expect_move(DECODE("\x0f\x06"), MMIO_CR_CLTS, 0, 0, 2);
	vcpu.regs.r[REG_RDI] = 0xaaaaaaaaaaaa8009;
	a = DECODE("\x0f\x01\xf7"); /* lmsw di */
	expect_move(a, MMIO_CR_LMSW, 0, REG_RDI, 3);
	assert_int_equal(a.msw, 0x8009);
	state.rsp = 0x7777;
	assert_int_equal(DECODE("\x0f\x01\xf4").msw, 0x7777);
	vcpu.regs.r[REG_RBX] = 0x9ffe;
	memcpy(ram + 0x9ffe, "\x0b\x70\xff", 3);
	a = DECODE("\x0f\x01\x33"); /* lmsw [rbx] */
	assert_int_equal(a.kind, MMIO_CR_LMSW);
	assert_true(a.memory);
	assert_int_equal(a.msw, 0x700b);
	assert_int_equal(a.length, 3);
	a = DECODE("\x0f\x01\x23"); /* smsw [rbx] */
	assert_int_equal(a.kind, MMIO_CR_SMSW);
	assert_true(a.memory);
	expect_move(DECODE("\x0f\x01\xe2"), MMIO_CR_SMSW, 0, REG_RDX, 3);
	assert_int_equal(injected, NO_FAULT);
}

static void test_cr_faults(void **unused)
{
	static const u8 nop[15] = { 0x90 };
	struct mmio_cr_access a;

	(void)unused;
	assert_int_equal(mmio_decode_cr_access(&vcpu, nop, 15, &a), -EINVAL);
	memcpy(ram + CODE, "\x0f\x01\x33", 3);
	vcpu.regs.r[REG_RBX] = 0x9fff; /* into a page that is not there */
	set_u64(PT + 8 * 10, 0);
	assert_int_equal(mmio_decode_cr_access(&vcpu, NULL, 0, &a), -EFAULT);
	assert_int_equal(injected, GUEST_PF);
	assert_int_equal(cr2, 0xa000);
	injected = NO_FAULT;
	vcpu.regs.r[REG_RBX] = BIT(60);
	assert_int_equal(mmio_decode_cr_access(&vcpu, NULL, 0, &a), -EFAULT);
	assert_int_equal(injected, GUEST_GP);
	memcpy(ram + CODE, "\x0f\x22\xc8", 3); /* mov cr1, rax */
	injected = NO_FAULT;
	assert_int_equal(mmio_decode_cr_access(&vcpu, NULL, 0, &a), -EFAULT);
	assert_int_equal(injected, GUEST_UD);
}

/* SMSW is executed; what writes control registers is the backends' to do. */
static void test_smsw(void **unused)
{
	u64 ones = ~0ull;

	(void)unused;
	state.cr0 = 0x8005003b;
	vcpu.regs.r[REG_RAX] = vcpu.regs.r[REG_RCX] = vcpu.regs.r[REG_RDX] = ones;
	RUN("\x66\x0f\x01\xe0"); /* smsw ax */
	assert_int_equal(vcpu.regs.r[REG_RAX], (ones & ~0xffffull) | 0x3b);
	RUN("\x0f\x01\xe1"); /* smsw ecx */
	assert_int_equal(vcpu.regs.r[REG_RCX], 0x8005003b);
	RUN("\x48\x0f\x01\xe2"); /* smsw rdx */
	assert_int_equal(vcpu.regs.r[REG_RDX], 0x8005003b);
	vcpu.regs.r[REG_RBX] = 0x9000;
	memset(ram + 0x9000, 0xff, 8);
	RUN("\x48\x0f\x01\x23"); /* smsw [rbx]: 16 bits whatever the prefix */
	assert_memory_equal(ram + 0x9000, "\x3b\x00\xff\xff", 4);
	memcpy(ram + CODE, "\x0f\x06", 2);
	mmio_emulate(&vcpu, &(struct mmio_hint){ 0 });
	assert_int_equal(kills, 1);
	state.cpl = 3;
	set_u64(PML4, PDPT | 0x67);
	set_u64(PDPT, PD | 0x67);
	set_u64(PD, PT | 0x67);
	set_u64(PT + 8 * (CODE >> 12), CODE | 0x67);
	mmio_emulate(&vcpu, &(struct mmio_hint){ 0 });
	assert_int_equal(kills, 1);
	assert_int_equal(injected, GUEST_UD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_cr_moves),
		T(test_cr_others),
		T(test_cr_faults),
		T(test_smsw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
