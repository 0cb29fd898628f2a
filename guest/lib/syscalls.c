/* The system calls newlib is built upon, under the names its x86_64-elf port calls them by. */
#include <errno.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/times.h>
#include <unistd.h>
#include "exit.h"
#include "uart.h"
#include "x86.h"

#define SYSCALL_MISSING(proto)  \
	proto;                  \
	proto                   \
	{                       \
		errno = ENOSYS; \
		return -1;      \
	}

#pragma GCC diagnostic ignored "-Wunused-parameter"

SYSCALL_MISSING(int open(const char *path, int flags, ...))
SYSCALL_MISSING(int close(int fd))
SYSCALL_MISSING(off_t lseek(int fd, off_t offset, int whence))
SYSCALL_MISSING(int stat(const char *path, struct stat *st))
SYSCALL_MISSING(int link(const char *from, const char *to))
SYSCALL_MISSING(int unlink(const char *path))
SYSCALL_MISSING(int mkdir(const char *path, mode_t mode))
SYSCALL_MISSING(int fcntl(int fd, int command, ...))
SYSCALL_MISSING(int kill(pid_t pid, int signal))
SYSCALL_MISSING(int fork(void))
SYSCALL_MISSING(int wait(int *status))
SYSCALL_MISSING(int execve(const char *path, char *const argv[], char *const env[]))
SYSCALL_MISSING(int gettimeofday(struct timeval *restrict tv, void *restrict zone))
SYSCALL_MISSING(clock_t times(struct tms *buf))

pid_t getpid(void)
{
	return 1;
}

int isatty(int fd)
{
	return fd >= 0 && fd <= 2;
}

int fstat(int fd, struct stat *st)
{
	*st = (struct stat){ .st_mode = S_IFCHR };
	return 0;
}

_READ_WRITE_RETURN_TYPE write(int fd, const void *buf, size_t len)
{
	uart_write(buf, len);
	return (_READ_WRITE_RETURN_TYPE)len;
}

/* At least one byte, then what is there already; 0 (end of file) without a UART. */
_READ_WRITE_RETURN_TYPE read(int fd, void *buf, size_t len)
{
	char *out = buf;
	size_t n = 0;
	int c = 0;

	while (n < len && (!n || inb(UART_LSR) & UART_LSR_READY)) {
		c = uart_read();
		if (c < 0)
			break;
		out[n++] = c == '\r' ? '\n' : (char)c;
		if (out[n - 1] == '\n')
			break;
	}
	return (_READ_WRITE_RETURN_TYPE)n;
}

void exit_machine(int status)
{
	outb(EXIT_PORT, (uint8_t)status);
	for (;;) {
		irq_disable();
		__asm__ volatile("hlt");
	}
}

void _exit(int status)
{
	exit_machine(status);
}
