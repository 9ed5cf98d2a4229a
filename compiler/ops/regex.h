/* regex.h - a regular expression as an automaton on bytes.
 *
 * The syntax is RE2's, without (?m), (?U), \C, \p and \P, and with (?i) for ASCII letters only (and the two other letters that fold to one, U+017F and
 * U+212A): these are refused. Text is UTF-8; what is not matches no character. Lazy repetitions match what greedy ones do, as a whole text is matched. */
#ifndef ONNXCC_OPS_REGEX_H
#define ONNXCC_OPS_REGEX_H
#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint32_t n_states, n_classes;
    bool anchors;         /* it says where the text, or a word in it, begins or ends */
    uint8_t of_byte[256]; /* the class of a byte */
    int32_t *next;        /* [n_states][n_classes]; state 0: no match any more; state 1: the start */
    uint8_t *accepts;     /* [n_states]: the text may end here */
} regex_table;

typedef enum { REGEX_OK, REGEX_INVALID, REGEX_UNSUPPORTED } regex_result;
regex_result regex_compile(arena *mem, const char *pattern, regex_table *out, const char **why);
#endif
