#include "arch/x86/svm/svm_caps.h"

#include <errno.h>
#include <string.h>

#include "arch/x86/cpu.h"
#include "arch/x86/emulator.h"
#include "boot/boot_info.h"
#include "core/cmdline.h"
#include "core/format.h"
#include "core/log.h"

#define LEAF_SVM	   0x8000000au
#define FEATURE_NPT	   BIT(0)
#define FEATURE_SVM_LOCK   BIT(2)
#define FEATURE_NRIP	   BIT(3)
#define FEATURE_TSC_RATIO  BIT(4)
#define FEATURE_CLEAN	   BIT(5)
#define FEATURE_FLUSH_ASID BIT(6)
#define FEATURE_DECODE	   BIT(7)
#define FEATURE_PAUSE	   BIT(10)
#define FEATURE_THRESHOLD  BIT(12)

/* ASID 0 is the hypervisor's and each vCPU on a processor needs one. */
#define ASIDS_MIN 2

struct svm_caps svm_caps;

static const struct {
	u64 bit;
	const char *name;
	bool used;
} names[] = {
	{ FEATURE_NPT, "nested paging", true },
	{ BIT(1), "LBR virtualization", false },
	{ FEATURE_SVM_LOCK, "SVM lock", false },
	{ FEATURE_NRIP, "next RIP saved", true },
	{ FEATURE_TSC_RATIO, "TSC ratio", true },
	{ FEATURE_CLEAN, "VMCB clean bits", true },
	{ FEATURE_FLUSH_ASID, "flush by ASID", true },
	{ FEATURE_DECODE, "decode assists", true },
	{ FEATURE_PAUSE, "pause filter", true },
	{ FEATURE_THRESHOLD, "pause-filter threshold", true },
	{ BIT(13), "AVIC", false },
	{ BIT(15), "virtual VMLOAD and VMSAVE", false },
	{ BIT(16), "virtual GIF", false },
	{ BIT(17), "guest-mode execute trap", false },
	{ BIT(20), "SPEC_CTRL virtualization", false },
	{ BIT(24), "TLB invalidation broadcast", false },
	{ BIT(25), "virtual NMI", false },
};

static int check_enabled(void)
{
	u64 vm_cr;

	if (!cpu_features.svm) {
		log_error("svm: this processor has no SVM (AMD-V); Neap needs it to run guests");
		return -ENODEV;
	}
	vm_cr = rdmsr(MSR_VM_CR);
	/* APM vol. 2 15.4: with the lock bit set it stays off until the next reset. */
	if ((vm_cr & VM_CR_SVMDIS) && (vm_cr & VM_CR_LOCK)) {
		log_error("svm: firmware has locked SVM off: switch on \"SVM Mode\" (AMD-V) in the "
			  "firmware's set-up");
		return -ENODEV;
	}
	return 0;
}

int svm_caps_read(void)
{
	struct svm_caps *c = &svm_caps;
	struct cpuid_regs r;
	int err = check_enabled();

	if (err)
		return err;
	r = cpuid(LEAF_SVM, 0);
	if (cpu_features.max_ext_leaf < LEAF_SVM)
		memset(&r, 0, sizeof(r));
	c->revision = r.eax & 0xff;
	c->asids = r.ebx;
	c->features = r.edx;
	if (!(r.edx & FEATURE_NPT)) {
		log_error("svm: this processor has SVM without nested paging (NPT); Neap needs it "
			  "to run guests");
		return -ENOTSUP;
	}
	if (c->asids < ASIDS_MIN) {
		log_error("svm: this processor has %u address-space identifiers; Neap needs %u",
			  c->asids, ASIDS_MIN);
		return -ENOTSUP;
	}
	c->nrip = r.edx & FEATURE_NRIP;
	c->tsc_ratio = r.edx & FEATURE_TSC_RATIO;
	c->clean_bits = r.edx & FEATURE_CLEAN;
	c->flush_by_asid = r.edx & FEATURE_FLUSH_ASID;
	c->decode_assists = r.edx & FEATURE_DECODE;
	c->pause_filter = r.edx & FEATURE_PAUSE;
	c->pause_threshold = c->pause_filter && (r.edx & FEATURE_THRESHOLD);
	c->write_protect = cmdline_is(boot_info.cmdline, "dirty=", "wp");
	c->debug_exits = !emulator_is_bochs();
	c->steps_leak = emulator_is_bochs();
	c->loads_shadow = c->injects_once = !emulator_is_tcg();
	return 0;
}

/* The names of the features that are there and (not) used, wrapped over lines. */
static void print_features(const char *head, bool used)
{
	char line[LOG_LINE_MAX / 2];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (names[i].used != used || !(svm_caps.features & names[i].bit))
			continue;
		if (n + strlen(names[i].name) + 3 > 80) {
			log_info("svm:   %s %s", head, line);
			head = "                       ";
			n = 0;
		}
		n += (size_t)format_string(line + n, sizeof(line) - n, "%s%s", n ? ", " : "",
					   names[i].name);
	}
	if (n)
		log_info("svm:   %s %s", head, line);
}

void svm_caps_print(void)
{
	const struct svm_caps *c = &svm_caps;

	log_info("svm: revision %u, %u ASIDs, features 0x%08x", c->revision, c->asids, c->features);
	print_features("used:                  ", true);
	print_features("offered, not used here:", false);
	log_info("svm: instruction lengths %s, TLB flushes %s",
		 c->nrip ? "from the processor" : "by decoding",
		 c->flush_by_asid ? "by ASID" : "by a new ASID");
}
