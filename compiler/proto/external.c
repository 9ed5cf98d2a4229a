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
        if (e->files.p[i].view.size) munmap((void *)(uintptr_t)e->files.p[i].view.data, e->files.p[i].view.size);
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

/* Why a file is not opened. Said when all descriptors are closed again: a message takes memory, and there may be none. */
typedef struct {
    exit_code code;
    const char *why;
    int number; /* errno, which says more; 0: there is none */
    bool link;
} refusal;

static int refuse(refusal *no, exit_code code, const char *why)
{
    *no = (refusal){.code = code, .why = why};
    return -1;
}

static int refuse_errno(refusal *no)
{
    *no = (refusal){.code = EXIT_IO, .why = "can't be opened", .number = errno};
    return -1;
}

static void report(const request *r, const refusal *no)
{
    if (no->number) diag_error(r->d, no->code, r->where, "external-path", "external data '%s' %s: %s", r->location, no->why, strerror(no->number));
    else diag_error(r->d, no->code, r->where, "external-path", "external data '%s' %s", r->location, no->why);
    if (no->link) diag_hint(r->d, "put the file itself beside the model");
}

/* Opens component `name` of the open folder `at`: a folder, or at the end the file. Closes nothing. */
static int step_down(refusal *no, int at, const char *name, bool last)
{
    struct stat before, after;
    if (fstatat(at, name, &before, AT_SYMLINK_NOFOLLOW)) return refuse_errno(no);
    if (S_ISLNK(before.st_mode)) {
        *no = (refusal){.code = EXIT_INVALID, .why = "goes through a symbolic link", .link = true};
        return -1;
    }
    if (!last && !S_ISDIR(before.st_mode)) return refuse(no, EXIT_INVALID, "goes through something that is no folder");
    if (last && !S_ISREG(before.st_mode)) return refuse(no, EXIT_INVALID, "is no regular file");
    const int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (last ? 0 : O_DIRECTORY));
    if (fd < 0) return refuse_errno(no);
    const char *why = NULL;
    if (fstat(fd, &after) || before.st_dev != after.st_dev || before.st_ino != after.st_ino) why = "changed while it was opened";
    else if (last && after.st_nlink != 1) why = "has a second name (hard link)";
    if (!why) return fd;
    close(fd);
    return refuse(no, EXIT_INVALID, why);
}

/* From the open folder `at`, which is closed, down to the file; `path` is cut into its components. */
static int walk_down(refusal *no, int at, char *path)
{
    for (char *name = path;;) {
        const size_t n = strcspn(name, "/");
        char *rest = name + n + strspn(name + n, "/");
        const bool last = !name[n], here = !n || (n == 1 && name[0] == '.');
        name[n] = 0;
        if (here && *rest) {
            name = rest;
            continue;
        }
        const int next = here || (!last && !*rest) ? refuse(no, EXIT_INVALID, "has no file name") : step_down(no, at, name, last);
        close(at);
        if (last || next < 0) return next;
        at = next;
        name = rest;
    }
}

/* A file descriptor of the file, or -1. */
static int open_below(refusal *no, const request *r, const char *folder)
{
    if (!*r->location) return refuse(no, EXIT_INVALID, "has no file name");
    if (r->location[0] == '/') return refuse(no, EXIT_INVALID, "has an absolute path");
    for (const char *p = r->location; *p;) { /* before anything is touched; '..name' is refused as the onnx package does */
        const size_t n = strcspn(p, "/");
        if (n >= 2 && p[0] == '.' && p[1] == '.') return refuse(no, EXIT_INVALID, "leaves the model's folder");
        p += n + (p[n] == '/');
    }
    char *path = arena_strndup(r->d->mem, r->location, strlen(r->location));
    const int at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0) return refuse_errno(no);
    return walk_down(no, at, path);
}

/* Maps an open file. */
static bool map_file(refusal *no, int fd, file_view *view)
{
    struct stat st;
    bool ok = !fstat(fd, &st);
    if (ok && st.st_size) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        ok = p != MAP_FAILED;
        if (ok) *view = (file_view){p, (size_t)st.st_size, NULL};
    } else if (ok) view->data = (const unsigned char *)"";
    if (!ok) *no = (refusal){.code = EXIT_IO, .why = "can't be mapped", .number = errno};
    return ok;
}

static external_file *file_of(externals *e, const char *where, const char *location)
{
    for (uint32_t i = 0; i < e->files.n; i++)
        if (!strcmp(e->files.p[i].location, location)) return e->files.p[i].failed ? NULL : &e->files.p[i];
    const request r = {e->d, where, location};
    const external_file none = {.location = arena_strndup(e->mem, location, strlen(location)), .failed = true};
    VEC_PUSH(e->mem, e->files, none);
    external_file *f = &e->files.p[e->files.n - 1];
    refusal no = {0};
    const int fd = e->folder ? open_below(&no, &r, e->folder) : refuse(&no, EXIT_INVALID, "is asked for, but the model has no folder");
    if (fd >= 0) {
        f->failed = !map_file(&no, fd, &f->view);
        close(fd);
    }
    if (f->failed) report(&r, &no);
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
