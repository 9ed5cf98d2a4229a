/* near.h - "did you mean": the known name that is nearest to a misspelt one. */
#ifndef ONNXCC_CHECK_NEAR_H
#define ONNXCC_CHECK_NEAR_H

typedef struct {
    const char *wanted;
    const char *name; /* the nearest so far; NULL while nothing is near enough to suggest */
    unsigned distance;
} near_match;

near_match near_start(const char *wanted);
void near_try(near_match *best, const char *candidate);
#endif
