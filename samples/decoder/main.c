/* main.c - goes on with a text of tokens: each run takes one token and gives a score for every token that may be next.
 *
 *     gpt2 [-n COUNT] TOKEN...        or llama: the same program around another model
 *
 * Keys and values of all tokens before stay in `state`, where each run adds its own: nothing is computed or copied twice. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decoder.h"

static _Alignas(64) char state[DECODER_STATE_BYTES]; /* the cache of one text */
static _Alignas(DECODER_ARENA_ALIGN) char arena[DECODER_ARENA_BYTES];

/* The token with the highest score behind `token`, which is number `position` of the text. */
static int64_t next(int64_t token, int64_t position)
{
    static float score[VOCABULARY];
    const decoder_inputs in = {.state = state, .input_ids = &token, .position = &position, .past = position};
    decoder_outputs out = {.logits = score};
    const int rc = decoder_run(&in, &out, arena, NULL);
    if (rc) {
        fprintf(stderr, "decoder_run failed with code %d\n", rc);
        exit(EXIT_FAILURE);
    }
    int64_t best = 0;
    for (int64_t i = 1; i < VOCABULARY; i++) best = score[i] > score[best] ? i : best;
    return best;
}

/* -1: not a number */
static int64_t number(const char *word)
{
    char *end;
    const int64_t n = strtoll(word, &end, 10);
    return end > word && !*end ? n : -1;
}

int main(int argc, char **argv)
{
    int first = 1;
    int64_t count = 16;
    if (argc > 2 && !strcmp(argv[1], "-n")) {
        count = number(argv[2]);
        first = 3;
    }
    if (first >= argc || count < 1) return fprintf(stderr, "usage: %s [-n COUNT] TOKEN...\n", argv[0]), EXIT_FAILURE;
    if (count > LENGTH || argc - first + count - 1 > LENGTH) return fprintf(stderr, "a text has at most %d tokens\n", LENGTH), EXIT_FAILURE;
    int64_t token = 0, position = 0;
    for (int i = first; i < argc; i++) { /* the scores behind the last token of the prompt are those that count */
        const int64_t given = number(argv[i]);
        if (given < 0 || given >= VOCABULARY) return fprintf(stderr, "tokens are numbers from 0 to %d\n", VOCABULARY - 1), EXIT_FAILURE;
        token = next(given, position++);
    }
    for (int64_t i = 0; i < count; i++) {
        printf(i + 1 < count ? "%lld " : "%lld\n", (long long)token);
        if (i + 1 < count) token = next(token, position++);
    }
    return EXIT_SUCCESS;
}
