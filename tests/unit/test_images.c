/* runtime/onnxcc_images.c: formats that it reads by itself, and PNG where libpng was there when it was built; JPEG is in the backend's cases. */
#include "onnxcc_images.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROOM = 4096 };

static uint8_t pixels[ROOM];

static int decode(const void *data, size_t n, int format, onnxcc_image *image)
{
    uint8_t *exact = malloc(n ? n : 1); /* so that a sanitizer sees a read beyond it */
    memcpy(exact, data, n);
    *image = (onnxcc_image){.data = exact, .bytes = (int64_t)n, .format = format, .max_height = 16, .max_width = 16, .pixels = pixels};
    memset(pixels, 0x77, sizeof pixels);
    const int rc = onnxcc_decode_image(NULL, image);
    free(exact);
    return rc;
}

/* The picture has this size and these pixels; no shorter file gives it, and none is read beyond its end. */
static void gives(const void *data, size_t n, int format, int64_t width, int64_t height, const uint8_t *expected)
{
    onnxcc_image image;
    const size_t bytes = (size_t)(width * height) * (format == ONNXCC_IMAGE_GRAYSCALE ? 1 : 3);
    assert_int_equal(decode(data, n, format, &image), ONNXCC_OK);
    assert_int_equal(image.width, width);
    assert_int_equal(image.height, height);
    assert_memory_equal(pixels, expected, bytes);
    assert_int_equal(pixels[bytes], 0x77);
    for (size_t k = 0; k < n; k++) (void)decode(data, k, format, &image);
}

#define TEXT(s) (s), sizeof(s) - 1

static void texts_and_bytes_of_netpbm(void **state)
{
    (void)state;
    static const uint8_t bits[] = {255, 255, 255, 0, 0, 0, 0, 0, 0, 255, 255, 255}, grays[] = {0, 0, 0, 128, 128, 128, 255, 255, 255};
    static const uint8_t colours[] = {1, 2, 3, 250, 251, 252};
    gives(TEXT("P1\n# c\n2 2\n0 1\n10"), ONNXCC_IMAGE_RGB, 2, 2, bits);
    gives(TEXT("P4 2 2\n\x40\x80"), ONNXCC_IMAGE_RGB, 2, 2, bits);
    gives(TEXT("P2 3 1 100\n0 50 100\n"), ONNXCC_IMAGE_RGB, 3, 1, grays);
    gives(TEXT("P5 3 1 255\n\0\x80\xff"), ONNXCC_IMAGE_BGR, 3, 1, grays);
    gives(TEXT("P5 3 1 65535\n\0\0\x80\x80\xff\xff"), ONNXCC_IMAGE_RGB, 3, 1, grays);
    gives(TEXT("P3 2 1 255 1 2 3 250 251 252"), ONNXCC_IMAGE_RGB, 2, 1, colours);
    gives(TEXT("P6 2 1 255\n\1\2\3\xfa\xfb\xfc"), ONNXCC_IMAGE_RGB, 2, 1, colours);
    static const uint8_t turned[] = {3, 2, 1, 252, 251, 250}, gray[] = {2, 251};
    gives(TEXT("P6 2 1 255\n\1\2\3\xfa\xfb\xfc"), ONNXCC_IMAGE_BGR, 2, 1, turned);
    gives(TEXT("P6 2 1 255\n\1\2\3\xfa\xfb\xfc"), ONNXCC_IMAGE_GRAYSCALE, 2, 1, gray);
}

static void nothing_but_a_size_without_room(void **state)
{
    (void)state;
    onnxcc_image image;
    assert_int_equal(decode(TEXT("P6 1000 2 255\n"), ONNXCC_IMAGE_RGB, &image), ONNXCC_OK);
    assert_int_equal(image.width, 1000);
    assert_int_equal(image.height, 2);
    assert_int_equal(pixels[0], 0x77);
}

static void what_is_damaged_has_no_pixels(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        size_t n;
    } bad[] = {{TEXT("")}, {TEXT("hello")}, {TEXT("P6 2 1 255\n\1\2\3\xfa\xfb")}, {TEXT("P3 2 1 255 1 2 3 4 5 256")}, {TEXT("P6 0 1 255\n")}, {TEXT("P6 99999999999 1 255\n")},
               {TEXT("P5 1 1 0\n\0")}, {TEXT("P5 1 1 65536\n\0\0")}, {TEXT("P1 2 1 02")}, {TEXT("BM")}, {TEXT("\xff\xd8\xff")}};
    onnxcc_image image;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const int rc = decode(bad[i].data, bad[i].n, ONNXCC_IMAGE_RGB, &image);
        assert_true(rc == ONNXCC_OK || rc == ONNXCC_E_IMAGE);
        assert_int_equal(image.width, 0);
        assert_int_equal(image.height, 0);
    }
}

/* A file of Windows: the head, a palette or masks, rows from the bottom, each a multiple of four bytes. */
static size_t bmp(uint8_t *to, int bits, int width, int height, int compression, const uint8_t *behind, size_t n_behind, const uint8_t *rows, size_t n_rows)
{
    const size_t at = 54 + n_behind;
    memset(to, 0, at);
    memcpy(to, "BM", 2);
    to[10] = (uint8_t)at;
    to[14] = 40;
    for (int k = 0; k < 4; k++) {
        to[18 + k] = (uint8_t)((uint32_t)width >> 8 * k);
        to[22 + k] = (uint8_t)((uint32_t)height >> 8 * k);
    }
    to[26] = 1;
    to[28] = (uint8_t)bits;
    to[30] = (uint8_t)compression;
    to[46] = bits <= 8 ? (uint8_t)(n_behind / 4) : 0;
    memcpy(to + 54, behind, n_behind);
    memcpy(to + at, rows, n_rows);
    return at + n_rows;
}

static void bitmaps_of_windows(void **state)
{
    (void)state;
    uint8_t file[256];
    static const uint8_t rows24[] = {6, 5, 4, 9, 8, 7, 0, 0, 3, 2, 1, 12, 11, 10, 0, 0}, wanted[] = {1, 2, 3, 10, 11, 12, 4, 5, 6, 7, 8, 9};
    static const uint8_t turned[] = {4, 5, 6, 7, 8, 9, 1, 2, 3, 10, 11, 12};
    size_t n = bmp(file, 24, 2, 2, 0, NULL, 0, rows24, sizeof rows24);
    gives(file, n, ONNXCC_IMAGE_RGB, 2, 2, wanted);
    n = bmp(file, 24, 2, -2, 0, NULL, 0, rows24, sizeof rows24);
    gives(file, n, ONNXCC_IMAGE_RGB, 2, 2, turned);
    static const uint8_t palette[] = {0, 0, 255, 0, 30, 20, 10, 0, 255, 0, 0, 0}, index4[] = {0x01, 0x20, 0, 0}, index1[] = {0x40, 0, 0, 0};
    static const uint8_t three[] = {255, 0, 0, 10, 20, 30, 0, 0, 255};
    n = bmp(file, 4, 3, 1, 0, palette, sizeof palette, index4, sizeof index4);
    gives(file, n, ONNXCC_IMAGE_RGB, 3, 1, three);
    n = bmp(file, 1, 2, 1, 0, palette, 8, index1, sizeof index1);
    gives(file, n, ONNXCC_IMAGE_RGB, 2, 1, three);
    static const uint8_t masks[] = {0, 0xf8, 0, 0, 0xe0, 7, 0, 0, 0x1f, 0, 0, 0}, red565[] = {0, 0xf8, 0xff, 0xff}, red_white[] = {255, 0, 0, 255, 255, 255};
    n = bmp(file, 16, 2, 1, 3, masks, sizeof masks, red565, sizeof red565);
    gives(file, n, ONNXCC_IMAGE_RGB, 2, 1, red_white);
    static const uint8_t rows32[] = {0, 0, 255, 0, 255, 255, 255, 9};
    n = bmp(file, 32, 2, 1, 0, NULL, 0, rows32, sizeof rows32);
    gives(file, n, ONNXCC_IMAGE_RGB, 2, 1, red_white);
    static const uint8_t beyond[] = {0x05, 0, 0, 0};
    onnxcc_image image;
    n = bmp(file, 4, 2, 1, 0, palette, sizeof palette, beyond, sizeof beyond);
    assert_int_equal(decode(file, n, ONNXCC_IMAGE_RGB, &image), ONNXCC_OK);
    assert_int_equal(image.width, 0);
}

static const uint8_t PNG_RGBA[] = {137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 2, 0, 0, 0, 1, 8, 6, 0, 0, 0, 244, 34, 127, 138,
    0, 0, 0, 17, 73, 68, 65, 84, 120, 156, 99, 248, 207, 192, 208, 192, 37, 34, 199, 0, 0, 11, 33, 1, 188, 181, 240, 11, 230, 0, 0, 0, 0, 73, 69, 78, 68,
    174, 66, 96, 130};
static const uint8_t PNG_PALETTE[] = {137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 3, 0, 0, 0, 1, 2, 3, 0, 0, 0, 102, 142, 252,
    39, 0, 0, 0, 9, 80, 76, 84, 69, 255, 0, 0, 10, 20, 30, 0, 0, 255, 99, 19, 56, 142, 0, 0, 0, 10, 73, 68, 65, 84, 120, 156, 99, 144, 0, 0, 0, 26, 0, 25,
    45, 136, 244, 54, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130};
static const uint8_t PNG_GRAY16[] = {137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 2, 0, 0, 0, 1, 16, 0, 0, 0, 0, 129, 217, 252,
    21, 0, 0, 0, 13, 73, 68, 65, 84, 120, 156, 99, 248, 255, 191, 129, 1, 0, 7, 254, 2, 127, 114, 221, 128, 53, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96,
    130};

static void png_of_other_kinds_than_rgb(void **state)
{
    (void)state;
    onnxcc_image image;
    if (decode(PNG_RGBA, sizeof PNG_RGBA, ONNXCC_IMAGE_RGB, &image) == ONNXCC_E_IMAGE) skip();
    static const uint8_t rgba[] = {255, 0, 0, 10, 20, 30}, palette[] = {255, 0, 0, 10, 20, 30, 0, 0, 255}, gray[] = {255, 255, 255, 128, 128, 128};
    gives(PNG_RGBA, sizeof PNG_RGBA, ONNXCC_IMAGE_RGB, 2, 1, rgba);
    gives(PNG_PALETTE, sizeof PNG_PALETTE, ONNXCC_IMAGE_RGB, 3, 1, palette);
    gives(PNG_GRAY16, sizeof PNG_GRAY16, ONNXCC_IMAGE_RGB, 2, 1, gray);
    static const uint8_t one[] = {76, 18};
    gives(PNG_RGBA, sizeof PNG_RGBA, ONNXCC_IMAGE_GRAYSCALE, 2, 1, one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_and_bytes_of_netpbm), cmocka_unit_test(nothing_but_a_size_without_room), cmocka_unit_test(what_is_damaged_has_no_pixels),
        cmocka_unit_test(bitmaps_of_windows), cmocka_unit_test(png_of_other_kinds_than_rgb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
