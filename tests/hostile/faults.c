/* faults.c - a library to preload: the N-th call of a kind fails, once.
 *
 * FAULT=KIND:N: alloc (malloc, calloc, realloc give NULL), write, rename, fsync, open, mmap (with ENOSPC, EIO, EMFILE, ENOMEM), short (write takes one byte of what it is given, read gives
 * one; from the N-th call on). When it has happened, the file that FAULT_MARK names exists. glibc, as it takes its inner names of the allocator. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t each);
void *__libc_realloc(void *p, size_t n);

enum kind { NONE, ALLOC, WRITE, RENAME, FSYNC, OPEN, MMAP, SHORT };
static enum kind kind;
static long left;

__attribute__((constructor)) static void begin(void)
{
    static const char *const names[] = {"", "alloc", "write", "rename", "fsync", "open", "mmap", "short"};
    const char *fault = getenv("FAULT"), *colon = fault ? strchr(fault, ':') : NULL;
    for (int i = ALLOC; colon && i <= SHORT; i++)
        if (strlen(names[i]) == (size_t)(colon - fault) && !strncmp(fault, names[i], strlen(names[i]))) {
            left = strtol(colon + 1, NULL, 10);
            kind = (enum kind)i;
        }
}

static int happens(enum kind k, int with)
{
    if (kind != k || left-- != 0) return 0;
    const char *mark = getenv("FAULT_MARK");
    if (mark) syscall(SYS_close, syscall(SYS_openat, AT_FDCWD, mark, O_CREAT | O_WRONLY, 0666));
    errno = with;
    return 1;
}

void *malloc(size_t n)
{
    return happens(ALLOC, ENOMEM) ? NULL : __libc_malloc(n);
}
void *calloc(size_t n, size_t each)
{
    return happens(ALLOC, ENOMEM) ? NULL : __libc_calloc(n, each);
}
void *realloc(void *p, size_t n)
{
    return happens(ALLOC, ENOMEM) ? NULL : __libc_realloc(p, n);
}
ssize_t write(int fd, const void *p, size_t n)
{
    if (happens(WRITE, ENOSPC)) return -1;
    if (kind == SHORT && n > 1) n = (size_t)(left-- <= 0 ? n < 4096 ? 1 : n / 2 : n);
    return syscall(SYS_write, fd, p, n);
}
ssize_t read(int fd, void *p, size_t n)
{
    if (kind == SHORT && n > 1 && left-- <= 0) n = n < 4096 ? 1 : 7;
    return syscall(SYS_read, fd, p, n);
}
int rename(const char *from, const char *to)
{
    return happens(RENAME, EIO) ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
int fsync(int fd)
{
    return happens(FSYNC, EIO) ? -1 : (int)syscall(SYS_fsync, fd);
}
int open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    const int mode = flags & O_CREAT ? va_arg(ap, int) : 0;
    va_end(ap);
    return happens(OPEN, EMFILE) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}
void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
    return fd >= 0 && happens(MMAP, ENOMEM) ? MAP_FAILED : (void *)syscall(SYS_mmap, at, n, protection, flags, fd, offset);
}
