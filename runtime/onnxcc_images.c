/* onnxcc_images.c - pictures to pixels; see onnxcc_images.h.
 *
 * Every reader gives rows of RGB bytes, top to bottom; put_row turns one into the format that is wanted. Colours are taken as they are stored: no colour
 * management, transparency is dropped. Gray is (19595 R + 38470 G + 7471 B + 32768) / 65536, as common image libraries have it (ITU-R BT.601). */
#include "onnxcc_images.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef ONNXCC_HAVE_JPEG
#include <jpeglib.h>
#endif
#ifdef ONNXCC_HAVE_PNG
#include <png.h>
#endif

enum { LARGEST = 1 << 16 }; /* rows and columns */

/* Sets the size; whether there is room, so that pixels are wanted. */
static int begin(onnxcc_image *image, int64_t width, int64_t height)
{
    if (width < 1 || height < 1 || width > LARGEST || height > LARGEST) return 0;
    image->width = width;
    image->height = height;
    return width <= image->max_width && height <= image->max_height;
}

static void put_row(onnxcc_image *image, int64_t row, const uint8_t *rgb)
{
    const int64_t n = image->width;
    if (image->format == ONNXCC_IMAGE_GRAYSCALE) {
        uint8_t *to = image->pixels + row * n;
        for (int64_t i = 0; i < n; i++) to[i] = (uint8_t)((rgb[3 * i] * 19595u + rgb[3 * i + 1] * 38470u + rgb[3 * i + 2] * 7471u + 32768u) >> 16);
        return;
    }
    uint8_t *to = image->pixels + 3 * row * n;
    const int64_t first = image->format == ONNXCC_IMAGE_BGR ? 2 : 0;
    for (int64_t i = 0; i < n; i++) {
        to[3 * i] = rgb[3 * i + first];
        to[3 * i + 1] = rgb[3 * i + 1];
        to[3 * i + 2] = rgb[3 * i + 2 - first];
    }
}

/* ---- PNM: Netpbm's P1 to P6 ---- */

typedef struct {
    const uint8_t *p, *end;
} bytes;

static int is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next number of the text, behind blanks and comments; -1: there is none. */
static int64_t pnm_number(bytes *b)
{
    int64_t v = 0;
    while (b->p < b->end && (is_blank(*b->p) || *b->p == '#')) {
        if (*b->p == '#')
            while (b->p < b->end && *b->p != '\n') b->p++;
        else b->p++;
    }
    if (b->p == b->end || *b->p < '0' || *b->p > '9') return -1;
    for (; b->p < b->end && *b->p >= '0' && *b->p <= '9'; b->p++)
        if ((v = v * 10 + (*b->p - '0')) > INT32_MAX) return -1;
    return v;
}

/* One digit of P1, which need not be apart from its neighbours. */
static int64_t pnm_digit(bytes *b)
{
    while (b->p < b->end && is_blank(*b->p)) b->p++;
    return b->p < b->end && (*b->p == '0' || *b->p == '1') ? *b->p++ - '0' : -1;
}

/* A sample as a byte; -1: the file ends, or holds what it may not. */
static int pnm_sample(bytes *b, int kind, int64_t most)
{
    int64_t v;
    if (kind == 1) v = pnm_digit(b);
    else if (kind < 4) v = pnm_number(b);
    else {
        const int64_t wide = most > 255;
        if (b->end - b->p <= wide) return -1;
        v = *b->p++;
        if (wide) v = v * 256 + *b->p++;
    }
    if (v < 0 || v > most) return -1;
    if (kind == 1) return v ? 0 : 255; /* 1 is black */
    return (int)((v * 255 + most / 2) / most);
}

static int pnm_row(bytes *b, int kind, int64_t most, int64_t width, uint8_t *rgb)
{
    for (int64_t i = 0; i < width; i++) {
        int v[3];
        if (kind == 4) { /* eight to a byte, each row from a new one */
            if (b->p == b->end) return 0;
            v[0] = v[1] = v[2] = *b->p >> (7 - i % 8) & 1 ? 0 : 255;
            if (i % 8 == 7 || i + 1 == width) b->p++;
        } else {
            v[0] = v[1] = v[2] = pnm_sample(b, kind, most);
            if (kind % 3 == 0) {
                v[1] = pnm_sample(b, kind, most);
                v[2] = pnm_sample(b, kind, most);
            }
        }
        if (v[0] < 0 || v[1] < 0 || v[2] < 0) return 0;
        for (int k = 0; k < 3; k++) rgb[3 * i + k] = (uint8_t)v[k];
    }
    return 1;
}

/* Readers return whether the picture could be read. */
static int read_pnm(onnxcc_image *image)
{
    bytes b = {image->data + 2, image->data + image->bytes};
    const int kind = image->data[1] - '0';
    const int64_t width = pnm_number(&b), height = pnm_number(&b), most = kind % 3 == 1 ? 1 : pnm_number(&b);
    if (most < 1 || most > 65535) return 0;
    if (kind >= 4) b.p += b.p < b.end; /* one blank in front of the bytes */
    if (!begin(image, width, height)) return image->width > 0;
    uint8_t *rgb = (uint8_t *)malloc((size_t)width * 3);
    int ok = rgb != NULL;
    for (int64_t y = 0; ok && y < height; y++) {
        ok = pnm_row(&b, kind, most, width, rgb);
        if (ok) put_row(image, y, rgb);
    }
    free(rgb);
    return ok;
}

/* ---- BMP: 1, 4, 8, 16, 24 and 32 bits, not compressed ---- */

static uint32_t little(const uint8_t *p, int n)
{
    uint32_t v = 0;
    for (int i = 0; i < n; i++) v |= (uint32_t)p[i] << 8 * i;
    return v;
}

typedef struct {
    int64_t width, height, palette, colours, entry, pixels, row; /* places and bytes in the file */
    int bits, top_down;
    uint32_t mask[3]; /* red, green, blue of 16 and 32 bits */
} bmp_head;

static int bmp_read_head(const onnxcc_image *image, bmp_head *h)
{
    const uint8_t *d = image->data;
    if (image->bytes < 26) return 0;
    const int64_t size = little(d + 14, 4);
    const int old = size == 12;
    uint32_t compression = 0;
    if ((!old && size < 40) || size > image->bytes - 14) return 0;
    h->width = old ? (int64_t)little(d + 18, 2) : (int32_t)little(d + 18, 4);
    h->height = old ? (int64_t)little(d + 20, 2) : (int32_t)little(d + 22, 4);
    h->bits = (int)little(d + (old ? 24 : 28), 2);
    h->colours = 0;
    if (!old) {
        compression = little(d + 30, 4);
        h->colours = little(d + 46, 4);
    }
    h->top_down = h->height < 0;
    if (h->top_down) h->height = -h->height;
    h->entry = old ? 3 : 4;
    h->palette = 14 + size;
    h->pixels = little(d + 10, 4);
    if (h->colours == 0 && h->bits <= 8) h->colours = 1 << h->bits;
    static const uint32_t MASKS[2][3] = {{0x7c00, 0x3e0, 0x1f}, {0xff0000, 0xff00, 0xff}};
    memcpy(h->mask, MASKS[h->bits == 32], sizeof h->mask);
    if ((compression == 3 || compression == 6) && (h->bits == 16 || h->bits == 32)) {
        if (image->bytes < 66) return 0;
        for (int i = 0; i < 3; i++) h->mask[i] = little(d + 54 + 4 * i, 4); /* in the head, or behind the oldest one */
    } else if (compression) return 0;
    if (h->width < 1 || h->height < 1 || h->width > LARGEST || h->height > LARGEST) return 0;
    h->row = (h->width * h->bits + 31) / 32 * 4;
    if (h->bits <= 8 && (h->colours > 256 || h->palette + h->colours * h->entry > image->bytes)) return 0;
    return h->pixels <= image->bytes && h->row * h->height <= image->bytes - h->pixels;
}

static uint8_t bmp_part(uint32_t v, uint32_t mask)
{
    if (!mask) return 0;
    while (!(mask & 1)) {
        mask >>= 1;
        v >>= 1;
    }
    return (uint8_t)(((uint64_t)(v & mask) * 255 + mask / 2) / mask);
}

static int bmp_row(const onnxcc_image *image, const bmp_head *h, const uint8_t *from, uint8_t *rgb)
{
    for (int64_t i = 0; i < h->width; i++, rgb += 3) {
        if (h->bits <= 8) {
            const int64_t per = 8 / h->bits, index = from[i / per] >> (8 - h->bits * (1 + i % per)) & ((1 << h->bits) - 1);
            if (index >= h->colours) return 0;
            const uint8_t *colour = image->data + h->palette + index * h->entry;
            for (int k = 0; k < 3; k++) rgb[k] = colour[2 - k];
        } else if (h->bits == 24) {
            for (int k = 0; k < 3; k++) rgb[k] = from[3 * i + 2 - k];
        } else {
            const uint32_t v = little(from + i * h->bits / 8, h->bits / 8);
            for (int k = 0; k < 3; k++) rgb[k] = bmp_part(v, h->mask[k]);
        }
    }
    return 1;
}

static int read_bmp(onnxcc_image *image)
{
    bmp_head h;
    if (!bmp_read_head(image, &h) || (h.bits != 1 && h.bits != 4 && h.bits != 8 && h.bits != 16 && h.bits != 24 && h.bits != 32)) return 0;
    if (!begin(image, h.width, h.height)) return 1;
    uint8_t *rgb = (uint8_t *)malloc((size_t)h.width * 3);
    int ok = rgb != NULL;
    for (int64_t y = 0; ok && y < h.height; y++) {
        ok = bmp_row(image, &h, image->data + h.pixels + h.row * (h.top_down ? y : h.height - 1 - y), rgb);
        if (ok) put_row(image, y, rgb);
    }
    free(rgb);
    return ok;
}

/* ---- JPEG ---- */

#ifdef ONNXCC_HAVE_JPEG
typedef struct {
    struct jpeg_error_mgr base;
    jmp_buf out;
} jpeg_errors;

static void jpeg_leave(j_common_ptr c)
{
    longjmp(((jpeg_errors *)(void *)c->err)->out, 1);
}

static void jpeg_silent(j_common_ptr c)
{
    (void)c;
}

static int jpeg_run(struct jpeg_decompress_struct *c, jpeg_errors *errors, onnxcc_image *image)
{
    if (setjmp(errors->out)) return 0;
    jpeg_create_decompress(c);
    jpeg_mem_src(c, (unsigned char *)(uintptr_t)image->data, (unsigned long)image->bytes);
    jpeg_read_header(c, TRUE);
    if (c->jpeg_color_space == JCS_CMYK || c->jpeg_color_space == JCS_YCCK) return 0; /* writers disagree on what the numbers mean */
    c->out_color_space = JCS_RGB;
    if (!begin(image, c->image_width, c->image_height)) return image->width > 0;
    jpeg_start_decompress(c);
    JSAMPARRAY row = c->mem->alloc_sarray((j_common_ptr)(void *)c, JPOOL_IMAGE, c->output_width * 3, 1);
    while (c->output_scanline < c->output_height) {
        const int64_t y = c->output_scanline;
        jpeg_read_scanlines(c, row, 1);
        put_row(image, y, row[0]);
    }
    jpeg_finish_decompress(c);
    return errors->base.num_warnings == 0; /* else the file ended early, or is damaged */
}

static int read_jpeg(onnxcc_image *image)
{
    struct jpeg_decompress_struct c;
    jpeg_errors errors;
    memset(&c, 0, sizeof c);
    c.err = jpeg_std_error(&errors.base);
    errors.base.error_exit = jpeg_leave;
    errors.base.output_message = jpeg_silent;
    const int ok = jpeg_run(&c, &errors, image);
    jpeg_destroy_decompress(&c);
    return ok;
}
#endif

/* ---- PNG ---- */

#ifdef ONNXCC_HAVE_PNG
static void png_take(png_structp png, png_bytep to, png_size_t n)
{
    bytes *b = (bytes *)png_get_io_ptr(png);
    if ((png_size_t)(b->end - b->p) < n) png_error(png, "the file ends early");
    memcpy(to, b->p, n);
    b->p += n;
}

static void png_leave(png_structp png, png_const_charp text)
{
    (void)text;
    png_longjmp(png, 1);
}

static void png_silent(png_structp png, png_const_charp text)
{
    (void)png, (void)text;
}

typedef struct {
    png_structp png;
    png_infop info;
    bytes b;
    png_bytepp rows;
    uint8_t *rgb; /* all rows: those of an interlaced picture come in several turns */
} png_reader;

/* 8 bits of red, green and blue, whatever the file has. */
static void png_as_rgb(png_reader *r)
{
    png_set_expand(r->png);
    png_set_scale_16(r->png);
    png_set_gray_to_rgb(r->png);
    png_set_strip_alpha(r->png);
    png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
}

static void png_read_pixels(png_reader *r, onnxcc_image *image)
{
    png_as_rgb(r);
    const size_t row = png_get_rowbytes(r->png, r->info);
    r->rgb = (uint8_t *)malloc(row * (size_t)image->height);
    r->rows = (png_bytepp)malloc((size_t)image->height * sizeof *r->rows);
    if (!r->rgb || !r->rows) png_error(r->png, "out of memory");
    for (int64_t y = 0; y < image->height; y++) r->rows[y] = r->rgb + row * (size_t)y;
    png_read_image(r->png, r->rows);
    png_read_end(r->png, NULL);
    for (int64_t y = 0; y < image->height; y++) put_row(image, y, r->rgb + row * (size_t)y);
}

static int png_run(png_reader *r, onnxcc_image *image)
{
    if (setjmp(png_jmpbuf(r->png))) return 0;
    png_set_read_fn(r->png, &r->b, png_take);
    png_read_info(r->png, r->info);
    if (begin(image, png_get_image_width(r->png, r->info), png_get_image_height(r->png, r->info))) png_read_pixels(r, image);
    return image->width > 0;
}

static int read_png(onnxcc_image *image)
{
    png_reader r;
    memset(&r, 0, sizeof r);
    r.b.p = image->data;
    r.b.end = image->data + image->bytes;
    r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, png_leave, png_silent);
    r.info = r.png ? png_create_info_struct(r.png) : NULL;
    const int ok = r.info && png_run(&r, image);
    free(r.rgb);
    free(r.rows);
    png_destroy_read_struct(&r.png, &r.info, NULL);
    return ok;
}
#endif

/* ---- which is it ---- */

typedef struct {
    const char *name, *begins; /* `length` bytes at `at` */
    int64_t at, length;
    int (*read)(onnxcc_image *image); /* NULL: not here */
} format;

static const format FORMATS[] = {
#ifdef ONNXCC_HAVE_JPEG
    {"JPEG", "\xff\xd8\xff", 0, 3, read_jpeg},
#else
    {"JPEG", "\xff\xd8\xff", 0, 3, NULL},
#endif
#ifdef ONNXCC_HAVE_PNG
    {"PNG", "\x89PNG\r\n\x1a\n", 0, 8, read_png},
#else
    {"PNG", "\x89PNG\r\n\x1a\n", 0, 8, NULL},
#endif
    {"BMP", "BM", 0, 2, read_bmp},
    {"PNM", "P1", 0, 2, read_pnm}, {"PNM", "P2", 0, 2, read_pnm}, {"PNM", "P3", 0, 2, read_pnm},
    {"PNM", "P4", 0, 2, read_pnm}, {"PNM", "P5", 0, 2, read_pnm}, {"PNM", "P6", 0, 2, read_pnm},
    {"WebP", "WEBP", 8, 4, NULL}, {"TIFF", "II*\0", 0, 4, NULL}, {"TIFF", "MM\0*", 0, 4, NULL},
    {"JPEG 2000", "\0\0\0\x0cjP  ", 0, 8, NULL}, {"JPEG 2000", "\xff\x4f\xff\x51", 0, 4, NULL},
};

int onnxcc_decode_image(void *ctx, onnxcc_image *image)
{
    const char **name = (const char **)ctx;
    image->width = image->height = 0;
    for (size_t i = 0; i < sizeof FORMATS / sizeof *FORMATS; i++) {
        const format *f = &FORMATS[i];
        if (image->bytes < f->at + f->length || memcmp(image->data + f->at, f->begins, (size_t)f->length)) continue;
        if (!f->read) {
            if (name) *name = f->name;
            return ONNXCC_E_IMAGE;
        }
        if (!f->read(image)) image->width = image->height = 0;
        return ONNXCC_OK;
    }
    return ONNXCC_OK;
}
