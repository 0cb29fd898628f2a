/*
 * Instructions at a vCPU's RIP: fetched through the guest's page tables or given by the exit, and
 * their lengths. Accesses of control registers: test_mmio_cr.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "mmio_world.h"

/* --- lengths --- */

struct coded {
	u8 length, count;
	u8 bytes[16];
};
#define I(length, ...)                                 \
	{                                              \
		length, sizeof((u8[]){ __VA_ARGS__ }), \
		{                                      \
			__VA_ARGS__                    \
		}                                      \
	}

static void expect_lengths(const struct coded *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		memcpy(ram + CODE, c[i].bytes, c[i].count);
		assert_int_equal(mmio_instruction_length(&vcpu, NULL, 0), c[i].length);
		/* The same from the exit, and from an exit that has only what it needs. */
		memset(&cache, 0, sizeof(cache));
		assert_int_equal(mmio_instruction_length(&vcpu, c[i].bytes, c[i].length),
				 c[i].length);
		assert_int_equal(mmio_instruction_length(&vcpu, ram + CODE, 15), c[i].length);
	}
	assert_int_equal(injected, NO_FAULT);
}
#define EXPECT_LENGTHS(...)                                              \
	do {                                                             \
		static const struct coded list_[] = { __VA_ARGS__ };     \
		expect_lengths(list_, sizeof(list_) / sizeof(list_[0])); \
	} while (0)

/* What SVM intercepts and the hypervisor skips, as assemblers and compilers write it. */
static void test_lengths_64(void **unused)
{
	(void)unused;
	EXPECT_LENGTHS(I(2, 0x0f, 0xa2),			       /* cpuid */
		       I(1, 0xf4),				       /* hlt */
		       I(2, 0x0f, 0x32), I(2, 0x0f, 0x30),	       /* rdmsr, wrmsr */
		       I(2, 0x0f, 0x31), I(3, 0x0f, 0x01, 0xf9),       /* rdtsc, rdtscp */
		       I(2, 0x0f, 0x33),			       /* rdpmc */
		       I(3, 0x0f, 0x01, 0xd9),			       /* vmmcall */
		       I(3, 0x0f, 0x01, 0xc1),			       /* vmcall */
		       I(3, 0x0f, 0x01, 0xd0), I(3, 0x0f, 0x01, 0xd1), /* xgetbv, xsetbv */
		       I(3, 0x0f, 0x01, 0xd8), I(3, 0x0f, 0x01, 0xdd), /* vmrun, clgi */
		       I(3, 0x0f, 0x01, 0xde), I(3, 0x0f, 0x01, 0xdf), /* skinit, invlpga */
		       I(3, 0x0f, 0x01, 0xc8), I(3, 0x0f, 0x01, 0xc9), /* monitor, mwait */
		       I(2, 0x0f, 0x08), I(2, 0x0f, 0x09),	       /* invd, wbinvd */
		       I(3, 0xf3, 0x0f, 0x09),			       /* wbnoinvd */
		       I(2, 0xf3, 0x90),			       /* pause */
		       I(2, 0x0f, 0x06), I(2, 0x0f, 0x0b),	       /* clts, ud2 */
		       I(3, 0x0f, 0x01, 0x3b),			       /* invlpg [rbx] */
		       I(9, 0x65, 0x0f, 0x01, 0x3c, 0x25, 1, 2, 3, 4), /* invlpg gs:[...] */
		       I(1, 0xec), I(2, 0x66, 0xed), I(2, 0xe4, 0x60), I(2, 0xe6, 0x80),
		       I(2, 0xf3, 0x6e),		   /* rep outsb */
		       I(2, 0x48, 0xcf), I(2, 0xcd, 0x80), /* iretq, int 80h */
		       I(3, 0x0f, 0x22, 0xc0), I(4, 0x41, 0x0f, 0x22, 0xdf),
		       I(10, 0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8)); /* mov rax, imm64 */
}

/* Prefixes that mean nothing count all the same, up to 15 bytes in all. */
static void test_prefixes(void **unused)
{
	(void)unused;
	EXPECT_LENGTHS(I(3, 0x66, 0x0f, 0xa2), I(3, 0xf2, 0x0f, 0xa2), I(3, 0xf3, 0x0f, 0xa2),
		       I(3, 0x48, 0x0f, 0xa2), I(3, 0x2e, 0x0f, 0xa2), I(2, 0x67, 0xf4),
		       I(2, 0xf3, 0xf4), I(4, 0x66, 0x48, 0x0f, 0x30),
		       I(5, 0xf2, 0x66, 0x40, 0x0f, 0x32),
		       I(15, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
			 0x66, 0x0f, 0xa2));
	memset(ram + CODE, 0x66, 14);
	memcpy(ram + CODE + 14, "\x0f\xa2", 2);
	assert_int_equal(mmio_instruction_length(&vcpu, NULL, 0), -EFAULT);
	assert_int_equal(injected, GUEST_GP);
}

static void test_lengths_legacy(void **unused)
{
	(void)unused;
	mode_legacy(true);
	EXPECT_LENGTHS(I(2, 0x0f, 0xa2), I(1, 0xf4), I(2, 0x0f, 0x30), I(3, 0x0f, 0x20, 0xc0),
		       I(5, 0xb8, 1, 2, 3, 4), I(4, 0x66, 0xb8, 1, 2),
		       I(7, 0x0f, 0x01, 0x3d, 1, 2, 3, 4), /* invlpg [disp32] */
		       I(6, 0x67, 0x0f, 0x01, 0x3e, 1, 2), /* invlpg [disp16] */
		       I(1, 0x40), I(1, 0x48));		   /* inc, dec: no REX here */
	mode_legacy(false);
	EXPECT_LENGTHS(I(2, 0x0f, 0xa2), I(1, 0xf4), I(2, 0x0f, 0x32), I(3, 0x0f, 0x22, 0xc0),
		       I(3, 0xb8, 1, 2), I(6, 0x66, 0xb8, 1, 2, 3, 4),
		       I(5, 0x0f, 0x01, 0x16, 1, 2)); /* lgdt [disp16] */
}

static void test_no_instruction(void **unused)
{
	static const u8 bad[15] = { 0x0f, 0x04 };

	(void)unused;
	memcpy(ram + CODE, bad, sizeof(bad));
	assert_int_equal(mmio_instruction_length(&vcpu, NULL, 0), -EINVAL);
	assert_int_equal(mmio_instruction_length(&vcpu, bad, 15), -EINVAL);
	/* A lock prefix on what takes none is #UD. */
	memcpy(ram + CODE, "\xf0\x0f\xa2", 3);
	assert_int_equal(injected, NO_FAULT);
	assert_int_equal(mmio_instruction_length(&vcpu, NULL, 0), -EFAULT);
	assert_int_equal(injected, GUEST_UD);
	/* RIP where no RAM is reads ones. */
	injected = NO_FAULT;
	set_u64(PT + 8 * (CODE >> 12), 0xfee00063);
	assert_int_equal(mmio_instruction_length(&vcpu, NULL, 0), -EINVAL);
	assert_int_equal(injected, NO_FAULT);
}

static void test_decoded_once(void **unused)
{
	(void)unused;
	memcpy(ram + CODE, "\x0f\xa2", 2);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(mmio_instruction_length(&vcpu, NULL, 0), 2);
	assert_int_equal(cache.misses, 1);
	/* Other bytes at the same place, and the same in another mode, are decoded anew. */
	memcpy(ram + CODE, "\x48\xb8", 2);
	assert_int_equal(mmio_instruction_length(&vcpu, NULL, 0), 10);
	assert_int_equal(cache.misses, 2);
	mode_legacy(true);
	assert_int_equal(mmio_instruction_length(&vcpu, NULL, 0), 1);
	assert_int_equal(cache.misses, 3);
	/* Without a cache, too. */
	vcpu.emu_cache = NULL;
	assert_int_equal(mmio_instruction_length(&vcpu, NULL, 0), 1);
}

/* --- slots --- */

static void test_read_only_slot(void **unused)
{
	const struct mmio_hint hint = { .valid = true, .write = true, .gpa = GPA(0x9000) };

	(void)unused;
	make_slot(SLOT_READ_ONLY);
	memset(ram + 0x9000, 0x11, 8);
	memcpy(ram + CODE, "\x89\x03", 2); /* mov %eax, (%rbx) */
	vcpu.regs.r[REG_RBX] = 0x9000;
	vcpu.regs.r[REG_RAX] = 0x22222222;
	mmio_emulate(&vcpu, &hint);
	assert_int_equal(new_rip, state.rip + 2); /* done, and lost */
	assert_int_equal(ram[0x9000], 0x11);
	/* So is that of a locked exchange, whose read is not. */
	memcpy(ram + CODE, "\x87\x03", 2); /* xchg %eax, (%rbx) */
	mmio_emulate(&vcpu, &hint);
	assert_int_equal(ram[0x9000], 0x11);
	assert_int_equal(vcpu.regs.r[REG_RAX], 0x11111111);
	assert_int_equal(kills, 0);
}

/* The guest is entered again, unchanged, when others have had their turn. */
static void test_invalid_slot(void **unused)
{
	const struct mmio_hint hint = { .valid = true, .gpa = GPA(0x9000) };

	(void)unused;
	memcpy(ram + CODE, "\x8b\x03", 2); /* mov (%rbx), %eax */
	vcpu.regs.r[REG_RBX] = 0x9000;
	vcpu.regs.r[REG_RAX] = 0x3333;
	make_slot(SLOT_INVALID);
	new_rip = 0;
	mmio_emulate(&vcpu, &hint);
	assert_int_equal(vcpu.regs.r[REG_RAX], 0x3333);
	assert_int_equal(new_rip, 0);
	assert_int_equal(injected, NO_FAULT);
	assert_int_equal(vcpu.thread.pending, THREAD_RESCHED);
	make_slot(0);
	mmio_emulate(&vcpu, &hint);
	assert_int_equal(new_rip, state.rip + 2);
}

/* --- fetching --- */

static void test_page_end(void **unused)
{
	u64 next = CODE + PAGE_SIZE;

	(void)unused;
	for (unsigned in_first = 1; in_first <= 15; in_first++) {
		state.rip = next - in_first;
		memset(ram + state.rip, 0x66, 15);
		ram[state.rip + 14] = 0x90;
		set_u64(PT + 8 * (next >> 12), next | 0x63);
		memset(vcpu.fetch_cache, 0, sizeof(vcpu.fetch_cache));
		assert_int_equal(mmio_instruction_length(&vcpu, NULL, 0), 15);
		assert_int_equal(injected, NO_FAULT);
		/* The second page is gone: a fault there if the instruction reaches it. */
		set_u64(PT + 8 * (next >> 12), 0);
		assert_int_equal(mmio_instruction_length(&vcpu, NULL, 0),
				 in_first == 15 ? 15 : -EFAULT);
		assert_int_equal(injected, in_first == 15 ? NO_FAULT : GUEST_PF);
		assert_int_equal(cr2, in_first == 15 ? 0 : next);
		ram[next - 1] = 0xf4;
		state.rip = next - 1;
		injected = NO_FAULT;
		cr2 = 0;
		assert_int_equal(mmio_instruction_length(&vcpu, NULL, 0), 1);
		assert_int_equal(injected, NO_FAULT);
	}
}

static void test_first_page_gone(void **unused)
{
	(void)unused;
	set_u64(PT + 8 * (CODE >> 12), 0);
	assert_int_equal(mmio_instruction_length(&vcpu, NULL, 0), -EFAULT);
	assert_int_equal(injected, GUEST_PF);
	assert_int_equal(cr2, CODE);
	assert_int_equal(error_code & PF_PRESENT, 0);
}

/* Page tables that never hold still: the guest is entered again, and nothing injected. */
static void test_restless_tables(void **unused)
{
	(void)unused;
	set_u64(PT + 8 * (CODE >> 12), CODE | 0x43); /* not accessed yet: the walk must write */
	restless = true;
	assert_int_equal(mmio_instruction_length(&vcpu, NULL, 0), -EFAULT);
	assert_int_equal(injected, NO_FAULT);
	mmio_emulate(&vcpu, &(struct mmio_hint){ 0 });
	assert_int_equal(injected, NO_FAULT);
	assert_int_equal(kills, 0);
	/* The same in the second page of an instruction. */
	state.rip = CODE - 1;
	assert_int_equal(mmio_instruction_length(&vcpu, NULL, 0), -EFAULT);
	assert_int_equal(injected, NO_FAULT);
}

/* Bytes of the exit are taken without a walk; when they are cut short, the rest is fetched. */
static void test_given_bytes(void **unused)
{
	static const u8 store[15] = { 0x89, 0x0b }; /* mov [rbx], ecx */
	struct mmio_hint hint = { .insn = store, .insn_count = 15 };

	(void)unused;
	vcpu.regs.r[REG_RBX] = 0x9000;
	vcpu.regs.r[REG_RCX] = 0x12345678;
	memset(ram + CODE, 0xf4, 15); /* what the guest has made of it since */
	mmio_emulate(&vcpu, &hint);
	assert_int_equal(new_rip, CODE + 2);
	assert_memory_equal(ram + 0x9000, "\x78\x56\x34\x12", 4);
	/* With the address told as well, nothing at all is walked: the slot is looked for to write,
	 * and to note that its page is dirty. */
	hint.valid = hint.write = true;
	hint.gpa = GPA(0x9000);
	finds = 0;
	mmio_emulate(&vcpu, &hint);
	assert_int_equal(finds, 2);
	assert_int_equal(mmio_instruction_length(&vcpu, store, 2), 2);
	assert_int_equal(finds, 2);
	/* More than there can be are not read. */
	assert_int_equal(mmio_instruction_length(&vcpu, store, 15), 2);
	memcpy(ram + CODE, store, sizeof(store));
	assert_int_equal(mmio_instruction_length(&vcpu, store, 1), 2);
	assert_true(finds > 2);
	set_u64(PT + 8 * (CODE >> 12), 0);
	assert_int_equal(mmio_instruction_length(&vcpu, store, 1), -EFAULT);
	assert_int_equal(injected, GUEST_PF);
}

/* The backend is told whether something was executed, an iteration at least. */
static void test_executed(void **unused)
{
	(void)unused;
	vcpu.regs.r[REG_RBX] = 0x9000;
	RUN("\x89\x0b"); /* mov [rbx], ecx */
	assert_true(executed);
	set_u64(PT + 8 * 0xa, 0);
	vcpu.regs.r[REG_RBX] = 0xa000;
	mmio_emulate(&vcpu, &(struct mmio_hint){ 0 });
	assert_false(executed);
	assert_int_equal(injected, GUEST_PF);
	vcpu.regs.r[REG_RSI] = 0x8000;
	vcpu.regs.r[REG_RDI] = 0x9000;
	vcpu.regs.r[REG_RCX] = EMU_REP_MAX + 1;
	memcpy(ram + CODE, "\xf3\xa4", 2); /* rep movsb */
	mmio_emulate(&vcpu, &(struct mmio_hint){ 0 });
	assert_true(executed);
	assert_int_equal(new_rip, CODE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_lengths_64),	 T(test_prefixes),     T(test_lengths_legacy),
		T(test_no_instruction),	 T(test_decoded_once), T(test_read_only_slot),
		T(test_invalid_slot),	 T(test_page_end),     T(test_first_page_gone),
		T(test_restless_tables), T(test_given_bytes),  T(test_executed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
