/*
 * The emulator's edges, against expectations from the manuals: faults, bounds, page crossings, the
 * decode cache, and what it refuses. What 64-bit code computes is compared with the processor in
 * test_emulate_native.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "emu_run.h"

#define FLAG_ZF 0x40u
#define FLAG_TF 0x100u
#define FLAG_RF 0x10000u

static void test_write_across_pages_faults_whole(void **state __unused)
{
	w.regs.r[REG_RBX] = BASE + PAGE_SIZE - 3;
	w.fault_page = BASE + PAGE_SIZE;
	expect_fault(RUN(0x48, 0x89, 0x0b), GUEST_PF); /* mov [rbx], rcx */
	assert_int_equal(w.ctx.fault.cr2, BASE + PAGE_SIZE);
	assert_int_equal(w.writes, 0);
	w.fault_page = 0;
	assert_int_equal(RUN(0x48, 0x89, 0x0b), EMU_DONE);
	assert_int_equal(w.translations, 2);
	assert_int_equal(w.writes, 4); /* 2 + 1, 4 + 1 */
	assert_int_equal(w.bad, 0);
	assert_int_equal(mem64(BASE + PAGE_SIZE - 3), w.regs.r[REG_RCX]);
}

static void test_last_bytes_of_page_do_not_cross(void **state __unused)
{
	w.regs.r[REG_RBX] = BASE + PAGE_SIZE - 8;
	w.fault_page = BASE + PAGE_SIZE;
	assert_int_equal(RUN(0x48, 0x8b, 0x0b), EMU_DONE); /* mov rcx, [rbx] */
	assert_int_equal(w.translations, 1);
	assert_int_equal(w.reads, 1);
}

static void test_fault_changes_nothing(void **state __unused)
{
	struct guest_regs before;

	w.regs.r[REG_RBX] = BASE;
	w.regs.r[REG_RSP] = BASE + 64;
	before = w.regs;
	w.ctx.rflags = 0x8d7;
	w.fault_page = BASE;
	expect_fault(RUN(0x03, 0x0b), GUEST_PF);	     /* add ecx, [rbx] */
	expect_fault(RUN(0x0f, 0xc1, 0x0b), GUEST_PF);	     /* xadd [rbx], ecx */
	expect_fault(RUN(0x0f, 0xb1, 0x0b), GUEST_PF);	     /* cmpxchg [rbx], ecx */
	expect_fault(RUN(0xff, 0x33), GUEST_PF);	     /* push [rbx] */
	expect_fault(RUN(0x8f, 0x03), GUEST_PF);	     /* pop [rbx] */
	expect_fault(RUN(0xff, 0x13), GUEST_PF);	     /* call [rbx] */
	expect_fault(RUN(0xc3), GUEST_PF);		     /* ret */
	expect_fault(RUN(0x0f, 0x10, 0x0b), GUEST_PF);	     /* movups xmm1, [rbx] */
	expect_fault(RUN(0x48, 0x0f, 0xc7, 0x0b), GUEST_PF); /* cmpxchg16b [rbx] */
	assert_memory_equal(&before, &w.regs, sizeof(before));
	assert_int_equal(w.ctx.rflags, 0x8d7);
	assert_int_equal(w.writes, 0);
}

static void rep_setup(u64 count)
{
	w.regs.r[REG_RSI] = BASE;
	w.regs.r[REG_RDI] = BASE + 2 * PAGE_SIZE;
	w.regs.r[REG_RCX] = count;
	for (unsigned i = 0; i < PAGE_SIZE; i++)
		w.mem[i] = (u8)(i * 7 + 1);
}

static void test_rep_is_bounded(void **state __unused)
{
	rep_setup(EMU_REP_MAX);
	assert_int_equal(RUN(0xf3, 0xa4), EMU_DONE);
	assert_int_equal(w.regs.r[REG_RCX], 0);
	rep_setup(EMU_REP_MAX + 1);
	assert_int_equal(RUN(0xf3, 0xa4), EMU_PART);
	assert_int_equal(w.ctx.rip, RIP);
	assert_int_equal(w.regs.r[REG_RCX], 1);
	assert_int_equal(w.regs.r[REG_RSI], BASE + EMU_REP_MAX);
	assert_int_equal(w.writes, EMU_REP_MAX);
	assert_int_equal(w.translations, 2); /* once for each page */
	assert_int_equal(RUN(0xf3, 0xa4), EMU_DONE);
	assert_int_equal(w.writes, 1);
	assert_int_equal(w.ctx.rip, RIP + 2);
	assert_memory_equal(w.mem, w.mem + 2 * PAGE_SIZE, EMU_REP_MAX + 1);
	rep_setup(~0ull);
	assert_int_equal(RUN(0xf3, 0xaa), EMU_PART); /* stosb, a count without end */
	assert_int_equal(w.regs.r[REG_RCX], ~0ull - EMU_REP_MAX);
}

/* Between iterations RF is set; it ends with the last. */
static void test_rep_sets_resume_flag(void **state __unused)
{
	rep_setup(EMU_REP_MAX + 1);
	w.ctx.rflags = 2;
	assert_int_equal(RUN(0xf3, 0xa4), EMU_PART);
	assert_int_equal(w.ctx.rflags, FLAG_RF | 2);
	assert_int_equal(RUN(0xf3, 0xa4), EMU_DONE);
	assert_int_equal(w.ctx.rflags, 2);
}

/* A step is one iteration. */
static void test_rep_stepped(void **state __unused)
{
	rep_setup(3);
	w.ctx.rflags = FLAG_TF | 2;
	for (unsigned left = 2; left != 0; left--) {
		assert_int_equal(RUN(0xf3, 0xa4), EMU_PART);
		assert_int_equal(w.ctx.rip, RIP);
		assert_int_equal(w.regs.r[REG_RCX], left);
		assert_int_equal(w.ctx.rflags, FLAG_TF | FLAG_RF | 2);
	}
	assert_int_equal(RUN(0xf3, 0xa4), EMU_DONE);
	assert_int_equal(w.ctx.rip, RIP + 2);
	assert_int_equal(w.ctx.rflags, FLAG_TF | 2);
}

static void test_rep_of_nothing(void **state __unused)
{
	rep_setup(0);
	w.fault_page = BASE;
	assert_int_equal(RUN(0xf3, 0xa4), EMU_DONE);
	assert_int_equal(w.translations, 0);
	w.regs.r[REG_RCX] = 0x500000000; /* ECX is 0 */
	assert_int_equal(RUN(0x67, 0xf3, 0xa4), EMU_DONE);
	assert_int_equal(w.translations, 0);
}

static void test_rep_fault_keeps_progress(void **state __unused)
{
	rep_setup(10);
	w.regs.r[REG_RDI] = BASE + PAGE_SIZE - 6;
	w.fault_page = BASE + PAGE_SIZE;
	expect_fault(RUN(0xf3, 0x66, 0xa5), GUEST_PF); /* movsw: 3 fit */
	assert_int_equal(w.regs.r[REG_RCX], 7);
	assert_int_equal(w.regs.r[REG_RSI], BASE + 6);
	assert_int_equal(w.regs.r[REG_RDI], BASE + PAGE_SIZE);
	assert_int_equal(w.reads, 3); /* the fourth was not taken from the source */
}

static void test_repne_scas_stops_on_match(void **state __unused)
{
	rep_setup(50);
	w.mem[2 * PAGE_SIZE + 20] = 0x77;
	w.regs.r[REG_RAX] = 0x77;
	assert_int_equal(RUN(0xf2, 0xae), EMU_DONE);
	assert_int_equal(w.regs.r[REG_RCX], 50 - 21);
	assert_int_equal(w.regs.r[REG_RDI], BASE + 2 * PAGE_SIZE + 21);
	assert_true(w.ctx.rflags & FLAG_ZF);
}

static void test_port_strings(void **state __unused)
{
	rep_setup(3);
	w.regs.r[REG_RDX] = 0xabcd1234;
	w.port_value = 0x04030201;
	w.ctx.io_size = 2;
	assert_int_equal(RUN(0xf3, 0x66, 0x6d), EMU_DONE); /* rep insw */
	assert_int_equal(w.ins, 3);
	assert_int_equal(w.port, 0x1234);
	assert_int_equal(mem64(BASE + 2 * PAGE_SIZE), 0x040303020201ull);
	rep_setup(2);
	w.ctx.io_size = 1;
	w.port_value = 0;
	assert_int_equal(RUN(0xf3, 0x6e), EMU_DONE); /* rep outsb */
	assert_int_equal(w.outs, 2);
	assert_int_equal(w.port_value, 0x0108);
	w.ctx.io_size = 4;
	assert_int_equal(RUN(0x6f), EMU_DONE); /* outsd */
	assert_int_equal(w.port_value, 0x241d160f);
	/* REX.W does not make it wider. */
	rep_setup(1);
	w.port_value = 0x04030201;
	assert_int_equal(RUN(0x48, 0x6d), EMU_DONE);
	assert_int_equal(w.regs.r[REG_RDI], BASE + 2 * PAGE_SIZE + 4);
	assert_int_equal(RUN(0xf3, 0x48, 0x6f), EMU_DONE);
	assert_int_equal(w.regs.r[REG_RSI], BASE + 4);
}

static void test_port_string_needs_checked_size(void **state __unused)
{
	rep_setup(3);
	for (unsigned size = 0; size <= 4; size++) {
		w.ctx.io_size = (u8)size;
		if (size != 1)
			assert_int_equal(RUN(0xf3, 0x6e), EMU_AGAIN);
	}
	assert_int_equal(w.outs, 0);
	assert_int_equal(w.regs.r[REG_RCX], 3);
	/* INS does not take from the port what it cannot store. */
	w.ctx.io_size = 1;
	w.fault_page = BASE + 2 * PAGE_SIZE;
	expect_fault(RUN(0x6c), GUEST_PF);
	assert_int_equal(w.ins, 0);
}

static int read_error;

static int failing_read(struct emu_ctx *ctx __unused, gpa_t gpa __unused, void *buf __unused,
			unsigned size __unused)
{
	return read_error;
}

static void test_hint_saves_translation(void **state __unused)
{
	w.regs.r[REG_RBX] = 0xffff800000000123ull; /* not in our memory */
	w.ctx.hint_valid = true;
	w.ctx.hint_gpa = GPA(BASE + PAGE_SIZE + 0x123);
	set_mem64(BASE + PAGE_SIZE + 0x123, 0x55667788);
	assert_int_equal(RUN(0x8b, 0x0b), EMU_DONE);
	assert_int_equal(w.regs.r[REG_RCX], 0x55667788);
	assert_int_equal(w.translations, 0);
	assert_int_equal(w.segments, 0);	 /* flat in 64-bit code: not asked for */
	expect_fault(RUN(0x89, 0x0b), GUEST_PF); /* the exit was a read */
	w.ctx.hint_write = true;
	assert_int_equal(RUN(0x89, 0x0b), EMU_DONE);
	w.regs.r[REG_RBX]++;
	expect_fault(RUN(0x8b, 0x0b), GUEST_PF); /* another offset */
	w.regs.r[REG_RBX]--;
	w.ctx.hint_valid = false;
	expect_fault(RUN(0x8b, 0x0b), GUEST_PF);
}

/* The short way of a MOV keeps to the rules of the long one. */
static void test_hint_and_short_way(void **state __unused)
{
	struct emu_ops ops = world_ops;

	w.ctx.hint_valid = w.ctx.hint_write = true;
	w.ctx.hint_gpa = GPA(BASE + 0x101);
	w.regs.r[REG_RBX] = BASE + 0x101;
	w.ctx.rflags = FLAG_RF | 2;
	assert_int_equal(RUN(0x66, 0xc7, 0x03, 0xcd, 0xab), EMU_DONE); /* mov word [rbx], 0xabcd */
	assert_int_equal(mem64(BASE + 0x101), 0xabcd);
	assert_int_equal(w.ctx.rflags, 2);
	w.seg[EMU_SEG_GS].base = PAGE_SIZE;
	assert_int_equal(RUN(0x65, 0x8a, 0x0b), EMU_DONE); /* mov cl, gs:[rbx] */
	assert_int_equal(w.segments, 1);
	w.ctx.align_check = true;
	expect_fault(RUN(0x8b, 0x0b), GUEST_AC);
	w.ctx.align_check = false;
	ops.read = failing_read;
	w.ctx.ops = &ops;
	read_error = -EAGAIN;
	assert_int_equal(RUN(0x8b, 0x0b), EMU_AGAIN);
	assert_int_equal(w.ctx.rip, RIP);
	read_error = -EIO;
	assert_int_equal(RUN(0x8b, 0x0b), EMU_UNHANDLED);
	w.ctx.mode = EMU_MODE_32;
	w.ctx.ops = &world_ops;
	w.seg[EMU_SEG_DS].limit = 0x100;
	expect_fault(RUN(0x8b, 0x0b), GUEST_GP);
}

static void test_hint_not_for_two_operands(void **state __unused)
{
	w.ctx.hint_valid = w.ctx.hint_write = true;
	w.ctx.hint_gpa = GPA(BASE + PAGE_SIZE);
	rep_setup(1);
	assert_int_equal(RUN(0xa4), EMU_DONE);
	assert_int_equal(w.translations, 2);
	w.regs.r[REG_RBX] = BASE;
	w.regs.r[REG_RSP] = BASE + 2 * PAGE_SIZE;
	assert_int_equal(RUN(0xff, 0x33), EMU_DONE); /* push [rbx] */
	assert_int_equal(w.translations, 2);
	/* Nor for an operand that leaves its page. */
	w.regs.r[REG_RBX] = BASE + PAGE_SIZE - 2;
	w.ctx.hint_gpa = GPA(BASE + 3 * PAGE_SIZE - 2);
	assert_int_equal(RUN(0x8b, 0x0b), EMU_DONE);
	assert_int_equal(w.translations, 2);
}

static void test_cache(void **state __unused)
{
	w.regs.r[REG_RBX] = BASE;
	assert_int_equal(RUN(0xc6, 0x03, 0x11), EMU_DONE); /* mov byte [rbx], 0x11 */
	assert_int_equal(RUN(0xc6, 0x03, 0x11), EMU_DONE);
	assert_int_equal(w.cache.misses, 1);
	/* Bytes behind the instruction do not count. */
	assert_int_equal(RUN(0xc6, 0x03, 0x11, 0x90, 0x90), EMU_DONE);
	assert_int_equal(w.cache.misses, 1);
	/* Its last byte does. */
	assert_int_equal(RUN(0xc6, 0x03, 0x22), EMU_DONE);
	assert_int_equal(w.cache.misses, 2);
	assert_int_equal(w.mem[0], 0x22);
	/* Zeroes past the end of what was fetched are not bytes of it. */
	assert_int_equal(RUN(0xc6, 0x03, 0x00), EMU_DONE);
	assert_int_equal(RUN(0xc6, 0x03), EMU_UNHANDLED);
	/* The same bytes are something else in another mode. */
	assert_int_equal(RUN(0xff, 0x03), EMU_DONE);
	w.ctx.mode = EMU_MODE_32;
	assert_int_equal(RUN(0xff, 0x03), EMU_DONE);
	assert_int_equal(w.cache.misses, 6);
}

static void test_cache_compares_all_bytes(void **state __unused)
{
	u8 code[12] = { 0x67, 0x48, 0xc7, 0x84, 0x1b, 0, 0, 0, 0, 0x78, 0x56, 0x34 };

	/* mov qword [ebx+ebx+0], imm32: 13 bytes; each of them matters. */
	w.regs.r[REG_RBX] = BASE / 2;
	for (unsigned i = 0; i < 13; i++) {
		u8 bytes[13] = { 0 };

		memcpy(bytes, code, sizeof(code));
		(void)!run(bytes, 13);
		u64 misses = w.cache.misses;

		assert_int_equal(run(bytes, 13), EMU_DONE);
		assert_int_equal(w.cache.misses, misses);
		bytes[i] ^= 0x08;
		(void)!run(bytes, 13);
		assert_int_equal(w.cache.misses, misses + 1);
	}
}

static void test_without_cache(void **state __unused)
{
	w.ctx.cache = NULL;
	w.regs.r[REG_RBX] = BASE;
	assert_int_equal(RUN(0x88, 0x23), EMU_DONE); /* mov [rbx], ah */
	assert_int_equal(w.ctx.rip, RIP + 2);
	assert_int_equal(RUN(0x0f, 0x0b), EMU_UNHANDLED);
}

static void test_lock(void **state __unused)
{
	w.regs.r[REG_RBX] = BASE;
	expect_fault(RUN(0xf0, 0x89, 0x0b), GUEST_UD);	     /* lock mov [rbx], ecx */
	expect_fault(RUN(0xf0, 0x01, 0xcb), GUEST_UD);	     /* lock add ebx, ecx */
	expect_fault(RUN(0xf0, 0x03, 0x0b), GUEST_UD);	     /* lock add ecx, [rbx] */
	expect_fault(RUN(0xf0, 0x39, 0x0b), GUEST_UD);	     /* lock cmp [rbx], ecx */
	expect_fault(RUN(0xf0, 0x0f, 0xa3, 0x0b), GUEST_UD); /* lock bt [rbx], ecx */
	assert_int_equal(RUN(0xf0, 0xff, 0x03), EMU_DONE);   /* lock inc dword [rbx] */
	assert_int_equal(w.cas, 1);
	assert_int_equal(w.writes, 0);
	assert_int_equal(RUN(0xff, 0x03), EMU_DONE);
	assert_int_equal(w.cas, 0);
	assert_int_equal(RUN(0x87, 0x0b), EMU_DONE); /* xchg locks by itself */
	assert_int_equal(w.cas, 1);
	assert_int_equal((u32)w.regs.r[REG_RCX], 2);
	w.device = true;
	assert_int_equal(RUN(0x87, 0x0b), EMU_DONE);
	assert_int_equal(w.writes, 1);
}

static void test_lock_contended(void **state __unused)
{
	w.regs.r[REG_RBX] = BASE;
	w.contended = EMU_CAS_TRIES - 1;
	assert_int_equal(RUN(0xf0, 0xff, 0x03), EMU_DONE);
	assert_int_equal(mem64(BASE), EMU_CAS_TRIES);
	w.contended = EMU_CAS_TRIES;
	w.ctx.rflags = 0x8d7;
	assert_int_equal(RUN(0xf0, 0xff, 0x03), EMU_AGAIN);
	assert_int_equal(w.ctx.rip, RIP);
	assert_int_equal(w.ctx.rflags, 0x8d7);
	assert_int_equal(mem64(BASE), 2 * EMU_CAS_TRIES);
	w.contended = EMU_CAS_TRIES;
	assert_int_equal(RUN(0xf0, 0x0f, 0xc7, 0x0b), EMU_AGAIN); /* cmpxchg8b */
	assert_int_equal(w.ctx.rflags, 0x8d7);
}

static void test_alignment(void **state __unused)
{
	w.regs.r[REG_RBX] = BASE + 8;
	expect_fault(RUN(0x0f, 0x28, 0x0b), GUEST_GP);	     /* movaps xmm1, [rbx] */
	expect_fault(RUN(0x66, 0x0f, 0xe7, 0x0b), GUEST_GP); /* movntdq [rbx], xmm1 */
	expect_fault(RUN(0x48, 0x0f, 0xc7, 0x0b), GUEST_GP); /* cmpxchg16b [rbx] */
	assert_int_equal(RUN(0x0f, 0xc7, 0x0b), EMU_DONE);   /* cmpxchg8b [rbx] */
	assert_int_equal(RUN(0x0f, 0x10, 0x0b), EMU_DONE);   /* movups xmm1, [rbx] */
	w.regs.r[REG_RBX] = BASE + 1;
	assert_int_equal(RUN(0x8b, 0x0b), EMU_DONE);
	w.ctx.align_check = true;
	expect_fault(RUN(0x8b, 0x0b), GUEST_AC);
	assert_int_equal(RUN(0x8a, 0x0b), EMU_DONE);	   /* a byte is always aligned */
	assert_int_equal(RUN(0x0f, 0x10, 0x0b), EMU_DONE); /* and MOVUPS is exempt */
}

static void test_stack_segment_is_told(void **state __unused)
{
	w.regs.r[REG_RBP] = w.regs.r[REG_RSP] = w.regs.r[REG_RBX] = BASE;
	assert_int_equal(RUN(0x8b, 0x45, 0x00), EMU_DONE); /* mov eax, [rbp] */
	assert_int_equal(w.last_access, GVA_STACK);
	assert_int_equal(RUN(0x89, 0x04, 0x24), EMU_DONE); /* mov [rsp], eax */
	assert_int_equal(w.last_access, GVA_STACK | GVA_WRITE);
	assert_int_equal(RUN(0x89, 0x03), EMU_DONE); /* mov [rbx], eax */
	assert_int_equal(w.last_access, GVA_WRITE);
	assert_int_equal(RUN(0x3e, 0x8b, 0x03), EMU_DONE);
	assert_int_equal(w.last_access, 0);
	assert_int_equal(RUN(0x39, 0x03), EMU_DONE); /* cmp only reads */
	assert_int_equal(w.last_access, 0);
}

static void test_branches(void **state __unused)
{
	w.regs.r[REG_RBX] = BASE;
	w.regs.r[REG_RSP] = BASE + 0x100;
	set_mem64(BASE, 0x0000800000000000ull);
	expect_fault(RUN(0xff, 0x23), GUEST_GP); /* jmp [rbx] */
	expect_fault(RUN(0xff, 0x13), GUEST_GP); /* call [rbx] */
	assert_int_equal(w.writes, 0);
	w.ctx.va_bits = 57;
	assert_int_equal(RUN(0xff, 0x23), EMU_DONE);
	assert_int_equal(w.ctx.rip, 0x0000800000000000ull);
	assert_int_equal(RUN(0xe8, 0x10, 0, 0, 0), EMU_DONE); /* call +16 */
	assert_int_equal(w.ctx.rip, RIP + 5 + 16);
	assert_int_equal(mem64(BASE + 0xf8), RIP + 5);
	assert_int_equal(RUN(0xc2, 0x20, 0), EMU_DONE); /* ret 32 */
	assert_int_equal(w.ctx.rip, RIP + 5);
	assert_int_equal(w.regs.r[REG_RSP], BASE + 0x120);
	assert_int_equal(RUN(0xeb, 0xfe), EMU_DONE); /* jmp to itself */
	assert_int_equal(w.ctx.rip, RIP);
	w.regs.r[REG_RSP] = BASE + 0x80;
	set_mem64(BASE + 0x80, 0x1234);
	assert_int_equal(RUN(0x8f, 0x44, 0x24, 0x10), EMU_DONE); /* pop [rsp + 16] */
	assert_int_equal(mem64(BASE + 0x98), 0x1234);		 /* RSP after the pop counts */
	assert_int_equal(RUN(0x41, 0x57), EMU_DONE);		 /* push r15 */
	assert_int_equal(RUN(0x5c), EMU_DONE);			 /* pop rsp */
	assert_int_equal(w.regs.r[REG_RSP], ~0ull);
}

static void test_pushf(void **state __unused)
{
	const u64 flags = 0x2 | 0x8d5 | BIT(9) | BIT(14) | FLAG_TF | BIT(18) | BIT(21);

	w.regs.r[REG_RSP] = BASE + 0x80;
	w.ctx.rflags = flags | BIT(16);
	assert_int_equal(RUN(0x9c), EMU_DONE); /* pushfq */
	assert_int_equal(w.regs.r[REG_RSP], BASE + 0x78);
	assert_int_equal(mem64(BASE + 0x78), flags); /* without RF */
	assert_int_equal(RUN(0x66, 0x9c), EMU_DONE); /* pushf */
	assert_int_equal(w.regs.r[REG_RSP], BASE + 0x76);
	assert_int_equal(mem64(BASE + 0x76), flags << 16 | (flags & 0xffff));
	w.regs.r[REG_RSP] = BASE + 0x80;
	w.fault_page = BASE;
	expect_fault(RUN(0x9c), GUEST_PF);
	assert_int_equal(w.regs.r[REG_RSP], BASE + 0x80);
}

static void test_unhandled(void **state __unused)
{
	static const struct {
		u8 bytes[8];
		u8 count;
	} insns[] = {
		{ { 0xc5, 0xfa, 0x6f, 0x0b }, 4 },    /* vmovdqu xmm1, [rbx] */
		{ { 0x0f, 0x6f, 0x0b }, 3 },	      /* movq mm1, [rbx] */
		{ { 0xd9, 0x03 }, 2 },		      /* fld dword [rbx] */
		{ { 0xff, 0x2b }, 2 },		      /* jmp far [rbx] */
		{ { 0xff, 0x1b }, 2 },		      /* call far [rbx] */
		{ { 0xcb }, 1 },		      /* retf */
		{ { 0x8e, 0x1b }, 2 },		      /* mov ds, [rbx] */
		{ { 0x0f, 0xa1 }, 2 },		      /* pop fs */
		{ { 0x0f, 0x20, 0xc0 }, 3 },	      /* mov rax, cr0 */
		{ { 0x6b, 0x0b, 5 }, 3 },	      /* imul ecx, [rbx], 5 */
		{ { 0xf7, 0x2b }, 2 },		      /* imul dword [rbx] */
		{ { 0xf2, 0x0f, 0xc2, 0x0b, 1 }, 5 }, /* cmpsd xmm1, [rbx], 1 */
		{ { 0x0f, 0x01, 0x1b }, 3 },	      /* lidt [rbx] */
		{ { 0xf4 }, 1 },		      /* hlt */
		{ { 0x06 }, 1 },		      /* none in 64-bit code */
		{ { 0xf3, 0x0f, 0x10, 0xca }, 4 },    /* movss xmm1, xmm2 */
	};
	struct guest_regs before;

	w.regs.r[REG_RBX] = BASE;
	before = w.regs;
	for (unsigned i = 0; i < ARRAY_SIZE(insns); i++) {
		w.ctx.why = NULL;
		assert_int_equal(run(insns[i].bytes, insns[i].count), EMU_UNHANDLED);
		assert_non_null(w.ctx.why);
		assert_int_equal(w.ctx.rip, RIP);
	}
	assert_memory_equal(&before, &w.regs, sizeof(before));
}

static void test_fetch_stopped_short(void **state __unused)
{
	w.regs.r[REG_RBX] = BASE;
	assert_int_equal(RUN(0xc7, 0x03, 1, 2), EMU_UNHANDLED);
	w.ctx.fetch_faulted = true;
	w.ctx.fault = (struct guest_fault){ GUEST_PF, true, PF_FETCH, 0x401000 };
	assert_int_equal(RUN(0xc7, 0x03, 1, 2), EMU_FAULT);
	assert_int_equal(w.ctx.fault.error_code, PF_FETCH);
	assert_int_equal(w.ctx.fault.cr2, 0x401000);
	assert_int_equal(RUN(0xc7, 0x03, 1, 2, 3, 4), EMU_DONE); /* enough, all the same */
	assert_int_equal(run(NULL, 0), EMU_FAULT);
	w.ctx.fetch_faulted = false;
	assert_int_equal(run(NULL, 0), EMU_UNHANDLED);
}

static void test_longest_instruction(void **state __unused)
{
	u8 code[16];

	/* Prefixes up to 15 bytes are fine, 16 are #GP. */
	w.regs.r[REG_RBX] = BASE;
	memset(code, 0x3e, sizeof(code));
	memcpy(code + 13, "\x89\x0b", 2);
	assert_int_equal(run(code, 15), EMU_DONE);
	assert_int_equal(w.ctx.rip, RIP + 15);
	memset(code, 0x3e, sizeof(code));
	memcpy(code + 14, "\x89\x0b", 2);
	expect_fault(run(code, 15), GUEST_GP);
	expect_fault(run(code, 16), GUEST_GP); /* the sixteenth byte is not looked at */
}

static void test_ops_that_fail(void **state __unused)
{
	struct emu_ops ops = world_ops;

	ops.read = failing_read;
	w.ctx.ops = &ops;
	w.regs.r[REG_RBX] = BASE;
	read_error = -EFAULT; /* not a fault of the guest's: there is none to inject */
	assert_int_equal(RUN(0x8b, 0x0b), EMU_UNHANDLED);
	read_error = -EAGAIN;
	assert_int_equal(RUN(0x8b, 0x0b), EMU_AGAIN);
	assert_int_equal(w.regs.r[REG_RCX], 0x1111111111111111ull);
	ops = world_ops;
	ops.cas = NULL;
	assert_int_equal(RUN(0xf0, 0xff, 0x03), EMU_DONE);
	assert_int_equal(mem64(BASE), 1);
}

static void test_resume_flag(void **state __unused)
{
	w.regs.r[REG_RBX] = BASE;
	w.ctx.rflags = FLAG_RF | 2;
	w.fault_page = BASE;
	expect_fault(RUN(0x8b, 0x0b), GUEST_PF);
	assert_int_equal(w.ctx.rflags, FLAG_RF | 2);
	w.fault_page = 0;
	assert_int_equal(RUN(0x8b, 0x0b), EMU_DONE);
	assert_int_equal(w.ctx.rflags, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_write_across_pages_faults_whole, set_up),
		cmocka_unit_test_setup(test_last_bytes_of_page_do_not_cross, set_up),
		cmocka_unit_test_setup(test_fault_changes_nothing, set_up),
		cmocka_unit_test_setup(test_rep_is_bounded, set_up),
		cmocka_unit_test_setup(test_rep_sets_resume_flag, set_up),
		cmocka_unit_test_setup(test_rep_stepped, set_up),
		cmocka_unit_test_setup(test_rep_of_nothing, set_up),
		cmocka_unit_test_setup(test_rep_fault_keeps_progress, set_up),
		cmocka_unit_test_setup(test_repne_scas_stops_on_match, set_up),
		cmocka_unit_test_setup(test_port_strings, set_up),
		cmocka_unit_test_setup(test_port_string_needs_checked_size, set_up),
		cmocka_unit_test_setup(test_hint_saves_translation, set_up),
		cmocka_unit_test_setup(test_hint_and_short_way, set_up),
		cmocka_unit_test_setup(test_hint_not_for_two_operands, set_up),
		cmocka_unit_test_setup(test_cache, set_up),
		cmocka_unit_test_setup(test_cache_compares_all_bytes, set_up),
		cmocka_unit_test_setup(test_without_cache, set_up),
		cmocka_unit_test_setup(test_lock, set_up),
		cmocka_unit_test_setup(test_lock_contended, set_up),
		cmocka_unit_test_setup(test_alignment, set_up),
		cmocka_unit_test_setup(test_stack_segment_is_told, set_up),
		cmocka_unit_test_setup(test_branches, set_up),
		cmocka_unit_test_setup(test_pushf, set_up),
		cmocka_unit_test_setup(test_unhandled, set_up),
		cmocka_unit_test_setup(test_fetch_stopped_short, set_up),
		cmocka_unit_test_setup(test_longest_instruction, set_up),
		cmocka_unit_test_setup(test_ops_that_fail, set_up),
		cmocka_unit_test_setup(test_resume_flag, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
