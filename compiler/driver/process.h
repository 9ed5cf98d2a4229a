/* process.h - other programs, and work done in processes of its own so that a crash or a hang is a result. */
#ifndef ONNXCC_DRIVER_PROCESS_H
#define ONNXCC_DRIVER_PROCESS_H
#include <stdio.h>

#include "base/diag.h"
#include "base/text.h"

/* Runs argv (ended by NULL) with no input, its output and messages appended to `output`. Returns the exit status, 128 + signal when a signal ended
 * it, -1 with errno when it could not be started. */
int process_run(const char *const *argv, text *output);

/* Splits a command such as $CC at blanks and appends its words. */
typedef VEC(const char *) arguments;
void arguments_split(arena *a, arguments *to, const char *command);

/* By the clock a job may take this much longer than it may compute: other work on the machine is not its fault. */
enum { WALL_FACTOR = 4 };

typedef enum { JOB_DONE, JOB_CRASHED, JOB_TIMED_OUT } job_end;

typedef struct {
    job_end end;
    int status;          /* exit status when done, signal when crashed */
    const char *text;    /* what it wrote as its result, terminated */
    const char *message; /* the line of its stderr that says most, mostly the last; "" for none */
} job_result;

typedef struct {
    int at_once;
    int seconds;         /* of processor time each, and WALL_FACTOR times as much by the clock; 0: no limit */
    size_t memory;       /* bytes of address space each; 0: no limit */
    const char *what;    /* word for the progress line on stderr; NULL: none is shown */
} job_limits;

typedef void job_work(void *ctx, uint32_t i, FILE *result);                  /* in the child */
typedef void job_take(void *ctx, uint32_t i, const job_result *result);      /* in the parent, as they end */

/* Does work(ctx, i) for i in [0, n), each in a forked child. Results' texts live in the arena. */
void jobs_run(arena *a, uint32_t n, const job_limits *limits, job_work *work, job_take *take, void *ctx);

double seconds_now(void); /* of a clock that only moves forward */
int processors(void); /* that this process may use */

/* A new folder below $TMPDIR (or /tmp); NULL when that failed (reported). Removed with everything in it by folder_remove, and also when this process ends without
 * that, by whatever signal: a process of its own waits for it (where it can't be started, the folder stays then). */
char *folder_temporary(arena *a, diag *d);
void folder_remove(const char *path);
bool folder_exists(const char *path);
bool folder_make(diag *d, const char *path); /* with parents; fine when it's there. False: reported, where d is not NULL */
#endif
