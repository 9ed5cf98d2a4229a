/* external.c - opening external data without leaving the model's folder; see external.h. */
#include "proto/external.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    const char *location;
    file_view view;
    bool failed; /* reported already */
} external_file;

struct externals {
    arena *mem;
    diag *d;
    const char *folder;
    VEC(external_file) files;
};

static void release(void *self)
{
    externals *e = self;
    for (uint32_t i = 0; i < e->files.n; i++)
        if (e->files.p[i].view.mapped) munmap((void *)(uintptr_t)e->files.p[i].view.data, e->files.p[i].view.size);
}

externals *externals_new(arena *mem, diag *d, const char *folder)
{
    externals *e = ARENA_NEW(mem, externals);
    e->mem = mem;
    e->d = d;
    e->folder = folder;
    arena_on_free(mem, release, e);
    return e;
}

/* ---- one way down ---- */

typedef struct {
    diag *d;
    const char *where, *location;
} request;

static int refuse(const request *r, exit_code code, const char *why)
{
    diag_error(r->d, code, r->where, "external-path", "external data '%s' %s", r->location, why);
    return -1;
}

/* Opens component `name` of the open folder `at`: a folder, or at the end the file. -1 after reporting. Closes nothing. */
static int step_down(const request *r, int at, const char *name, bool last)
{
    struct stat before, after;
    if (fstatat(at, name, &before, AT_SYMLINK_NOFOLLOW)) return refuse(r, EXIT_IO, arena_printf(r->d->mem, "can't be opened: %s", strerror(errno)));
    if (S_ISLNK(before.st_mode)) {
        refuse(r, EXIT_INVALID, "goes through a symbolic link");
        diag_hint(r->d, "put the file itself beside the model");
        return -1;
    }
    if (!last && !S_ISDIR(before.st_mode)) return refuse(r, EXIT_INVALID, "goes through something that is no folder");
    if (last && !S_ISREG(before.st_mode)) return refuse(r, EXIT_INVALID, "is no regular file");
    const int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (last ? 0 : O_DIRECTORY));
    if (fd < 0) return refuse(r, EXIT_IO, arena_printf(r->d->mem, "can't be opened: %s", strerror(errno)));
    const char *why = NULL;
    if (fstat(fd, &after) || before.st_dev != after.st_dev || before.st_ino != after.st_ino) why = "changed while it was opened";
    else if (last && after.st_nlink != 1) why = "has a second name (hard link)";
    if (!why) return fd;
    close(fd);
    return refuse(r, EXIT_INVALID, why);
}

/* A file descriptor of the file, -1 after reporting. */
static int open_below(const request *r, const char *folder)
{
    if (!*r->location) return refuse(r, EXIT_INVALID, "has no file name");
    if (r->location[0] == '/') return refuse(r, EXIT_INVALID, "has an absolute path");
    for (const char *p = r->location; *p;) { /* before anything is touched; '..name' is refused as the onnx package does */
        const size_t n = strcspn(p, "/");
        if (n >= 2 && p[0] == '.' && p[1] == '.') return refuse(r, EXIT_INVALID, "leaves the model's folder");
        p += n + (p[n] == '/');
    }
    int at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0) return refuse(r, EXIT_IO, arena_printf(r->d->mem, "can't be opened: %s: %s", folder, strerror(errno)));
    for (const char *p = r->location;;) {
        const size_t n = strcspn(p, "/");
        const char *name = arena_strndup(r->d->mem, p, n), *rest = p + n + strspn(p + n, "/");
        if (!n || !strcmp(name, ".")) {
            if (!*rest) {
                close(at);
                return refuse(r, EXIT_INVALID, "has no file name");
            }
        } else {
            const bool last = !p[n];
            const int next = *rest || last ? step_down(r, at, name, last) : refuse(r, EXIT_INVALID, "has no file name");
            close(at);
            if (last || next < 0) return next;
            at = next;
        }
        p = rest;
    }
}

/* Maps an open file; false after reporting. */
static bool map_file(const request *r, int fd, file_view *view)
{
    struct stat st;
    if (fstat(fd, &st)) return refuse(r, EXIT_IO, strerror(errno)), false;
    if (!st.st_size) {
        view->data = (const unsigned char *)"";
        return true;
    }
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) return refuse(r, EXIT_IO, arena_printf(r->d->mem, "can't be mapped: %s", strerror(errno))), false;
    *view = (file_view){p, (size_t)st.st_size, true};
    return true;
}

static external_file *file_of(externals *e, const char *where, const char *location)
{
    for (uint32_t i = 0; i < e->files.n; i++)
        if (!strcmp(e->files.p[i].location, location)) return e->files.p[i].failed ? NULL : &e->files.p[i];
    const request r = {e->d, where, location};
    const external_file none = {.location = arena_strndup(e->mem, location, strlen(location)), .failed = true};
    VEC_PUSH(e->mem, e->files, none);
    external_file *f = &e->files.p[e->files.n - 1];
    const int fd = e->folder ? open_below(&r, e->folder) : refuse(&r, EXIT_INVALID, "is asked for, but the model has no folder");
    if (fd < 0) return NULL;
    f->failed = !map_file(&r, fd, &f->view);
    close(fd);
    return f->failed ? NULL : f;
}

bool external_size(externals *e, const char *where, const char *location, uint64_t *size)
{
    const external_file *f = file_of(e, where, location);
    if (f) *size = f->view.size;
    return f != NULL;
}

const void *external_data(externals *e, const char *where, const char *location, uint64_t offset, uint64_t bytes)
{
    const external_file *f = file_of(e, where, location);
    if (!f) return NULL;
    if (offset <= f->view.size && bytes <= f->view.size - offset) return f->view.data + offset;
    diag_error(e->d, EXIT_INVALID, where, "external-range", "external data '%s' has %zu bytes, but %llu at offset %llu are asked for", location, f->view.size,
               (unsigned long long)bytes, (unsigned long long)offset);
    return NULL;
}
