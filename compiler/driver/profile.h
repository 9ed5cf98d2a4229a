/* profile.h - the time of each step of a built model. */
#ifndef ONNXCC_DRIVER_PROFILE_H
#define ONNXCC_DRIVER_PROFILE_H
#include "compile.h"
#include "driver/session.h"

/* Runs the bound session `runs` times with a timer around each step and prints the steps, the one that takes longest first: the shortest time of its calls
 * in one run, its share of all, multiply-adds and bytes of its tensors per second. `built` was compiled with options.profile. False: a run failed. */
bool profile_print(session *s, const compiled *built, int runs, FILE *out);

/* One run with a timer around each of n steps: lowers least[id - 1] where a step took less, in ms; *ms is the run's time, timers included. */
bool profile_least(session *s, uint32_t n, double *least, double *ms);
#endif
