/* yaml_file.c - opening and parsing; what a document means is its reader's part. */
#include "driver/yaml_file.h"

#include "base/text.h"

static bool parse(arena *a, diag *d, const char *path, const char *code, yaml_parser_t *parser, yaml_document_t *doc)
{
    if (yaml_parser_load(parser, doc)) return true;
    return diag_error(d, EXIT_USAGE, arena_printf(a, "%s:%zu", path, parser->problem_mark.line + 1), code, "%s", parser->problem ? parser->problem : "not YAML");
}

bool yaml_file_read(arena *a, diag *d, const char *path, const char *code, yaml_document_t *doc, bool (*read)(void *ctx), void *ctx)
{
    file_view f;
    const char *why;
    if (!file_map(path, &f, &why)) return diag_error(d, EXIT_IO, "", "read-failed", "can't read '%s': %s", path, why);
    yaml_parser_t parser;
    bool ok = yaml_parser_initialize(&parser);
    if (ok) {
        yaml_parser_set_input_string(&parser, f.data, f.size);
        ok = parse(a, d, path, code, &parser, doc);
        if (ok) {
            ok = read(ctx);
            yaml_document_delete(doc);
        }
        yaml_parser_delete(&parser);
    }
    file_unmap(&f);
    return ok;
}
