/* external_copy.c - the files with a model's weights into another folder; see external_copy in external.h. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/external.h"
#include "proto/proto.h"

typedef struct {
    diag *d;
    arena *a;
    file_list *copies;
} copier;

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* True when there is no such file, nor is there going to be, or it has these bytes. */
static bool free_to_write(const copier *s, const char *path, const void *data, size_t size)
{
    for (uint32_t i = 0; i < s->copies->n; i++) {
        const file_content *c = &s->copies->p[i];
        if (!strcmp(c->path, path)) return c->size == size && !memcmp(c->data, data, size);
    }
    file_view old;
    const char *why;
    struct stat st;
    if (stat(path, &st)) return errno == ENOENT;
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != size || !file_map(path, &old, &why)) return false;
    const bool same = !memcmp(old.data, data, size);
    file_unmap(&old);
    return same;
}

/* The folders on the way to a file. */
static bool make_folders(copier *s, const char *folder, const char *location)
{
    for (const char *slash = strchr(location, '/'); slash; slash = strchr(slash + 1, '/')) {
        const char *path = arena_printf(s->a, "%s/%.*s", folder, (int)(slash - location), location);
        if (mkdir(path, 0777) && errno != EEXIST)
            return diag_error(s->d, EXIT_IO, "", "write-failed", "can't make folder '%s': %s", path, strerror(errno));
    }
    return true;
}

static bool copy_file(copier *s, externals *from, const char *folder, const char *location)
{
    uint64_t size;
    if (!external_size(from, "", location, &size)) return false;
    const void *data = external_data(from, "", location, 0, size);
    const char *path = arena_printf(s->a, "%s/%s", folder, location);
    if (!free_to_write(s, path, data, (size_t)size)) {
        diag_error(s->d, EXIT_IO, "", "write-external", "the weights' file '%s' is there already, with other content", path);
        return diag_hint(s->d, "write the model to another folder, or remove that file");
    }
    VEC_PUSH(s->a, *s->copies, ((file_content){.path = path, .data = data, .size = (size_t)size}));
    return make_folders(s, folder, location);
}

bool external_copy(arena *a, diag *d, const char *home, const char *path, const char *const *location, uint32_t n, file_list *copies)
{
    copier s = {d, a, copies};
    const char *folder = proto_folder(a, path);
    externals *from = externals_new(a, d, home);
    const bool here = home && same_file(folder, home);
    for (uint32_t i = 0; i < n; i++) {
        if (same_file(path, arena_printf(a, "%s/%s", home, location[i])))
            return diag_error(d, EXIT_USAGE, "", "output", "'%s' holds weights of the model", path);
        if (!here && !copy_file(&s, from, folder, location[i])) return false;
    }
    return true;
}

bool file_list_write(const file_list *list, diag *d)
{
    const char *failed, *why;
    return files_write(list->p, list->n, &failed, &why) || diag_error(d, EXIT_IO, "", "write-failed", "can't write '%s': %s", failed, why);
}
