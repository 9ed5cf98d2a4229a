/* npz.c - the zip archives that np.savez and np.savez_compressed write (PKWARE APPNOTE 6.3: the central directory, stored and deflated members,
 * 64-bit sizes when reading). */
#include <string.h>

#include "driver/inflate.h"
#include "driver/npy.h"

enum { END_BYTES = 22, CENTRAL_BYTES = 46, LOCAL_BYTES = 30, DATE_1980 = 0x21 };

static uint32_t get16(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t get32(const unsigned char *p)
{
    return get16(p) | get16(p + 2) << 16;
}

static uint64_t get64(const unsigned char *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

typedef struct {
    uint32_t method, crc;
    uint64_t packed, size, offset;
    const char *name;
} member;

/* Reads the 64-bit sizes of a central directory entry's extra field where the 32-bit ones are all ones. */
static void read_zip64(const unsigned char *extra, size_t n, member *m)
{
    for (size_t at = 0; at + 4 <= n;) {
        const size_t length = get16(extra + at + 2);
        if (length > n - at - 4) return;
        if (get16(extra + at) == 1) {
            const unsigned char *p = extra + at + 4, *end = p + length;
            uint64_t *const field[3] = {&m->size, &m->packed, &m->offset};
            for (int i = 0; i < 3; i++)
                if (*field[i] == 0xffffffffu && end - p >= 8) {
                    *field[i] = get64(p);
                    p += 8;
                }
            return;
        }
        at += 4 + length;
    }
}

/* Where the central directory starts and how many entries it has. */
static bool find_directory(const unsigned char *z, size_t size, uint64_t *start, uint64_t *count)
{
    for (size_t back = END_BYTES; back <= size && back <= END_BYTES + 65535; back++) {
        const unsigned char *p = z + size - back;
        if (memcmp(p, "PK\5\6", 4)) continue;
        *count = get16(p + 10);
        *start = get32(p + 16);
        if (*start == 0xffffffffu || *count == 0xffff) {
            if (size - back < 20 || memcmp(p - 20, "PK\6\7", 4)) return false;
            const uint64_t at = get64(p - 12);
            if (at > size || size - at < 56 || memcmp(z + at, "PK\6\6", 4)) return false;
            *count = get64(z + at + 32);
            *start = get64(z + at + 48);
        }
        return true;
    }
    return false;
}

static char *member_name(arena *a, const char *raw, size_t n)
{
    char *s = arena_strndup(a, raw, n);
    n = strlen(s);
    if (n >= 4 && !strcmp(s + n - 4, ".npy")) s[n - 4] = 0;
    for (char *p = s; *p; p++)
        if (*p == '\\') *p = '/';
    return s;
}

/* The member's content, unpacked; NULL with a reason. Points into z when it is stored. */
static const unsigned char *member_data(arena *a, const unsigned char *z, size_t size, const member *m, const char **why)
{
    *why = "damaged .npz file";
    if (m->offset > size || size - m->offset < LOCAL_BYTES || memcmp(z + m->offset, "PK\3\4", 4)) return NULL;
    const unsigned char *local = z + m->offset;
    const uint64_t skip = LOCAL_BYTES + (uint64_t)get16(local + 26) + get16(local + 28), left = size - m->offset;
    if (skip > left || m->packed > left - skip) return NULL;
    const unsigned char *data = local + skip;
    if (m->method == 8) {
        /* DEFLATE packs at most 1032 to 1: a member that claims more is refused before memory is taken for it */
        if (m->size > m->packed * 1032 + 1024) return NULL;
        unsigned char *whole = arena_alloc(a, m->size + 1);
        if (!inflate_raw(data, m->packed, whole, m->size)) return NULL;
        data = whole;
    } else if (m->method) {
        *why = "a member of the .npz is packed by a method other than deflate";
        return NULL;
    } else if (m->size != m->packed) return NULL;
    if (crc32_of(data, m->size) != m->crc) {
        *why = "a member of the .npz has a wrong checksum";
        return NULL;
    }
    return data;
}

bool npz_parse(tensor_set *into, const unsigned char *z, size_t size, const char **why)
{
    uint64_t at, count;
    if (!find_directory(z, size, &at, &count)) {
        *why = "not an .npz (zip) file";
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (at > size || size - at < CENTRAL_BYTES || memcmp(z + at, "PK\1\2", 4)) {
            *why = "damaged .npz file";
            return false;
        }
        const unsigned char *p = z + at;
        const size_t n_name = get16(p + 28), n_extra = get16(p + 30), n_comment = get16(p + 32);
        if (size - at - CENTRAL_BYTES < n_name + n_extra + n_comment) {
            *why = "damaged .npz file";
            return false;
        }
        member m = {get16(p + 10), get32(p + 16), get32(p + 20), get32(p + 24), get32(p + 42), NULL};
        read_zip64(p + CENTRAL_BYTES + n_name, n_extra, &m);
        m.name = member_name(into->mem, (const char *)p + CENTRAL_BYTES, n_name);
        const unsigned char *data = member_data(into->mem, z, size, &m, why);
        tensor *t = data ? npy_parse(into->mem, data, m.size, why) : NULL;
        if (!t) return false;
        t->name = m.name;
        VEC_PUSH(into->mem, into->list, t);
        at += CENTRAL_BYTES + n_name + n_extra + n_comment;
    }
    return true;
}

/* ---- writing ---- */

static void put16(text *to, uint32_t v)
{
    const char b[2] = {(char)v, (char)(v >> 8)};
    text_addn(to, b, 2);
}

static void put32(text *to, uint32_t v)
{
    put16(to, v & 0xffff);
    put16(to, v >> 16);
}

/* The fields that local and central headers share, from "version needed" to the length of the extra field. */
static void put_common(text *to, uint32_t crc, uint32_t size, uint32_t n_name)
{
    put16(to, 20);
    put16(to, 0x800); /* names are UTF-8 */
    put16(to, 0);     /* stored */
    put16(to, 0);
    put16(to, DATE_1980); /* always the same date: equal tensors give equal files */
    put32(to, crc);
    put32(to, size);
    put32(to, size);
    put16(to, n_name);
    put16(to, 0);
}

bool npz_print(const tensor_set *s, text *to, const char **why)
{
    text directory = {.mem = to->mem};
    const size_t base = to->n;
    for (uint32_t i = 0; i < s->list.n; i++) {
        text npy = {.mem = to->mem};
        npy_print(s->list.p[i], &npy);
        char *name = arena_printf(to->mem, "%s.npy", s->list.p[i]->name);
        for (char *p = name; *p; p++)
            if (*p == '/') *p = '\\';
        const size_t offset = to->n - base;
        if (npy.n >= 0xffffffffu || offset >= 0xffffffffu || strlen(name) > 65535) {
            *why = "tensors of 4 GiB and more can't be written to an .npz; give a name ending in .npy";
            return false;
        }
        const uint32_t crc = crc32_of(npy.p, npy.n), n_name = (uint32_t)strlen(name);
        text_addn(to, "PK\3\4", 4);
        put_common(to, crc, (uint32_t)npy.n, n_name);
        text_add(to, name);
        text_addn(to, npy.p, npy.n);
        text_addn(&directory, "PK\1\2", 4);
        put16(&directory, 20);
        put_common(&directory, crc, (uint32_t)npy.n, n_name);
        put16(&directory, 0); /* no comment, disk 0, no attributes */
        put16(&directory, 0);
        put16(&directory, 0);
        put32(&directory, 0);
        put32(&directory, (uint32_t)offset);
        text_add(&directory, name);
    }
    const size_t start = to->n - base;
    if (directory.n) text_addn(to, directory.p, directory.n);
    text_addn(to, "PK\5\6", 4);
    put32(to, 0);
    put16(to, s->list.n);
    put16(to, s->list.n);
    put32(to, (uint32_t)directory.n);
    put32(to, (uint32_t)start);
    put16(to, 0);
    return true;
}
