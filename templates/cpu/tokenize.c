/* tokenize.c - the parts of strings that a regular expression says, from the left, each as long as it can be (Tokenizer of com.microsoft).
 *
 * arguments  y [N][PIECES] tokens, in the memory of x, and the padding behind the last; NULL: they are only counted
 *            count [N] of tokens, marks included      x [N] strings      classes, next, accepts: the automaton, as in regex_match.c
 *            extra [2 + PAD] bytes: the mark before the first token, the one behind the last, the padding
 * fixed      CLASSES      LEAST characters of a token, 1 or more      MARK: 1 when there are marks      PAD bytes of padding */
#include "kernel.h"

/* Bytes from s[at] on that match, the most of them; 0: none. */
INLINE size_t tokenize_length(const char *s, size_t at, size_t n, const uint8_t *restrict classes, const int32_t *restrict next, const uint8_t *restrict accepts)
{
    size_t longest = 0;
    int32_t state = 1;
    for (size_t k = at; k < n && state > 0; k++) {
        state = next[state * (CLASSES) + classes[(uint8_t)s[k]]];
        if (accepts[state]) longest = k + 1 - at;
    }
    return longest;
}

INLINE size_t tokenize_character(char c)
{
    const uint8_t b = (uint8_t)c;
    return b < 0xc0u ? 1 : b < 0xe0u ? 2 : b < 0xf0u ? 3 : 4;
}

INLINE void tokenize_put(onnxcc_string *to, const char *data, size_t length)
{
    to->data = data;
    to->length = length;
}

KERNEL void tokenize(onnxcc_string *y, int64_t *restrict count, const onnxcc_string *x, const uint8_t *restrict classes, const int32_t *restrict next,
                     const uint8_t *restrict accepts, const uint8_t *extra HOOK_PARAMS)
{
    for (int64_t i = 0; i < (N); i++) {
        const char *s = x[i].data;
        const size_t n = x[i].length;
        onnxcc_string *to = y ? y + i * (int64_t)(PIECES) : NULL;
        int64_t pieces = 0;
        if (MARK && to) tokenize_put(to + pieces, (const char *)extra, 1);
        pieces += MARK;
        for (size_t at = 0; at < n;) {
            const size_t length = tokenize_length(s, at, n, classes, next, accepts);
            int64_t characters = 0;
            for (size_t k = at; k < at + length; k += tokenize_character(s[k])) characters++;
            if (characters < (LEAST)) {
                at += tokenize_character(s[at]);
                continue;
            }
            if (to) tokenize_put(to + pieces, s + at, length);
            pieces++;
            at += length;
        }
        if (MARK && to) tokenize_put(to + pieces, (const char *)extra + 1, 1);
        pieces += MARK;
        count[i] = pieces;
        for (; to && pieces < (PIECES); pieces++) tokenize_put(to + pieces, (const char *)extra + 2, PAD);
    }
}
