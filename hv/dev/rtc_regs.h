/* Registers and CMOS bytes of hv/dev/rtc.c (MC146818 data sheet; the memory bytes by custom). */
#ifndef NEAP_HV_DEV_RTC_REGS_H
#define NEAP_HV_DEV_RTC_REGS_H

enum rtc_reg {
	RTC_SECOND,
	RTC_SECOND_ALARM,
	RTC_MINUTE,
	RTC_MINUTE_ALARM,
	RTC_HOUR,
	RTC_HOUR_ALARM,
	RTC_WEEKDAY,
	RTC_DAY,
	RTC_MONTH,
	RTC_YEAR,
	RTC_A,
	RTC_B,
	RTC_C,
	RTC_D,
	RTC_CENTURY = 0x32, /* named by the FADT */
};

#define RTC_A_UIP	0x80
#define RTC_A_DIV	0x70
#define RTC_A_DIV_RESET 0x60 /* both bits: divider chain held in reset */
#define RTC_A_DIV_32768 0x20
#define RTC_A_RATE	0x0f
#define RTC_A_RATE_1024 0x06

#define RTC_B_SET  0x80
#define RTC_B_PIE  0x40
#define RTC_B_AIE  0x20
#define RTC_B_UIE  0x10
#define RTC_B_SQWE 0x08
#define RTC_B_DM   0x04 /* binary, else BCD */
#define RTC_B_24H  0x02

#define RTC_C_IRQF 0x80
#define RTC_C_PF   0x40 /* these three at the places of their enables in B */
#define RTC_C_AF   0x20
#define RTC_C_UF   0x10
#define RTC_FLAGS  (RTC_C_PF | RTC_C_AF | RTC_C_UF)

#define RTC_D_VRT 0x80

#define RTC_HOUR_PM	0x80
#define RTC_ALARM_ANY	0xc0 /* both top bits: this field of the alarm matches anything */
#define RTC_DIVIDER_HZ	32768ull
#define RTC_HALF_SECOND 2 /* the first update comes half a second after the divider's reset */

/*
 * UIP is up from 244 us before the update cycle through its 1984 us; here the registers change at
 * the end of that time, in one instant.
 */
#define RTC_UIP_NS 2228000ull

#define CMOS_EQUIPMENT	   0x14 /* bit 1: FPU */
#define CMOS_BASE_KB	   0x15 /* memory below 1 MiB, in KiB, 16 bits */
#define CMOS_EXT_KB	   0x17 /* above 1 MiB, in KiB, as set up */
#define CMOS_SUM_FIRST	   0x10
#define CMOS_SUM_LAST	   0x2d
#define CMOS_SUM	   0x2e /* of the above, high byte first */
#define CMOS_EXT_KB_FOUND  0x30 /* above 1 MiB, in KiB, as found */
#define CMOS_ABOVE_16M	   0x34 /* above 16 MiB below 4 GiB, in 64 KiB, 16 bits */
#define CMOS_ABOVE_4G	   0x5b /* above 4 GiB, in 64 KiB, 24 bits */
#define CMOS_CPUS_LESS_ONE 0x5f

#endif
