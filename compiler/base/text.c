#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void text_addn(text *t, const char *s, size_t n)
{
    if (t->n + n + 1 > t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 256;
        while (cap < t->n + n + 1) cap *= 2;
        char *p = arena_alloc(t->mem, cap);
        if (t->n) memcpy(p, t->p, t->n);
        t->p = p;
        t->cap = cap;
    }
    if (n) memcpy(t->p + t->n, s, n);
    t->n += n;
    t->p[t->n] = 0;
}

void text_add(text *t, const char *s)
{
    text_addn(t, s, strlen(s));
}

void text_addf(text *t, const char *fmt, ...)
{
    char small[256];
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    const int n = vsnprintf(small, sizeof small, fmt, ap);
    if (n >= 0 && (size_t)n < sizeof small) text_addn(t, small, (size_t)n);
    else {
        const char *s = arena_vprintf(t->mem, fmt, again);
        text_add(t, s);
    }
    va_end(again);
    va_end(ap);
}

/* ---- interned names: open addressing, never shrinks ---- */

struct names {
    arena *mem;
    const char **slot;
    uint32_t n, cap; /* cap is a power of two */
};

static uint32_t hash_bytes(const char *s, size_t n)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * 16777619u;
    return h;
}

names *names_new(arena *a)
{
    names *t = ARENA_NEW(a, names);
    t->mem = a;
    t->cap = 1024;
    t->slot = ARENA_ARRAY(a, const char *, t->cap);
    return t;
}

static void names_grow(names *t)
{
    const char **old = t->slot;
    const uint32_t n = t->cap;
    t->cap *= 2;
    t->slot = ARENA_ARRAY(t->mem, const char *, t->cap);
    for (uint32_t i = 0; i < n; i++) {
        if (!old[i]) continue;
        uint32_t h = hash_bytes(old[i], strlen(old[i])) & (t->cap - 1);
        while (t->slot[h]) h = (h + 1) & (t->cap - 1);
        t->slot[h] = old[i];
    }
}

const char *intern_n(names *t, const char *s, size_t n)
{
    const void *nul = n ? memchr(s, 0, n) : NULL; /* protobuf strings may hold a zero byte; a C name ends there */
    if (nul) n = (size_t)((const char *)nul - s);
    uint32_t h = hash_bytes(s, n) & (t->cap - 1);
    for (; t->slot[h]; h = (h + 1) & (t->cap - 1))
        if (!strncmp(t->slot[h], s, n) && !t->slot[h][n]) return t->slot[h];
    const char *name = t->slot[h] = arena_strndup(t->mem, s, n);
    if (++t->n * 2 > t->cap) names_grow(t);
    return name;
}

const char *intern(names *t, const char *s)
{
    return intern_n(t, s, strlen(s));
}

/* ---- files ---- */

enum { STREAM_LIMIT = INT32_MAX }; /* bytes of what says no size before it is read; no protobuf message is larger */

static const char NOT_REGULAR[] = "is not a regular file";

static bool file_read_all(int fd, size_t most, file_view *out, const char **why)
{
    size_t cap = 1 << 16, n = 0;
    char *p = mem_alloc(cap);
    for (;;) {
        if (n == cap) p = mem_realloc(p, cap *= 2);
        const ssize_t k = read(fd, p + n, cap - n);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0 || n + (size_t)k > most) {
            *why = k < 0 ? strerror(errno) : "has more than 2 GiB";
            mem_free(p);
            return false;
        }
        if (!k) break;
        n += (size_t)k;
    }
    *out = (file_view){(unsigned char *)p, n, p};
    return true;
}

/* A file that is open or mapped, as a piece of the heap, so that it is closed when memory runs out. */
typedef struct {
    void *at;
    size_t size;
    int fd;
} open_file;

static void open_file_close(void *self)
{
    const open_file *f = self;
    if (f->fd >= 0) close(f->fd);
    if (f->size) munmap(f->at, f->size);
}

static bool open_file_map(open_file *f, size_t size)
{
    void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, f->fd, 0);
    if (p == MAP_FAILED) return false;
    f->at = p;
    f->size = size;
    close(f->fd);
    f->fd = -1;
    return true;
}

/* What the caller's shell has opened for us: only there a pipe ends by itself. */
static bool is_handed_over(const char *path)
{
    static const char *const place[] = {"/dev/stdin", "/dev/fd/", "/proc/self/fd/"};
    for (size_t i = 0; i < sizeof place / sizeof *place; i++)
        if (!strncmp(path, place[i], strlen(place[i]))) return true;
    return false;
}

/* NULL: what is there can be read as a whole. */
static const char *unreadable(const char *path, const struct stat *st)
{
    if (S_ISDIR(st->st_mode)) return "is a directory";
    if (S_ISREG(st->st_mode) || (S_ISFIFO(st->st_mode) && is_handed_over(path))) return NULL;
    return NOT_REGULAR;
}

/* Opens for reading; devices are not even opened, and nothing waits for who would write into a FIFO. -1: *why is a short reason. */
static int open_readable(const char *path, struct stat *st, const char **why)
{
    *why = NULL;
    if (!stat(path, st) && (*why = unreadable(path, st))) return -1;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, st)) *why = strerror(errno);
    else *why = unreadable(path, st); /* it may have changed */
    if (!*why && S_ISFIFO(st->st_mode) && fcntl(fd, F_SETFL, 0)) *why = strerror(errno); /* reading it waits */
    if (!*why) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

bool file_map(const char *path, file_view *out, const char **why)
{
    *out = (file_view){NULL, 0, NULL};
    open_file *f = mem_alloc_with(sizeof *f, open_file_close);
    struct stat st;
    f->fd = open_readable(path, &st, why);
    if (f->fd >= 0 && S_ISREG(st.st_mode) && st.st_size > 0 && open_file_map(f, (size_t)st.st_size)) {
        *out = (file_view){f->at, f->size, f};
        return true;
    }
    const bool ok = f->fd >= 0 && file_read_all(f->fd, S_ISREG(st.st_mode) && st.st_size > 0 ? SIZE_MAX : STREAM_LIMIT, out, why);
    mem_free(f);
    return ok;
}

void file_unmap(file_view *f)
{
    mem_free(f->piece);
    *f = (file_view){NULL, 0, NULL};
}

static bool write_all(int fd, const char *p, size_t n)
{
    while (n) {
        const ssize_t k = write(fd, p, n);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0) return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

/* Zeros between pieces are not looked at: they mean nothing. */
static bool has_pieces(const file_content *f, const unsigned char *data)
{
    for (size_t i = 0; i < f->n_pieces; i++)
        if (f->pieces[i].size && memcmp(data + f->pieces[i].at, f->pieces[i].data, f->pieces[i].size)) return false;
    return true;
}

static bool write_pieces(int fd, const file_content *f)
{
    static const char zeros[4096];
    uint64_t done = 0;
    for (size_t i = 0; i < f->n_pieces; i++) {
        for (uint64_t gap; (gap = f->pieces[i].at - done) > 0; done += gap) {
            if (gap > sizeof zeros) gap = sizeof zeros;
            if (!write_all(fd, zeros, (size_t)gap)) return false;
        }
        if (!write_all(fd, f->pieces[i].data, f->pieces[i].size)) return false;
        done += f->pieces[i].size;
    }
    return true;
}

bool file_is_new(const char *path)
{
    struct stat st;
    return lstat(path, &st) && errno == ENOENT;
}

bool file_has_content(const file_content *f)
{
    file_view old;
    const char *why;
    if (access(f->path, F_OK) || !file_map(f->path, &old, &why)) return false;
    bool same = old.size == f->size;
    if (f->pieces) same = same && has_pieces(f, old.data);
    else same = same && (!f->size || !memcmp(old.data, f->data, f->size));
    file_unmap(&old);
    return same;
}

/* NULL: a file can take this place. Devices and FIFOs can't be written whole or not at all, and to replace one is never meant. */
static const char *untakable(const char *path)
{
    struct stat place;
    if (stat(path, &place) || S_ISREG(place.st_mode)) return NULL;
    return S_ISDIR(place.st_mode) ? strerror(EISDIR) : NOT_REGULAR;
}

decimal decimal_of(double v, int digits)
{
    decimal d;
    const int exponent = v != 0 && isfinite(v) ? (int)floor(log10(fabs(v))) : 0, places = digits - 1 - exponent;
    snprintf(d.s, sizeof d.s, "%.*f", places < 0 ? 0 : places > 15 ? 15 : places, v);
    if (!strchr(d.s, '.')) return d;
    size_t n = strlen(d.s);
    while (d.s[n - 1] == '0') d.s[--n] = 0;
    if (d.s[n - 1] == '.') d.s[n - 1] = 0;
    return d;
}

bool file_can_write(const char *path, const char **why)
{
    const char *slash = strrchr(path, '/');
    arena *a = arena_new();
    const char *folder = !slash ? "." : slash == path ? "/" : arena_strndup(a, path, (size_t)(slash - path));
    *why = untakable(path);
    if (!*why && access(folder, W_OK | X_OK)) *why = strerror(errno);
    arena_free(a);
    return !*why;
}

/* The content in a new file beside its place. */
static bool write_beside(const file_content *f, const char *beside)
{
    const int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return false;
    const bool ok = (f->pieces ? write_pieces(fd, f) : write_all(fd, f->data, f->size)) && !fsync(fd);
    const int err = errno;
    if (!close(fd) && ok) return true;
    if (!ok) errno = err;
    return false;
}

bool files_write(const file_content *list, size_t n, const char **failed, const char **why)
{
    for (size_t i = 0; i < n; i++) {
        *failed = list[i].path;
        if ((*why = untakable(list[i].path))) return false;
    }
    arena *a = arena_new();
    const char **beside = ARENA_ARRAY(a, const char *, n + 1); /* NULL: has the content already */
    bool *is_new = ARENA_ARRAY(a, bool, n + 1);
    size_t ready = 0;
    bool ok = true;
    for (size_t i = 0; i < n; i++) { /* all memory is taken before anything is written */
        is_new[i] = access(list[i].path, F_OK) != 0;
        if (!file_has_content(&list[i])) beside[i] = arena_printf(a, "%s.%ld.tmp", list[i].path, (long)getpid());
    }
    for (; ready < n && ok; ready++) ok = !beside[ready] || write_beside(&list[ready], beside[ready]);
    for (size_t i = 0; i < ready && ok; i++) {
        if (!beside[i]) continue;
        ok = !rename(beside[i], list[i].path);
        if (ok) beside[i] = NULL;
        else ready = i + 1;
    }
    if (!ok) {
        *why = strerror(errno);
        *failed = list[ready - 1].path;
    }
    for (size_t i = 0; i < n; i++) {
        if (beside[i]) unlink(beside[i]);
        else if (!ok && is_new[i]) unlink(list[i].path);
    }
    arena_free(a);
    return ok;
}

bool file_write(const char *path, const void *data, size_t size, const char **why)
{
    const char *failed;
    return files_write(&(file_content){.path = path, .data = data, .size = size}, 1, &failed, why);
}

size_t text_unseen(const char *s)
{
    const unsigned char *c = (const unsigned char *)s;
    if ((c[0] && c[0] < 0x20) || c[0] == 0x7f) return 1;
    if (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) return 2;                          /* U+0080 to U+009F */
    if (c[0] == 0xd8 && c[1] == 0x9c) return 2;                                         /* U+061C */
    if (c[0] == 0xe2 && c[1] == 0x80 && (c[2] == 0x8e || c[2] == 0x8f || (c[2] >= 0xa8 && c[2] <= 0xae))) return 3; /* U+200E, U+200F, U+2028 to U+202E */
    return c[0] == 0xe2 && c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9 ? 3 : 0;        /* U+2066 to U+2069 */
}
