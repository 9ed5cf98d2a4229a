/* peer.h - another engine, run through its Python package in a process that is driven round by round. */
#ifndef ONNXCC_DRIVER_PEER_H
#define ONNXCC_DRIVER_PEER_H
#include <sys/types.h>

#include "base/diag.h"
#include "base/text.h"

enum { PEER_ENGINES = 5 };
/* Is it one of the engines that bench_peer.py knows? Their names, for people. */
bool peer_known(const char *name);
const char *peer_list(arena *a);

/* $ONNXCC_PYTHON, or python3; and why it did not start. */
const char *python_program(void);
const char *python_fault(arena *a, const char *python);

typedef VEC(double) samples;

typedef struct {
    const char *name, *version;
    const char *missing; /* why it can't be used; NULL when it can */
    bool absent;         /* for its Python, or a package of that, is not there */
    pid_t pid;
    FILE *to, *from;
    int threads;                     /* that it takes: some take one whatever is asked for */
    samples ms;                      /* of one run, each the mean of those that were timed together */
    const char *answers;             /* .npz with its outputs for the first set; it may hold fewer than the model has */
    double distance;                 /* of ours from those, the largest, as a share of an output's largest magnitude; NAN: not compared */
    uint64_t strings, other_strings; /* that were compared, and those that differ */
    VEC(const char *) not_compared;  /* outputs */
} peer;

/* Starts the engine on the model and n sets of inputs, INPUTS_K.npz, which its runs take in turns, and waits until it has run once. `script` is the
 * path of bench_peer.py, p->answers is set. state: OUT=IN for outputs that may be written where the input lies. */
void peer_start(arena *a, peer *p, const char *script, const char *model, const char *inputs, uint32_t n, int threads, uint32_t n_state,
                const char *const *state);
/* Takes k times, each of n runs; sets `missing` when it has ended. */
void peer_round(arena *a, peer *p, int k, uint32_t n);
void peer_stop(peer *p);
#endif
