/* main.c - reads an image file, lets the model decode it, and says its size and mean colour:   look FILE
 *
 * The model's ImageDecoder calls decode_image of the environment. Here that is onnxcc_decode_image (runtime/onnxcc_images.c), which CMakeLists.txt builds
 * with libjpeg and libpng where they are; any function of that type will do, around a decoder in hardware, for example. */
#include <stdio.h>
#include <stdlib.h>

#include "look.h"
#include "onnxcc_images.h"

static uint8_t *read_file(const char *path, int64_t *bytes)
{
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END)) return NULL;
    const long n = ftell(f);
    uint8_t *data = n > 0 ? malloc((size_t)n) : NULL;
    rewind(f);
    *bytes = data ? (int64_t)fread(data, 1, (size_t)n, f) : 0;
    fclose(f);
    return data;
}

enum { MOST = 1024 }; /* rows and columns, as --dim in CMakeLists.txt allows */

static _Alignas(LOOK_ARENA_ALIGN) char arena[LOOK_ARENA_BYTES];

static int look(const char *path)
{
    const char *format = NULL; /* that the hook did not know */
    const onnxcc_env env = {.decode_image = onnxcc_decode_image, .decode_image_ctx = &format};
    look_inputs in = {.bytes = 0};
    uint8_t *file = read_file(path, &in.bytes), *pixels = malloc((size_t)MOST * MOST * 3);
    float mean[3];
    look_outputs out = {.pixels = pixels, .mean = mean};
    int code = 1;
    in.file = file;
    if (!file || !pixels) fprintf(stderr, "%s can't be read\n", path);
    else if ((code = look_run(&in, &out, arena, &env)) == ONNXCC_E_IMAGE) fprintf(stderr, "%s: this program was built without %s\n", path, format);
    else if (code == ONNXCC_E_CAPACITY) fprintf(stderr, "%s: the image is too large\n", path);
    else if (code) fprintf(stderr, "%s: the run ended with code %d\n", path, code);
    else if (!out.height_pixels || !out.width_pixels) fprintf(stderr, "%s: no image, or a damaged one\n", path);
    else
        printf("%s: %lld x %lld, mean colour %.1f %.1f %.1f\n", path, (long long)out.width_pixels, (long long)out.height_pixels, (double)mean[0], (double)mean[1],
               (double)mean[2]);
    free(pixels);
    free(file);
    return code;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "look FILE: an image\n");
        return 2;
    }
    return look(argv[1]) != 0;
}
