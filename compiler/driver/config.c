/* config.c - `--config FILE`: a YAML mapping whose keys are the options' names. A scalar is a value, a list is several, true or false sets or
 * leaves a flag, and a mapping (dim: {batch: 4}) is a list of KEY=VALUE. What the command line says wins. */
#include <string.h>

#include "driver/options.h"
#include "driver/yaml_file.h"

typedef struct {
    yaml_source source;
    options *to;
} config;

static bool set_flag(config *c, option_id id, const yaml_node_t *n)
{
    const char *v = yaml_scalar(&c->source, n);
    if (v && !strcmp(v, "true")) return options_set(c->source.mem, c->source.d, c->to, id, "");
    if (v && !strcmp(v, "false")) return true;
    return yaml_complain(&c->source, n, arena_printf(c->source.mem, "'%s' is true or false", option_info_of(id)->name));
}

static bool set_value(config *c, option_id id, yaml_node_t *n)
{
    if (option_info_of(id)->kind == OPTION_FLAG) return set_flag(c, id, n);
    const char *v = yaml_scalar(&c->source, n);
    if (v) return options_set(c->source.mem, c->source.d, c->to, id, v);
    if (option_info_of(id)->kind != OPTION_LIST) return yaml_complain(&c->source, n, arena_printf(c->source.mem, "'%s' takes one value", option_info_of(id)->name));
    if (n->type == YAML_SEQUENCE_NODE) {
        for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top; i++) {
            v = yaml_scalar(&c->source, yaml_document_get_node(&c->source.doc, *i));
            if (!v) return yaml_complain(&c->source, n, "list elements are plain values");
            if (!options_set(c->source.mem, c->source.d, c->to, id, v)) return false;
        }
        return true;
    }
    for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
        const char *key = yaml_scalar(&c->source, yaml_document_get_node(&c->source.doc, p->key));
        v = yaml_scalar(&c->source, yaml_document_get_node(&c->source.doc, p->value));
        if (!key || !v) return yaml_complain(&c->source, n, "keys and values are plain values here");
        if (!options_set(c->source.mem, c->source.d, c->to, id, arena_printf(c->source.mem, "%s=%s", key, v))) return false;
    }
    return true;
}

static bool read_document(void *ctx)
{
    config *c = ctx;
    yaml_node_t *root = yaml_document_get_root_node(&c->source.doc);
    if (!root) return true; /* an empty file says nothing */
    if (root->type != YAML_MAPPING_NODE) return yaml_complain(&c->source, root, "the file is not a mapping of option names to values");
    for (yaml_node_pair_t *p = root->data.mapping.pairs.start; p < root->data.mapping.pairs.top; p++) {
        yaml_node_t *key = yaml_document_get_node(&c->source.doc, p->key), *value = yaml_document_get_node(&c->source.doc, p->value);
        const char *name = yaml_scalar(&c->source, key);
        option_id id;
        if (!name || !options_find(name, &id)) return yaml_complain(&c->source, key, arena_printf(c->source.mem, "there is no option '%s'", name ? name : "?"));
        if (c->to->n[id]) continue;
        c->to->from_config[id] = true;
        if (!set_value(c, id, value)) return false;
    }
    return true;
}

bool config_read(arena *a, diag *d, const char *path, options *o)
{
    config c = {.source = {.mem = a, .d = d, .path = path, .code = "config"}, .to = o};
    return yaml_file_read(&c.source, read_document, &c);
}
