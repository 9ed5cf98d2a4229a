/* yaml_file.c - opening and parsing; what a document means is its reader's part. */
#include "driver/yaml_file.h"

#include "base/text.h"

static const char *line(yaml_source *s, size_t from_zero)
{
    return arena_printf(s->mem, "%s:%zu", s->path, from_zero + 1);
}

const char *yaml_line(yaml_source *s, const yaml_node_t *n)
{
    return line(s, n ? n->start_mark.line : 0);
}

bool yaml_complain(yaml_source *s, const yaml_node_t *n, const char *what)
{
    return diag_error(s->d, EXIT_USAGE, yaml_line(s, n), s->code, "%s", what);
}

const char *yaml_scalar(yaml_source *s, const yaml_node_t *n)
{
    return n && n->type == YAML_SCALAR_NODE ? arena_strndup(s->mem, (const char *)n->data.scalar.value, n->data.scalar.length) : NULL;
}

static bool parse(yaml_source *s, yaml_parser_t *parser)
{
    return yaml_parser_load(parser, &s->doc) || diag_error(s->d, EXIT_USAGE, line(s, parser->problem_mark.line), s->code, "%s", parser->problem ? parser->problem : "not YAML");
}

bool yaml_file_read(yaml_source *s, bool (*read)(void *ctx), void *ctx)
{
    file_view f;
    const char *why;
    if (!file_map(s->path, &f, &why)) return diag_error(s->d, EXIT_IO, "", "read-failed", "can't read '%s': %s", s->path, why);
    yaml_parser_t parser;
    bool ok = yaml_parser_initialize(&parser);
    if (ok) {
        yaml_parser_set_input_string(&parser, f.data, f.size);
        ok = parse(s, &parser);
        if (ok) {
            ok = read(ctx);
            yaml_document_delete(&s->doc);
        }
        yaml_parser_delete(&parser);
    }
    file_unmap(&f);
    return ok;
}
