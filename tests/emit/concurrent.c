/* concurrent.c - several generated models in one program, each run by four threads at once with arenas of their own: every answer is that of a
 * serial run. */
#include <pthread.h>

#include "drive.h"

enum { THREADS = 4, ROUNDS = 10 };
#define DECLARE(F) extern const onnxcc_model *F(void)
DECLARE(first_model);
DECLARE(second_model);
DECLARE(small_model);
static const onnxcc_model *(*const models[])(void) = {first_model, second_model, small_model};
enum { N_MODELS = sizeof models / sizeof *models };

typedef struct {
    pthread_barrier_t *start;
    use expected[N_MODELS], own[N_MODELS];
    int bad;
} worker;

static void *work(void *arg)
{
    worker *w = arg;
    pthread_barrier_wait(w->start);
    for (int round = 0; round < ROUNDS; round++)
        for (int k = 0; k < N_MODELS; k++) w->bad |= use_run(&w->own[k], NULL) != 0 || !use_same(&w->own[k], &w->expected[k]);
    return NULL;
}

int main(void)
{
    static worker workers[THREADS];
    pthread_t thread[THREADS];
    pthread_barrier_t start;
    int bad = 0;
    if (pthread_barrier_init(&start, NULL, THREADS)) return 2;
    for (uint32_t t = 0; t < THREADS; t++) {
        workers[t].start = &start;
        for (uint32_t k = 0; k < N_MODELS; k++) {
            workers[t].expected[k] = use_new(models[k](), t);
            workers[t].own[k] = use_new(models[k](), t);
            if (use_run(&workers[t].expected[k], NULL)) return fprintf(stderr, "%s fails\n", models[k]()->name), 1;
            if (t && use_same(&workers[t].expected[k], &workers[0].expected[k])) return fprintf(stderr, "%s ignores its input\n", models[k]()->name), 1;
        }
    }
    for (int t = 0; t < THREADS; t++)
        if (pthread_create(&thread[t], NULL, work, &workers[t])) return 2;
    for (int t = 0; t < THREADS; t++) {
        pthread_join(thread[t], NULL);
        bad |= workers[t].bad;
        for (int k = 0; k < N_MODELS; k++) {
            use_free(&workers[t].expected[k]);
            use_free(&workers[t].own[k]);
        }
    }
    pthread_barrier_destroy(&start);
    if (bad) fprintf(stderr, "an answer differs from that of a serial run\n");
    return bad;
}
