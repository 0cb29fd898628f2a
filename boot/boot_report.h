/* The boot report: what a person at the serial port reads first. */
#ifndef NEAP_BOOT_BOOT_REPORT_H
#define NEAP_BOOT_BOOT_REPORT_H

/* Exit status where the processor cannot virtualize. */
#define BOOT_STATUS_NO_VIRTUALIZATION 6

/* Boot CPU, at boot, in this order. */
void boot_report_machine(void);
void boot_report_time(void);
void boot_report_ready(void);

#endif
