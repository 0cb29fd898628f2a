#ifndef NEAP_HV_MMU_SHOOTDOWN_H
#define NEAP_HV_MMU_SHOOTDOWN_H
struct vm;
int shootdown(struct vm *vm);
#endif
