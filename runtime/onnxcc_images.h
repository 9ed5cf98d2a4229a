/* onnxcc_images.h - a decode_image for onnxcc_env, for those who have none: PNM (P1 to P6) and BMP by itself, JPEG and PNG through libjpeg and libpng where
 * the C file is compiled with ONNXCC_HAVE_JPEG and ONNXCC_HAVE_PNG defined. Optional: generated code does not need it. */
#ifndef ONNXCC_IMAGES_H
#define ONNXCC_IMAGES_H
#include "onnxcc_rt.h"
#ifdef __cplusplus
extern "C" {
#endif

/* An onnxcc_decode_image_fn. What can't be decoded has no pixels, as ImageDecoder wants it. A format that was left out when this was compiled, or is not known
 * here, is ONNXCC_E_IMAGE; then `ctx`, when it is not NULL, is a const char ** that gets the name of the format. */
int onnxcc_decode_image(void *ctx, onnxcc_image *image);

#ifdef __cplusplus
}
#endif
#endif
