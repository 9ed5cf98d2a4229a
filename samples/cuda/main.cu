/* main.cu - reads pictures of handwritten digits and says on the GPU which ones they are: all of them in one run, then the same as a CUDA graph.
 *
 *     digits_cuda FILE.pgm...      plain (P2) PGM files of 8 x 8 pixels, 0 paper, the largest value ink
 *
 * All of the model is in digits.cu and digits_weights.c, which onnxcc wrote when this program was built. */
#include <stdio.h>
#include <stdlib.h>

#include "digits.h"
#include "onnxcc_device.h"

enum { SIDE = 8, PIXELS = SIDE * SIDE, DIGITS = 10, MOST = 64 };

static char message[256]; /* what the model's functions say of an error of CUDA */

static void check(int code, const char *what)
{
    if (!code) return;
    fprintf(stderr, "%s: code %d %s\n", what, code, message);
    exit(EXIT_FAILURE);
}

static void check_cuda(cudaError_t error, const char *what)
{
    if (error == cudaSuccess) return;
    fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(error));
    exit(EXIT_FAILURE);
}

/* The next number of a PGM file; # starts a comment. */
static int number(FILE *f)
{
    int v, c;
    while (fscanf(f, "%d", &v) != 1) {
        if (getc(f) != '#') return -1;
        while ((c = getc(f)) != '\n' && c != EOF) {}
    }
    return v;
}

static bool read_picture(const char *path, float *pixel)
{
    FILE *f = fopen(path, "r");
    bool ok = f && getc(f) == 'P' && getc(f) == '2' && number(f) == SIDE && number(f) == SIDE;
    const int ink = ok ? number(f) : 0;
    ok = ok && ink > 0;
    for (int i = 0; ok && i < PIXELS; i++) {
        const int v = number(f);
        ok = v >= 0 && v <= ink;
        pixel[i] = (float)v / (float)ink;
    }
    if (f) fclose(f);
    return ok;
}

static void print_answers(const char *how, int n, const float *score)
{
    for (int k = 0; k < n; k++, score += DIGITS) {
        int best = 0;
        for (int i = 1; i < DIGITS; i++) best = score[i] > score[best] ? i : best;
        printf("%s: picture %d is a %d (%.1f%%)\n", how, k + 1, best, 100 * (double)score[best]);
    }
}

int main(int argc, char **argv)
{
    static float pictures[MOST][PIXELS], score[MOST * DIGITS];
    const int n = argc - 1;
    if (n < 1 || n > MOST) return fprintf(stderr, "give 1 to %d pictures\n", MOST), EXIT_FAILURE;
    for (int i = 0; i < n; i++)
        if (!read_picture(argv[i + 1], pictures[i])) return fprintf(stderr, "%s: not a plain PGM file of 8 x 8 pixels\n", argv[i + 1]), EXIT_FAILURE;

    /* Once: memory of the device, and the weights in it. */
    cudaStream_t stream;
    void *arena;
    float *device_pictures, *device_score;
    onnxcc_env env = {};
    check_cuda(cudaStreamCreate(&stream), "making a stream");
    check_cuda(cudaMalloc(&arena, DIGITS_ARENA_BYTES), "memory for the model");
    check_cuda(cudaMalloc((void **)&device_pictures, sizeof pictures), "memory for the pictures");
    check_cuda(cudaMalloc((void **)&device_score, sizeof score), "memory for the scores");
    env.stream = stream;
    env.message = message;
    env.message_bytes = sizeof message;
    check(digits_upload(arena, NULL, &env), "uploading the weights");

    /* Tensors of the host: copied there and back. */
    digits_inputs in = {};
    digits_outputs out = {};
    in.batch = n;
    in.picture = pictures[0];
    out.score = score;
    check(digits_run(&in, &out, arena, &env), "running");
    print_answers("run", n, score);

    /* Tensors of the device, as a graph that is launched as often as one likes. */
    void *graph;
    in.picture = device_pictures;
    out.score = device_score;
    check(digits_capture(&in, &out, arena, &env, &graph), "capturing");
    for (int i = 0; i < 3; i++) {
        check_cuda(cudaMemcpyAsync(device_pictures, pictures, sizeof pictures, cudaMemcpyHostToDevice, stream), "copying the pictures");
        check_cuda(cudaGraphLaunch((cudaGraphExec_t)graph, stream), "launching the graph");
        check_cuda(cudaMemcpyAsync(score, device_score, sizeof score, cudaMemcpyDeviceToHost, stream), "copying the scores");
    }
    check_cuda(cudaStreamSynchronize(stream), "waiting");
    print_answers("graph", n, score);

    cudaGraphExecDestroy((cudaGraphExec_t)graph);
    cudaFree(device_score);
    cudaFree(device_pictures);
    cudaFree(arena);
    cudaStreamDestroy(stream);
    return EXIT_SUCCESS;
}
