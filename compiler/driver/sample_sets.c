/* sample_sets.c - see sample_sets.h. */
#include "driver/sample_sets.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver/process.h"

typedef struct {
    command *c;
    const char *path;
    VEC(const char *) inputs; /* names of those that have to be given, as in files' names */
    folder_list npz, npy, folders;
} finder;

static bool ends_with(const char *s, const char *tail)
{
    const size_t n = strlen(s), k = strlen(tail);
    return n > k && !strcmp(s + n - k, tail);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void swap_slashes(char *s, char from, char to)
{
    for (; *s; s++)
        if (*s == from) *s = to;
}

static void find_inputs(finder *f, model *m)
{
    const graph *g = model_main(m);
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        const value *v = value_at(m, g->inputs.p[i]);
        if (v->data || v->initial) continue;
        char *name = arena_strndup(f->c->mem, v->name, strlen(v->name));
        swap_slashes(name, '/', '\\');
        VEC_PUSH(f->c->mem, f->inputs, name);
    }
}

static bool holds_npy(const char *folder)
{
    bool found = false;
    DIR *at = opendir(folder);
    for (const struct dirent *e; at && !found && (e = readdir(at));) found = ends_with(e->d_name, ".npy");
    if (at) closedir(at);
    return found;
}

static void list_folder(finder *f)
{
    arena *mem = f->c->mem;
    DIR *at = opendir(f->path);
    for (const struct dirent *e; at && (e = readdir(at));) {
        const char *path = arena_printf(mem, "%s/%s", f->path, e->d_name);
        if (e->d_name[0] == '.') continue;
        if (ends_with(path, ".npz")) VEC_PUSH(mem, f->npz, path);
        else if (ends_with(path, ".npy")) VEC_PUSH(mem, f->npy, path);
        else if (folder_exists(path) && holds_npy(path)) VEC_PUSH(mem, f->folders, path);
    }
    if (at) closedir(at);
    folder_list *const lists[] = {&f->npz, &f->npy, &f->folders};
    for (int i = 0; i < 3; i++)
        if (lists[i]->n) qsort(lists[i]->p, lists[i]->n, sizeof *lists[i]->p, by_name);
}

/* The first input without its INPUT.npy in the folder; NULL: there is none. */
static const char *missing_input(const finder *f, const char *folder)
{
    for (uint32_t i = 0; i < f->inputs.n; i++)
        if (access(arena_printf(f->c->mem, "%s/%s.npy", folder, f->inputs.p[i]), R_OK)) return f->inputs.p[i];
    return NULL;
}

static bool input_missing(const finder *f, const char *folder, const char *input)
{
    text files = {.mem = f->c->mem};
    for (uint32_t i = 0; i < f->inputs.n; i++) text_addf(&files, "%s%s.npy", i ? ", " : "", f->inputs.p[i]);
    diag_error(f->c->diag, EXIT_USAGE, "", "no-data", "there is no '%s.npy' in '%s'", input, folder);
    return diag_hint(f->c->diag, "a set of .npy files is a folder with one named after each input: %s", files.p);
}

static void add_all(const finder *f, const folder_list *from, folder_list *to)
{
    for (uint32_t i = 0; i < from->n; i++) VEC_PUSH(f->c->mem, *to, from->p[i]);
}

static bool add_npy(const finder *f, folder_list *sets)
{
    if (f->npy.n && f->inputs.n == 1) add_all(f, &f->npy, sets);
    else if (f->npy.n) {
        const char *missing = missing_input(f, f->path);
        if (missing) return input_missing(f, f->path, missing);
        VEC_PUSH(f->c->mem, *sets, f->path);
    }
    for (uint32_t i = 0; i < f->folders.n; i++) {
        const char *missing = missing_input(f, f->folders.p[i]);
        if (missing) return input_missing(f, f->folders.p[i], missing);
    }
    add_all(f, &f->folders, sets);
    return true;
}

bool sample_sets_find(command *c, model *m, const char *path, folder_list *sets)
{
    finder f = {.c = c, .path = path};
    *sets = (folder_list){0};
    if (access(path, F_OK)) return diag_error(c->diag, EXIT_IO, "", "no-data", "there is no '%s' to read inputs from", path);
    if (!folder_exists(path)) {
        VEC_PUSH(c->mem, *sets, path);
        return true;
    }
    find_inputs(&f, m);
    list_folder(&f);
    *sets = data_set_folders(c->mem, path);
    add_all(&f, &f.npz, sets);
    if (!add_npy(&f, sets)) return false;
    if (sets->n) return true;
    diag_error(c->diag, EXIT_IO, "", "no-data", "'%s' holds no inputs", path);
    return diag_hint(c->diag, "give an .npz with a tensor for each input, or a folder of them, or of .npy files, or one with test_data_set_0/input_0.pb and so on");
}

/* ---- reading ---- */

static bool read_folder(diag *d, arena *mem, const char *folder, tensor_set *inputs)
{
    bool ok = true;
    DIR *at = opendir(folder);
    for (const struct dirent *e; ok && at && (e = readdir(at));) {
        if (!ends_with(e->d_name, ".npy")) continue;
        char *name = arena_strndup(mem, e->d_name, strlen(e->d_name) - 4);
        swap_slashes(name, '\\', '/');
        ok = tensors_read(d, arena_printf(mem, "%s/%s", folder, e->d_name), name, inputs);
    }
    if (at) closedir(at);
    return ok;
}

bool sample_set_read(diag *d, arena *mem, const char *path, tensor_set *inputs)
{
    *inputs = (tensor_set){.mem = mem};
    if (!folder_exists(path)) return tensors_read(d, path, NULL, inputs);
    data_set set;
    if (!data_set_read(mem, d, path, &set)) return false;
    *inputs = set.inputs;
    return set.inputs.list.n || read_folder(d, mem, path, inputs);
}
