/* cases_find.c - which cases there are, and with what tolerance each is compared. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "driver/cases.h"

enum { MAX_DEPTH = 32 };

/* case.json is a flat object; JSON is YAML, so libyaml reads it. A damaged one is an error of the case. */
static void read_tolerance(case_run *r, test_case *t)
{
    const char *path = arena_printf(r->c->mem, "%s/case.json", t->dir), *why;
    file_view f;
    if (access(path, F_OK) || !file_map(path, &f, &why)) return;
    yaml_parser_t parser;
    yaml_document_t doc;
    if (yaml_parser_initialize(&parser)) {
        yaml_parser_set_input_string(&parser, f.data, f.size);
        if (yaml_parser_load(&parser, &doc)) {
            yaml_node_t *root = yaml_document_get_root_node(&doc);
            const bool is_map = root && root->type == YAML_MAPPING_NODE;
            for (yaml_node_pair_t *p = is_map ? root->data.mapping.pairs.start : NULL; is_map && p < root->data.mapping.pairs.top; p++) {
                const yaml_node_t *key = yaml_document_get_node(&doc, p->key), *val = yaml_document_get_node(&doc, p->value);
                if (key->type != YAML_SCALAR_NODE || val->type != YAML_SCALAR_NODE) continue;
                const char *k = (const char *)key->data.scalar.value, *v = (const char *)val->data.scalar.value;
                if (!strcmp(k, "rtol")) t->tol.rtol = strtod(v, NULL);
                else if (!strcmp(k, "atol")) t->tol.atol = strtod(v, NULL);
                else if (!strcmp(k, "random")) t->tol.shapes_only = !strcmp(v, "true");
            }
            yaml_document_delete(&doc);
        }
        yaml_parser_delete(&parser);
    }
    file_unmap(&f);
}

tolerance tolerance_of(const options *o)
{
    const bool given = o->n[OPT_RTOL] || o->n[OPT_ATOL];
    return (tolerance){.rtol = opt_real(o, OPT_RTOL, 1e-3), .atol = opt_real(o, OPT_ATOL, 1e-7), .range = opt_choice(o, OPT_PRECISION) != PRECISION_FP32 && !given ? 0x1p-5 : 0};
}

static void add_case(case_run *r, const char *dir)
{
    const options *o = r->c->o;
    const char *only = opt_text(o, OPT_ONLY, NULL), *shown = dir + strlen(r->root);
    shown += strspn(shown, "/");
    if (only && !strstr(shown, only)) return;
    test_case t = {.dir = dir, .shown = *shown ? shown : dir, .tol = tolerance_of(o)};
    read_tolerance(r, &t);
    VEC_PUSH(r->c->mem, r->list, t);
}

static void walk(case_run *r, const char *dir, int depth)
{
    DIR *at = opendir(dir);
    if (!at) return;
    bool has_model = false, has_data = false;
    folder_list below = {0};
    for (const struct dirent *e; (e = readdir(at));) {
        if (e->d_name[0] == '.') continue;
        if (!strcmp(e->d_name, "model.onnx")) has_model = true;
        else if (!strncmp(e->d_name, "test_data_set_", 14)) has_data = true;
        else {
            const char *path = arena_printf(r->c->mem, "%s/%s", dir, e->d_name);
            struct stat st;
            if (!stat(path, &st) && S_ISDIR(st.st_mode)) VEC_PUSH(r->c->mem, below, path);
        }
    }
    closedir(at);
    if (has_model && has_data) add_case(r, dir);
    for (uint32_t i = 0; i < below.n && depth < MAX_DEPTH; i++) walk(r, below.p[i], depth + 1);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const test_case *)a)->shown, ((const test_case *)b)->shown);
}

bool cases_find(case_run *r)
{
    struct stat st;
    if (stat(r->root, &st) || !S_ISDIR(st.st_mode))
        return diag_error(r->c->diag, EXIT_IO, "", "read-failed", "'%s' is no folder", r->root);
    walk(r, r->root, 0);
    if (!r->list.n) return diag_error(r->c->diag, EXIT_IO, "", "no-data", "no folder below '%s' has model.onnx and test_data_set_K", r->root);
    qsort(r->list.p, r->list.n, sizeof *r->list.p, by_path);
    for (uint32_t i = 0; i < r->list.n; i++) r->list.p[i].prefix = arena_printf(r->c->mem, "c%u", i);
    return true;
}
