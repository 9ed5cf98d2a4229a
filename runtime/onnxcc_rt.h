/* onnxcc_rt.h - what generated models share: the environment a run may be given, and a description by which any loader can drive any model.
 *
 * Nothing here is needed to link a generated model: it is declarations, and a few static functions. A caller who includes only the model's own header
 * gets this file through it. C99 and C++11. */
#ifndef ONNXCC_RT_H
#define ONNXCC_RT_H
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

#define ONNXCC_RT_ABI 5

/* Codes returned by <model>_run and <model>_prepare; 0 is success. */
enum {
    ONNXCC_OK = 0,
    ONNXCC_E_NULL = -1,     /* a required pointer is NULL */
    ONNXCC_E_DIM = -2,      /* a run-time dimension is outside the range the model was compiled for */
    ONNXCC_E_INDEX = -3,    /* data led outside a tensor (Gather, ScatterND, ...) */
    ONNXCC_E_CAPACITY = -4, /* a data-dependent size exceeds the planned maximum */
    ONNXCC_E_ARENA = -5,    /* the arena is missing, misaligned or too small */
    ONNXCC_E_WEIGHTS = -6,  /* the weights file is not the one generated with this code, is damaged, or is misaligned */
    ONNXCC_E_STATE = -7,    /* the state is missing or misaligned */
    ONNXCC_E_DEVICE = -8,   /* a call of CUDA failed: onnxcc_env.message says which and why */
    ONNXCC_E_CAPTURE = -9,  /* the run can't be captured into a graph: onnxcc_env.message says why */
    ONNXCC_E_VALUE = -11,   /* an input does not have the value that the model was compiled for (--value) */
    ONNXCC_E_ALIGN = -10,   /* CUDA: a tensor on the device is not aligned to 16 bytes */
    ONNXCC_E_HOOK = -12,    /* the environment lacks a function that the model needs: decode_image */
    ONNXCC_E_IMAGE = -13,   /* for decode_image to return: an image format that it does not know */
    ONNXCC_E_TEXT = -14     /* a string that is to become a number is none (Cast) */
};

/* Splits work: calls fn(arg, lo, hi) so that the ranges [lo, hi) together are [0, n), each start a multiple of `grain` (the last range may be
 * shorter), on as many threads as it likes, and returns when all are done. docs/generated-code.md of onnxcc has the whole contract. */
typedef void (*onnxcc_range_fn)(void *arg, int64_t lo, int64_t hi);
typedef void (*onnxcc_parallel_for_fn)(void *ctx, onnxcc_range_fn fn, void *arg, int64_t n, int64_t grain);

/* An encoded image, for ImageDecoder. Pixels are rows of three bytes each, or of one (GRAYSCALE). */
enum { ONNXCC_IMAGE_RGB = 0, ONNXCC_IMAGE_BGR = 1, ONNXCC_IMAGE_GRAYSCALE = 2 };
typedef struct {
    const uint8_t *data;           /* what is in the file */
    int64_t bytes;                 /* of data */
    int format;                    /* of the pixels that are wanted: ONNXCC_IMAGE_ */
    int64_t max_height, max_width; /* room in `pixels` */
    uint8_t *pixels;
    int64_t height, width; /* to be set; they are 0. They stay so where the data can't be decoded. Where there is no room, no pixels are written */
} onnxcc_image;
typedef int (*onnxcc_decode_image_fn)(void *ctx, onnxcc_image *image); /* 0, or the code that the run is to return */

/* Everything a run may use from outside; NULL members (or a NULL env) mean: serial and silent. */
typedef struct {
    onnxcc_parallel_for_fn parallel_for;
    void *parallel_ctx;
    void (*timer)(void *ctx, int step, int end); /* with --profile: called before (end = 0) and after (end = 1) each step, by its number in the
                                                    source and the manifest; a loop's or branch's own call encloses those of its steps */
    void *timer_ctx;
    void *user; /* handed to the functions of custom operators */
    const void *weights; /* for onnxcc_model.run of a model with weights_file_bytes > 0; <model>_run takes them from its inputs */
    void *stream;         /* CUDA: the cudaStream_t that all work goes to */
    char *message;        /* CUDA: message_bytes bytes for the text of an error, ended by a zero */
    size_t message_bytes;
    void *host_arena;     /* for onnxcc_model.run of a model with prepare_host: memory of the host for its steps on the host, aligned to 64 */
    onnxcc_decode_image_fn decode_image; /* for ImageDecoder; onnxcc_images.h has one */
    void *decode_image_ctx;
} onnxcc_env;

typedef struct {
    const char *data;
    size_t length; /* bytes, UTF-8 */
} onnxcc_string;

/* An input, output or state tensor of a model. A dimension >= 0 is fixed; -1-k is the model's run-time dimension number k; INT64_MIN stands for an
 * expression of dimensions, whose value onnxcc_model.shape gives. */
typedef struct {
    const char *name; /* ONNX name */
    int type;         /* TensorProto.DataType */
    int rank;
    const int64_t *shape;
    int64_t max_bytes; /* at the upper bounds of the dimensions; 0 when a dimension has no bound */
} onnxcc_tensor_info;

typedef struct {
    const char *name; /* symbolic name in the model, such as "batch" */
    int64_t lo, hi;   /* inclusive; hi = INT64_MAX: no bound */
    int input, axis;  /* where its value is read from: dimension `axis` of input number `input`; input -1: decided during the run;
                         -2: a size of the state alone, which the caller knows */
} onnxcc_dim_info;

/* Describes a model to a loader; <model>_model() returns it. Pointers into constant data. */
typedef struct {
    int abi; /* ONNXCC_RT_ABI */
    const char *name, *sha256, *target;
    int n_inputs, n_outputs, n_dims, n_steps;
    const onnxcc_tensor_info *inputs, *outputs;
    const onnxcc_dim_info *dims;
    size_t arena_bytes; /* 0 together with n_dims > 0: ask prepare() */
    size_t arena_align, state_bytes, weights_bytes;
    /* Bytes of arena needed for these dimensions (n_dims values), or a negative code. */
    int64_t (*prepare)(const int64_t *dims);
    /* Shape of output i for these dimensions, rank values. Dimensions that the run decides are all INT64_MAX before it, and the shape is what there has to be room
     * for; after it they are what it wrote back, and the shape is that of the output. Of dimension k that only the state has (its `input`
     * is -2), "output" -1-k is one value, the size after a run with these dimensions. 0 or a negative code, also where that is not known. */
    int (*shape)(int output, const int64_t *dims, int64_t *out);
    /* in[i], out[i]: tensors in declaration order; dims: n_dims values, data-dependent ones are written back; state: state_bytes
     * bytes that stay the same memory from run to run, aligned to 64 (NULL when state_bytes is 0). 0 or a negative code. */
    int (*run)(const void *const *in, void *const *out, int64_t *dims, void *arena, size_t arena_bytes, void *state, const onnxcc_env *env);
    size_t weights_file_bytes; /* > 0: the caller hands these bytes of <name>_weights.bin, aligned to 64, to run as env->weights */
    int (*check_weights)(const void *data, size_t size); /* 0 or ONNXCC_E_WEIGHTS; NULL: the weights can't be checked */
    /* Of a model that runs on a device, else NULL: zeroed memory of the device, which arena and state have to be; and the weights into the arena, once
     * before the first run (`weights`: those of a file, NULL: those that are linked in). The tensors that run gets are in the host's memory. */
    void *(*device_alloc)(size_t bytes); /* NULL: there is not so much */
    void (*device_free)(void *p);
    int (*device_upload)(void *arena, const void *weights, const onnxcc_env *env);
    /* Bytes of env->host_arena for these dimensions, or a negative code; NULL: it needs none. */
    int64_t (*prepare_host)(const int64_t *dims);
} onnxcc_model;

#ifdef __cplusplus
}
#endif
#endif
