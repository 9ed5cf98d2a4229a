/* regex_parse.h - from the text of a regular expression to a tree; for regex.c. */
#ifndef ONNXCC_OPS_REGEX_PARSE_H
#define ONNXCC_OPS_REGEX_PARSE_H
#include "base/text.h"
#include "ops/regex.h"

typedef enum { RX_EMPTY, RX_SET, RX_CAT, RX_ALT, RX_REPEAT, RX_BEGIN, RX_END, RX_BOUNDARY, RX_INSIDE } regex_kind;
enum { RX_NO_LIMIT = -1, RX_LAST_RUNE = 0x10ffff };

typedef struct {
    uint32_t lo, hi; /* code points, both included */
} rune_range;

typedef VEC(rune_range) rune_set; /* after rune_set_sort: in order, apart */

typedef struct regex_node {
    regex_kind kind;
    struct regex_node *a, *b;
    int least, most; /* REPEAT */
    rune_set set;
} regex_node;

/* NULL with *why and *result set when it can't. */
regex_node *regex_parse(arena *mem, const char *pattern, regex_result *result, const char **why);
#endif
