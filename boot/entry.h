/* What the two entry codes share. For assembly. */
#ifndef NEAP_BOOT_ENTRY_H
#define NEAP_BOOT_ENTRY_H

/* The image is linked here plus its preferred physical address; see linker.ld. */
#define IMAGE_VIRT 0xffffffff80000000

/* Selectors in boot_gdt. */
#define BOOT_CS64 0x08
#define BOOT_CS32 0x10
#define BOOT_DS32 0x18

#endif
