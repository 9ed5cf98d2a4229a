/* image_decode.c - an encoded picture, through the environment's hook.
 *
 * arguments  y [height][width][channels]      height, width [1] that the picture has      data [N] bytes
 * fixed      FORMAT of the pixels: 0 RGB, 1 BGR, 2 Grayscale      MAX_H, MAX_W room in y: a larger picture gives its size only */
#include "kernel.h"

KERNEL int image_decode(uint8_t *restrict y, int64_t *restrict height, int64_t *restrict width, const uint8_t *restrict data, const onnxcc_env *env HOOK_PARAMS)
{
    onnxcc_image image;
    if (!env || !env->decode_image) return ONNXCC_E_HOOK;
    image.data = data;
    image.bytes = (N);
    image.format = FORMAT;
    image.max_height = MAX_H;
    image.max_width = MAX_W;
    image.pixels = y;
    image.height = 0;
    image.width = 0;
    const int rc = env->decode_image(env->decode_image_ctx, &image);
    *height = image.height;
    *width = image.width;
    return rc;
}
