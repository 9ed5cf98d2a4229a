/* profile.h - the time of each step of a built model. */
#ifndef ONNXCC_DRIVER_PROFILE_H
#define ONNXCC_DRIVER_PROFILE_H
#include "compile.h"
#include "driver/session.h"

typedef struct {
    const step_fact *fact;
    double began, run, least; /* in ms: when the call began, its calls in this run, the least of all runs */
    uint32_t calls;           /* in one run */
} timed_step;

typedef struct {
    timed_step *step;
    uint32_t n; /* by id - 1; after profile_steps the one that takes longest first */
} step_profile;

/* Runs the bound session about `runs` times, in whole turns through its sets of inputs, of which a run is the mean, with a timer around each step. `built` was compiled with options.profile. False: a run failed. */
bool profile_steps(session *s, const compiled *built, uint32_t runs, step_profile *p);
/* A table for people: the shortest time of a step's calls in one run, its share of all, multiply-adds and bytes of its tensors per second. */
void profile_print(const step_profile *p, FILE *out);
/* [{"id","kernel","nodes","ms","calls","multiply_adds","bytes"}], the last two where they are known: of one call. */
void profile_json(const step_profile *p, FILE *out);

/* One run with a timer around each of n steps: lowers least[id - 1] where a step that was called took less, in ms; *ms is the run's time, timers included. */
bool profile_least(session *s, uint32_t n, double *least, double *ms);
#endif
