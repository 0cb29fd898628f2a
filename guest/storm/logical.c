/*
 * Logical ids. In x2APIC mode they follow from the APIC id, sixteen to a group (SDM
 * 3A, 11.12.10.2). In xAPIC mode they are chosen here: eight in the flat model, sixty in that of
 * clusters (11.6.2.2), of which four make a group.
 */
#include "storm.h"

#define X2APIC_MEMBERS	16u
#define FLAT_MEMBERS	8u
#define CLUSTER_MEMBERS 4u
#define CLUSTERS	15u
#define DFR_FLAT	0xffffffffu
#define DFR_CLUSTER	0x0fffffffu

static bool logical_is_flat(void)
{
	return smp_count <= FLAT_MEMBERS && !storm_options.cluster;
}

static unsigned int logical_members(void)
{
	if (apic_x2apic)
		return X2APIC_MEMBERS;
	return logical_is_flat() ? FLAT_MEMBERS : CLUSTER_MEMBERS;
}

bool logical_possible(void)
{
	return apic_x2apic || smp_count <= CLUSTERS * CLUSTER_MEMBERS;
}

/* Indices are dense; so are APIC ids under Neap. Elsewhere groups may be partly empty. */
unsigned int logical_groups(void)
{
	return (smp_count + logical_members() - 1) / logical_members();
}

struct storm_cpu *logical_member(unsigned int group, unsigned int member)
{
	unsigned int index = group * logical_members() + member;

	if (member >= logical_members() || index >= smp_count)
		return NULL;
	return smp_cpus[index]->apic_id == index || !apic_x2apic ? &storm_cpus[index] : NULL;
}

unsigned int logical_group(const struct storm_cpu *c)
{
	return c->index / logical_members();
}

uint32_t logical_bit(const struct storm_cpu *c)
{
	return 1u << c->index % logical_members();
}

uint32_t logical_destination(unsigned int group, uint32_t members)
{
	if (apic_x2apic)
		return group << 16 | members;
	return logical_is_flat() ? members : group << 4 | members;
}

void logical_set_id(const struct storm_cpu *c)
{
	if (apic_x2apic || !logical_possible())
		return;
	apic_write(APIC_DFR, logical_is_flat() ? DFR_FLAT : DFR_CLUSTER);
	apic_write(APIC_LDR, logical_destination(logical_group(c), logical_bit(c)) << 24);
}
