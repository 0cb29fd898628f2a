/* The emulator in 16- and 32-bit code: segments, wraps, stack widths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "emu_run.h"

static void code_mode(enum emu_mode mode)
{
	w.ctx.mode = mode;
	if (mode == EMU_MODE_16) {
		for (unsigned i = 0; i < EMU_SEG_COUNT; i++) {
			w.seg[i].flags &= ~EMU_SEG_BIG;
			w.seg[i].limit = 0xffff;
		}
	}
}

static void test_32bit_segments(void **state __unused)
{
	struct emu_segment *ds = &w.seg[EMU_SEG_DS], *ss = &w.seg[EMU_SEG_SS];

	code_mode(EMU_MODE_32);
	ds->base = BASE;
	ds->limit = 0xff;
	w.regs.r[REG_RBX] = 0xffffffff000000fcull; /* the upper half does not count */
	assert_int_equal(RUN(0x8b, 0x0b), EMU_DONE);
	w.regs.r[REG_RBX] = 0xfd;
	expect_fault(RUN(0x8b, 0x0b), GUEST_GP); /* its last byte is beyond the limit */
	assert_int_equal(RUN(0x8a, 0x0b), EMU_DONE);
	ds->flags = EMU_SEG_READABLE;
	assert_int_equal(RUN(0x8a, 0x0b), EMU_DONE);
	expect_fault(RUN(0x88, 0x0b), GUEST_GP);
	expect_fault(RUN(0x80, 0x0b, 1), GUEST_GP); /* or byte [ebx], 1 */
	ds->flags = 0;				    /* a null selector */
	expect_fault(RUN(0x8a, 0x0b), GUEST_GP);
	ss->limit = 0xff;
	expect_fault(RUN(0x36, 0x8b, 0x0b), GUEST_SS);
	w.regs.r[REG_RSP] = 0x101;
	expect_fault(RUN(0x50), GUEST_SS); /* push eax: 0xfd to 0x100 */
	w.seg[EMU_SEG_ES].limit = 0xff;
	w.regs.r[REG_RDI] = 0x100;
	expect_fault(RUN(0xaa), GUEST_GP); /* stosb */
}

static void test_expand_down(void **state __unused)
{
	struct emu_segment *ds = &w.seg[EMU_SEG_DS];

	code_mode(EMU_MODE_32);
	*ds = (struct emu_segment){ BASE - 0x1000, 0xfff, 0,
				    EMU_SEG_READABLE | EMU_SEG_WRITABLE | EMU_SEG_DOWN };
	w.regs.r[REG_RBX] = 0xfff;
	expect_fault(RUN(0x8a, 0x0b), GUEST_GP); /* at the limit: outside */
	w.regs.r[REG_RBX] = 0x1000;
	assert_int_equal(RUN(0x8a, 0x0b), EMU_DONE);
	ds->base = BASE - 0xfff0;
	w.regs.r[REG_RBX] = 0xfffc;
	assert_int_equal(RUN(0x8b, 0x0b), EMU_DONE);
	w.regs.r[REG_RBX] = 0xfffd;
	expect_fault(RUN(0x8b, 0x0b), GUEST_GP); /* over 64 KiB with B clear */
	ds->flags |= EMU_SEG_BIG;
	assert_int_equal(RUN(0x8b, 0x0b), EMU_DONE);
}

static void test_32bit_wraps(void **state __unused)
{
	code_mode(EMU_MODE_32);
	w.seg[EMU_SEG_DS].base = 0xfffff000;
	w.regs.r[REG_RBX] = BASE + 0x1010;
	w.mem[0x10] = 0x42;
	assert_int_equal(RUN(0x8a, 0x03), EMU_DONE); /* base + offset wraps to BASE + 0x10 */
	assert_int_equal((u8)w.regs.r[REG_RAX], 0x42);
	world_code(&w, "\x8a\x03", 2);
	w.ctx.rip = 0xfffffffe;
	assert_int_equal(emu_run(&w.ctx), EMU_DONE);
	assert_int_equal(w.ctx.rip, 0);
	w.seg[EMU_SEG_CS].limit = 0xfff;
	set_mem64(BASE + 0x10, 0xfff);
	assert_int_equal(RUN(0xff, 0x23), EMU_DONE); /* jmp [ebx] */
	assert_int_equal(w.ctx.rip, 0xfff);
	set_mem64(BASE + 0x10, 0x1000);
	expect_fault(RUN(0xff, 0x23), GUEST_GP);
}

static void test_32bit_operands(void **state __unused)
{
	code_mode(EMU_MODE_32);
	w.regs.r[REG_RCX] = 0x11223344;
	assert_int_equal(RUN(0x89, 0x0d, 0, 0, 1, 0), EMU_DONE); /* mov [0x10000], ecx */
	assert_int_equal(mem64(BASE), 0x11223344);
	assert_int_equal(RUN(0xa0, 1, 0, 1, 0), EMU_DONE); /* mov al, [0x10001] */
	assert_int_equal((u8)w.regs.r[REG_RAX], 0x33);
	w.regs.r[REG_RSP] = BASE + 0x80;
	assert_int_equal(RUN(0xff, 0x35, 0, 0, 1, 0), EMU_DONE); /* push dword [0x10000] */
	assert_int_equal(w.regs.r[REG_RSP], BASE + 0x7c);
	assert_int_equal(mem64(BASE + 0x7c), 0x11223344);
	assert_int_equal(RUN(0x66, 0x8f, 0x05, 8, 0, 1, 0), EMU_DONE); /* pop word [0x10008] */
	assert_int_equal(w.regs.r[REG_RSP], BASE + 0x7e);
	assert_int_equal(mem64(BASE + 8), 0x3344);
	w.regs.r[REG_RBX] = 8;
	w.seg[EMU_SEG_DS].base = BASE;
	assert_int_equal(RUN(0x67, 0xfe, 0x87, 0xf8, 0xff), EMU_DONE); /* inc byte [bx - 8] */
	assert_int_equal(mem64(BASE), 0x11223345);
}

static void test_16bit(void **state __unused)
{
	code_mode(EMU_MODE_16);
	for (unsigned i = 0; i < EMU_SEG_COUNT; i++)
		w.seg[i].base = BASE;
	w.regs.r[REG_RBX] = 0xffff8000;
	w.regs.r[REG_RSI] = 0x8010;
	set_mem64(BASE + 0x10, 0xaabbccdd);
	assert_int_equal(RUN(0x8b, 0x00), EMU_DONE); /* mov ax, [bx + si], which wraps */
	assert_int_equal(w.regs.r[REG_RAX], 0xccdd);
	assert_int_equal(RUN(0x66, 0x8b, 0x00), EMU_DONE); /* mov eax */
	assert_int_equal(w.regs.r[REG_RAX], 0xaabbccdd);
	w.seg[EMU_SEG_DS].base = BASE - 0xf000;
	w.regs.r[REG_RBX] = 0xffff;
	w.regs.r[REG_RSI] = 0;
	assert_int_equal(RUN(0x8a, 0x00), EMU_DONE);
	expect_fault(RUN(0x8b, 0x00), GUEST_GP); /* a word at 0xffff */
	w.regs.r[REG_RAX] = 0xdd;
	w.regs.r[REG_RCX] = 0xabcd0002;
	w.regs.r[REG_RDI] = 0xdef00020;
	assert_int_equal(RUN(0xf3, 0xaa), EMU_DONE); /* rep stosb with CX and DI */
	assert_int_equal(w.regs.r[REG_RCX], 0xabcd0000);
	assert_int_equal(w.regs.r[REG_RDI], 0xdef00022);
	assert_int_equal(mem64(BASE + 0x20), 0xdddd);
}

static void test_16bit_stack(void **state __unused)
{
	code_mode(EMU_MODE_16);
	w.seg[EMU_SEG_SS].base = BASE - 0xf000;
	w.seg[EMU_SEG_DS].base = BASE;
	w.regs.r[REG_RSP] = 0x77770000;
	set_mem64(BASE + 2, 0x1234);
	assert_int_equal(RUN(0xff, 0x36, 2, 0), EMU_DONE); /* push word [2]: SP wraps */
	assert_int_equal(w.regs.r[REG_RSP], 0x7777fffe);
	assert_int_equal(mem64(BASE + 0xffe), 0x1234);
	assert_int_equal(RUN(0xff, 0x16, 2, 0), EMU_DONE); /* call word [2] */
	assert_int_equal(w.ctx.rip, 0x1234);
	assert_int_equal(mem64(BASE + 0xffc) & 0xffff, (RIP + 4) & 0xffff);
	assert_int_equal(RUN(0x8c, 0x1e, 8, 0), EMU_DONE); /* mov [8], ds */
	assert_int_equal(mem64(BASE + 8), w.seg[EMU_SEG_DS].selector);
}

static void test_pushf(void **state __unused)
{
	const u64 vm = BIT(17), iopl_3 = BIT(12) | BIT(13);

	code_mode(EMU_MODE_16);
	w.seg[EMU_SEG_SS].base = BASE;
	w.regs.r[REG_RSP] = 0x77770080;
	w.ctx.rflags = vm | BIT(13) | 2;
	expect_fault(RUN(0x9c), GUEST_GP); /* pushf: IOPL 2 */
	w.ctx.rflags = vm | iopl_3 | 2;
	assert_int_equal(RUN(0x9c), EMU_DONE);
	assert_int_equal(w.regs.r[REG_RSP], 0x7777007e);
	assert_int_equal(mem64(BASE + 0x7e) & 0xffff, iopl_3 | 2);
	w.ctx.rflags = 2;
	set_mem64(BASE + 0x7a, ~0ull);
	assert_int_equal(RUN(0x66, 0x9c), EMU_DONE); /* pushfd */
	assert_int_equal(w.regs.r[REG_RSP], 0x7777007a);
	assert_int_equal((u32)mem64(BASE + 0x7a), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_32bit_segments, set_up),
		cmocka_unit_test_setup(test_expand_down, set_up),
		cmocka_unit_test_setup(test_32bit_wraps, set_up),
		cmocka_unit_test_setup(test_32bit_operands, set_up),
		cmocka_unit_test_setup(test_16bit, set_up),
		cmocka_unit_test_setup(test_16bit_stack, set_up),
		cmocka_unit_test_setup(test_pushf, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
