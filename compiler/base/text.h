/* text.h - growing text, interned names, whole files. */
#ifndef ONNXCC_BASE_TEXT_H
#define ONNXCC_BASE_TEXT_H
#include "base/arena.h"

/* A growing string; p is always terminated (once something was added), n does not count the terminator. */
typedef struct {
    arena *mem;
    char *p;
    size_t n, cap;
} text;

void text_add(text *t, const char *s);
void text_addn(text *t, const char *s, size_t n);
void text_addf(text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Interned strings: equal text gives the same pointer, so names compare by ==. */
typedef struct names names;
names *names_new(arena *a);
const char *intern(names *t, const char *s);
const char *intern_n(names *t, const char *s, size_t n);

/* A whole file mapped read-only, or read when it can't be mapped. data is not NULL, size may be 0. Devices and FIFOs are refused; pipes that the
 * caller's shell opened (/dev/stdin, /dev/fd/N) are read up to 2 GiB. */
typedef struct {
    const unsigned char *data;
    size_t size;
    void *piece; /* of the heap, which goes with it */
} file_view;
bool file_map(const char *path, file_view *out, const char **why); /* false: *why is a short reason */
void file_unmap(file_view *f);

/* A part of a file; between parts, and in front of the first, are zeros. */
typedef struct {
    uint64_t at;
    const void *data;
    size_t size; /* bytes */
} file_piece;

typedef struct {
    const char *path;
    const void *data;
    size_t size; /* bytes */
    const file_piece *pieces; /* instead of data, in rising order, the last one up to the end: files that need not fit into memory */
    size_t n_pieces;
} file_content;

bool file_is_new(const char *path);           /* nothing of that name is there */
bool file_has_content(const file_content *f); /* is that what is there? */

/* Writes all of the files or none: each is whole on the disk beside its place before the first takes it. Files that have the content already are
 * left alone; what is there and is not a regular file is refused, unread. False: *failed is the file (of the list) and *why a short reason; what was
 * there before still is. */
bool files_write(const file_content *list, size_t n, const char **failed, const char **why);

/* A number with at most that many significant digits (of 1e-15 at the least) and never an exponent: 0.00008. */
typedef struct {
    char s[340];
} decimal;
decimal decimal_of(double v, int digits);

/* Could a file be written there now, as far as can be told without writing? False: *why is a short reason. */
bool file_can_write(const char *path, const char **why);

/* Writes a file whole or not at all (temporary beside it, fsync, rename); leaves it alone when the content is the same already. */
bool file_write(const char *path, const void *data, size_t size, const char **why);

/* Bytes of the character at s if it is one that is not seen but changes how text around it is shown: control characters, those for the direction of
 * writing, and separators of lines. 0: it is none. s is UTF-8, ended by 0. */
size_t text_unseen(const char *s);
#endif
