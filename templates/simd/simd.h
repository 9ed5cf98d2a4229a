/* simd.h - the one place that knows the vector unit. Everything printed or written for vectors stands on these names.
 *
 * Define VL before including: float lanes of a hardware register, 16 (AVX-512), 8 (AVX2), 4 (SSE, NEON, and any compiler with GNU vectors) or
 * 1 (no vectors: vf is float, plain C99). vf holds floats, vi int32; a mask is a vi of 0 and -1. Loads and stores need no alignment.
 * SIMD_NO_FMA defined: fma is a * b + c with two roundings, for the same bits on every target.
 * sf_... and si_... are the same operations on one element with the same bits. With other instruction sets than those above everything works, by
 * the compiler's vector extension or lane by lane. */
#ifndef ONNXCC_SIMD_H
#define ONNXCC_SIMD_H
#include "mathf.h"
#ifndef VL
#error "define VL: 16, 8, 4 or 1"
#endif
#if VL == 1 /* one lane: the vector names for kernels, which are written with them */
typedef float vf;
typedef int32_t vi;
SIMD_FN vf vf_ld(const float *p) { return *p; }
SIMD_FN void vf_st(float *p, vf v) { *p = v; }
SIMD_FN vi vi_ld(const int32_t *p) { return *p; }
SIMD_FN void vi_st(int32_t *p, vi v) { *p = v; }
SIMD_FN vi vi_ld_u8(const uint8_t *p) { return *p; }
SIMD_FN void vi_st_s8(int8_t *p, vi v) { *p = (int8_t)v; }
SIMD_FN vf vf_lds(const float *p, int64_t s) { (void)s; return *p; }
SIMD_FN void vf_sts(float *p, int64_t s, vf v) { (void)s; *p = v; }
#define SIMD_FORGET(p) ((void)(p))
#define SIMD_FENCE() ((void)0)
#define vi_sel(m, a, b) ((m) ? (a) : (b))
#define SIMD_PICKS 0
SIMD_FN vf vf_pick(vf table, vi i) { (void)i; return table; }
SIMD_FN vi vi_pick(vi table, vi i) { (void)i; return table; }
SIMD_FN vi vi_iota(int32_t first, int32_t step) { (void)step; return first; }
SIMD_FN vf vf_gather(const float *p, vi i) { return p[i]; }
SIMD_FN vi vi_gather(const int32_t *p, vi i) { return p[i]; }
#define vf_set sf_set
#define vi_set si_set
#define vf_fma sf_fma
#define vf_max sf_max
#define vf_min sf_min
#define vf_fmax sf_fmax
#define vf_fmin sf_fmin
#define vf_abs sf_abs
#define vf_sqrt sf_sqrt
#define vf_rint sf_rint
#define vf_floor sf_floor
#define vf_ceil sf_ceil
#define vf_sel sf_sel
#define vf_to_i sf_to_i
#define vf_to_i_in sf_to_i_in
#define vf_scale sf_scale
#define vi_to_f si_to_f
#define vf_exp sf_exp
#define vf_expn sf_expn
#define vf_exp_rest sf_exp_rest
#define vf_bits sf_bits
#define vi_pow2 si_pow2
#define vf_hmax(v) (v)
#define vf_hsum(v) (v)
#define vf_log sf_log
#define vf_erf sf_erf
#define vf_tanh sf_tanh
#define vf_sigmoid sf_sigmoid
#define vf_relu sf_relu
#define vf_pow sf_pow
#define vi_add si_add
#define vi_sub si_sub
#define vi_mul si_mul
#define vi_max si_max
#define vi_min si_min
typedef struct { int32_t b0, b1, b2, b3; } vb;
SIMD_FN int vi_some(vi m) { return m != 0; }
SIMD_FN vb vb_set_u8(const uint8_t *p) { const vb r = {p[0], p[1], p[2], p[3]}; return r; }
SIMD_FN vb vb_ld_s8(const int8_t *p) { const vb r = {p[0], p[1], p[2], p[3]}; return r; }
SIMD_FN vb vb_set_s8(const int8_t *p) { return vb_ld_s8(p); }
SIMD_FN vb vb_ld_u8(const uint8_t *p) { return vb_set_u8(p); }
SIMD_FN vb vb_field(vb a, int at, int bits)
{
    const int32_t m = (1 << bits) - 1;
    const vb r = {a.b0 >> at & m, a.b1 >> at & m, a.b2 >> at & m, a.b3 >> at & m};
    return r;
}
SIMD_FN vi vb_from(vb a, int at) { return (at < 8 ? a.b0 : at < 16 ? a.b1 : at < 24 ? a.b2 : a.b3) >> at % 8; }
SIMD_FN vi vb_number(vb a, int at, int bits) { return vb_from(a, at) & ((1 << bits) - 1); }
SIMD_FN vb vb_rows_u8(const uint8_t *p, int64_t s) { const vb r = {p[0], p[s], p[2 * s], p[3 * s]}; return r; }
SIMD_FN vb vb_flip(vb a) { const vb r = {a.b0 ^ 128, a.b1 ^ 128, a.b2 ^ 128, a.b3 ^ 128}; return r; }
SIMD_FN void vb_st_s8(int8_t *p, vb a) { p[0] = (int8_t)a.b0; p[1] = (int8_t)a.b1; p[2] = (int8_t)a.b2; p[3] = (int8_t)a.b3; }
SIMD_FN vi vi_dot4(vi acc, vb a, vb b) { return si_add(acc, a.b0 * b.b0 + a.b1 * b.b1 + a.b2 * b.b2 + a.b3 * b.b3); }
SIMD_FN vb vb_turn(const uint8_t *p) { return vb_set_u8(p); }
SIMD_FN vf vf_ld_bf16(const uint16_t *p) { return bf16_to_f(*p); }
typedef struct { uint16_t even, odd; } vh;
SIMD_FN vh vh_set(const uint16_t *p) { const vh r = {p[0], p[1]}; return r; }
SIMD_FN vh vh_ld(const uint16_t *p) { return vh_set(p); }
SIMD_FN vf vf_dot2(vf acc, vh a, vh b) { return sf_fma(bf16_to_f(a.even), bf16_to_f(b.even), sf_fma(bf16_to_f(a.odd), bf16_to_f(b.odd), acc)); }
typedef vf vk;
SIMD_FN vk vk_dot2(vk acc, vh a, vh b) { return sf_fma(f16_to_f(a.even), f16_to_f(b.even), sf_fma(f16_to_f(a.odd), f16_to_f(b.odd), acc)); }
SIMD_FN vf vk_total(vk acc) { return acc; }
SIMD_FN vf vf_ld_f16(const uint16_t *p) { return f16_to_f(*p); }
SIMD_FN void vb_lookup(uint8_t *y, const uint8_t *x, int64_t n, const uint8_t *table, int flip)
{
    for (int64_t i = 0; i < n; ++i) y[i] = table[x[i] ^ flip];
}
#else
#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

typedef float vf __attribute__((vector_size(4 * VL)));
typedef int32_t vi __attribute__((vector_size(4 * VL)));
typedef uint32_t vu __attribute__((vector_size(4 * VL)));
typedef double vd __attribute__((vector_size(8 * VL)));
/* The same at any address. */
typedef float vf_any __attribute__((vector_size(4 * VL), aligned(4), may_alias));
typedef int32_t vi_any __attribute__((vector_size(4 * VL), aligned(4), may_alias));
typedef int8_t vs8 __attribute__((vector_size(VL), aligned(1), may_alias));
typedef uint8_t vu8 __attribute__((vector_size(VL), aligned(1), may_alias));
typedef int16_t vs16 __attribute__((vector_size(2 * VL), aligned(2), may_alias));
typedef uint16_t vu16 __attribute__((vector_size(2 * VL), aligned(2), may_alias));
typedef int64_t vs64 __attribute__((vector_size(8 * VL), aligned(8), may_alias));
#define SIMD_FORGET(p) __asm__("" : "+r"(p)) /* the compiler does not know any more where p points, so it loads again what it has loaded */
#define SIMD_FENCE() __asm__ volatile("" ::: "memory") /* what comes after it is loaded there: gcc keeps what an epilogue reads in registers all through the loops before it, which need them */
#define VCONVERT(v, T) __builtin_convertvector(v, T)

/* Without optimization gcc's intrinsics are macros that trip -Wconversion, and speed does not matter. */
#if defined(__GNUC__) && !defined(__OPTIMIZE__) && !defined(__clang__)
#define SIMD_PLAIN 1
#elif VL == 16 && defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__)
#define SIMD_AVX512 1
#elif VL == 8 && defined(__AVX2__)
#define SIMD_AVX2 1
#elif VL == 4 && defined(__aarch64__) && defined(__ARM_NEON)
#define SIMD_NEON 1
#elif VL == 4 && defined(__SSE2__)
#define SIMD_SSE2 1
#if defined(__SSE4_1__)
#define SIMD_SSE41 1
#endif
#endif

/* ---- move ---- */
SIMD_FN vf vf_ld(const float *p) { return *(const vf_any *)(const void *)p; }
SIMD_FN void vf_st(float *p, vf v) { *(vf_any *)(void *)p = v; }
SIMD_FN vi vi_ld(const int32_t *p) { return *(const vi_any *)(const void *)p; }
SIMD_FN void vi_st(int32_t *p, vi v) { *(vi_any *)(void *)p = v; }
SIMD_FN vf vf_set(float s) { return s - (vf){0}; } /* exact for -0 too, and a broadcast */
SIMD_FN vi vi_set(int32_t s) { return s - (vi){0}; }
/* Lanes a stride apart. */
SIMD_FN vf vf_lds(const float *p, int64_t s) { vf r; for (int k = 0; k < VL; ++k) r[k] = p[k * s]; return r; }
SIMD_FN vi vi_lds(const int32_t *p, int64_t s) { vi r; for (int k = 0; k < VL; ++k) r[k] = p[k * s]; return r; }
SIMD_FN void vf_sts(float *p, int64_t s, vf v) { for (int k = 0; k < VL; ++k) p[k * s] = v[k]; }
SIMD_FN void vi_sts(int32_t *p, int64_t s, vi v) { for (int k = 0; k < VL; ++k) p[k * s] = v[k]; }
/* Lanes p[0], p[-1], ... */
#if defined(__clang__) || !defined(__GNUC__) || VL > 16
SIMD_FN vf vf_ldr(const float *p) { return vf_lds(p, -1); }
SIMD_FN vi vi_ldr(const int32_t *p) { return vi_lds(p, -1); }
#else
#if VL == 16
#define SIMD_REVERSED {15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}
#elif VL == 8
#define SIMD_REVERSED {7, 6, 5, 4, 3, 2, 1, 0}
#else
#define SIMD_REVERSED {3, 2, 1, 0}
#endif
SIMD_FN vf vf_ldr(const float *p) { return __builtin_shuffle(vf_ld(p - (VL - 1)), (vi)SIMD_REVERSED); }
SIMD_FN vi vi_ldr(const int32_t *p) { return __builtin_shuffle(vi_ld(p - (VL - 1)), (vi)SIMD_REVERSED); }
#endif
SIMD_FN vi vi_ld2(const int32_t *p) { return vi_lds(p, 2); }
SIMD_FN vi vi_iota(int32_t first, int32_t step)
{
    vi r = {0};
    for (int k = 0; k < VL; ++k) r[k] = (int32_t)((uint32_t)first + (uint32_t)step * (uint32_t)k);
    return r;
}

/* ---- bits, masks, integers ---- */
SIMD_FN vi vf_bits(vf a) { return (vi)a; }
SIMD_FN vf vi_float(vi a) { return (vf)a; }
SIMD_FN vi vi_add(vi a, vi b) { return (vi)((vu)a + (vu)b); }
SIMD_FN vi vi_sub(vi a, vi b) { return (vi)((vu)a - (vu)b); }
SIMD_FN vi vi_mul(vi a, vi b) { return (vi)((vu)a * (vu)b); }
SIMD_FN vi vi_neg(vi a) { return (vi)((vu){0} - (vu)a); }
SIMD_FN vi vi_sel(vi m, vi a, vi b) { return (m & a) | (~m & b); }
SIMD_FN vf vi_pow2(vi k) { return (vf)(((vu)k + 127u) << 23); }
SIMD_FN vf vi_to_f(vi a) { return VCONVERT(a, vf); }
SIMD_FN vf vf_abs(vf a) { return (vf)((vi)a & vi_set(0x7fffffff)); }
SIMD_FN vi vf_isnan(vf a) { return a != a; }
SIMD_FN vi vf_isinf(vf a) { return vf_abs(a) == vf_set(INFINITY); }

/* Wrapped to a narrower type and back. */
SIMD_FN vi vi_round_u8(vi a) { return a & 0xff; }
SIMD_FN vi vi_round_u16(vi a) { return a & 0xffff; }
SIMD_FN vi vi_round_s8(vi a) { return (vi)((vu)a << 24) >> 24; }
SIMD_FN vi vi_round_s16(vi a) { return (vi)((vu)a << 16) >> 16; }

/* ---- what has an instruction ---- */
#if defined(SIMD_AVX512)
SIMD_FN vf vf_sel(vi m, vf a, vf b) { return (vf)_mm512_mask_blend_ps(_mm512_movepi32_mask((__m512i)m), (__m512)b, (__m512)a); }
SIMD_FN vf vf_fmax(vf a, vf b) { return (vf)_mm512_max_ps((__m512)a, (__m512)b); }
SIMD_FN vf vf_fmin(vf a, vf b) { return (vf)_mm512_min_ps((__m512)a, (__m512)b); }
SIMD_FN vi vi_max(vi a, vi b) { return (vi)_mm512_max_epi32((__m512i)a, (__m512i)b); }
SIMD_FN vi vi_min(vi a, vi b) { return (vi)_mm512_min_epi32((__m512i)a, (__m512i)b); }
SIMD_FN vf vf_sqrt(vf a) { return (vf)_mm512_sqrt_ps((__m512)a); }
SIMD_FN vf vf_rint(vf a) { return (vf)_mm512_roundscale_ps((__m512)a, 8); }
SIMD_FN vf vf_floor(vf a) { return (vf)_mm512_roundscale_ps((__m512)a, 9); }
SIMD_FN vf vf_ceil(vf a) { return (vf)_mm512_roundscale_ps((__m512)a, 10); }
SIMD_FN vf vf_trunc(vf a) { return (vf)_mm512_roundscale_ps((__m512)a, 11); }
#if !defined(SIMD_NO_FMA)
SIMD_FN vf vf_fma(vf a, vf b, vf c) { return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
#endif
SIMD_FN vf vf_gather(const float *p, vi i) { return (vf)_mm512_i32gather_ps((__m512i)i, p, 4); }
SIMD_FN vi vi_gather(const int32_t *p, vi i) { return (vi)_mm512_i32gather_epi32((__m512i)i, p, 4); }
#define SIMD_PICKS 4 /* vf_pick, vi_pick: lane i modulo 2^SIMD_PICKS of a table in a register; 0: there is no such instruction */
SIMD_FN vf vf_pick(vf table, vi i) { return (vf)_mm512_permutexvar_ps((__m512i)i, (__m512)table); }
SIMD_FN vi vi_pick(vi table, vi i) { return (vi)_mm512_permutexvar_epi32((__m512i)i, (__m512i)table); }
SIMD_FN vf vf_ld2(const float *p) /* p[0], p[2], ...: touches 31 elements */
{
    const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    return (vf)_mm512_permutex2var_ps(_mm512_loadu_ps(p), even, _mm512_maskz_loadu_ps(0x7fff, p + 16));
}
#else
#if defined(SIMD_AVX2)
SIMD_FN vf vf_sel(vi m, vf a, vf b) { return (vf)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)m); }
#else
SIMD_FN vf vf_sel(vi m, vf a, vf b) { return (vf)((m & (vi)a) | (~m & (vi)b)); }
#endif
SIMD_FN vf vf_gather(const float *p, vi i) { vf r; for (int k = 0; k < VL; ++k) r[k] = p[i[k]]; return r; }
SIMD_FN vi vi_gather(const int32_t *p, vi i) { vi r; for (int k = 0; k < VL; ++k) r[k] = p[i[k]]; return r; }
#endif
#if !defined(SIMD_AVX512) && !defined(SIMD_AVX2)
#define SIMD_PICKS 0
SIMD_FN vf vf_pick(vf table, vi i) { (void)i; return table; }
SIMD_FN vi vi_pick(vi table, vi i) { (void)i; return table; }
#endif
#if defined(SIMD_AVX2)
#define SIMD_PICKS 3
SIMD_FN vf vf_pick(vf table, vi i) { return (vf)_mm256_permutevar8x32_ps((__m256)table, (__m256i)i); }
SIMD_FN vi vi_pick(vi table, vi i) { return (vi)_mm256_permutevar8x32_epi32((__m256i)table, (__m256i)i); }
SIMD_FN vf vf_fmax(vf a, vf b) { return (vf)_mm256_max_ps((__m256)a, (__m256)b); }
SIMD_FN vf vf_fmin(vf a, vf b) { return (vf)_mm256_min_ps((__m256)a, (__m256)b); }
SIMD_FN vi vi_max(vi a, vi b) { return (vi)_mm256_max_epi32((__m256i)a, (__m256i)b); }
SIMD_FN vi vi_min(vi a, vi b) { return (vi)_mm256_min_epi32((__m256i)a, (__m256i)b); }
SIMD_FN vf vf_sqrt(vf a) { return (vf)_mm256_sqrt_ps((__m256)a); }
SIMD_FN vf vf_rint(vf a) { return (vf)_mm256_round_ps((__m256)a, 8); }
SIMD_FN vf vf_floor(vf a) { return (vf)_mm256_round_ps((__m256)a, 9); }
SIMD_FN vf vf_ceil(vf a) { return (vf)_mm256_round_ps((__m256)a, 10); }
SIMD_FN vf vf_trunc(vf a) { return (vf)_mm256_round_ps((__m256)a, 11); }
SIMD_FN vf vf_ld2(const float *p) /* touches 15 elements */
{
    const __m256 a = _mm256_loadu_ps(p), b = _mm256_loadu_ps(p + 7);
    const __m256 s = _mm256_shuffle_ps(a, b, 0xd8); /* a0 a2 b1 b3 | a4 a6 b5 b7 */
    return (vf)_mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(s), 0xd8));
}
#elif defined(SIMD_SSE2)
SIMD_FN vf vf_fmax(vf a, vf b) { return (vf)_mm_max_ps((__m128)a, (__m128)b); }
SIMD_FN vf vf_fmin(vf a, vf b) { return (vf)_mm_min_ps((__m128)a, (__m128)b); }
SIMD_FN vf vf_sqrt(vf a) { return (vf)_mm_sqrt_ps((__m128)a); }
SIMD_FN vf vf_ld2(const float *p) { return (vf)_mm_shuffle_ps(_mm_loadu_ps(p), _mm_loadu_ps(p + 3), 0xd8); }
#elif !defined(SIMD_AVX512)
SIMD_FN vf vf_fmax(vf a, vf b) { return vf_sel(a > b, a, b); }
SIMD_FN vf vf_fmin(vf a, vf b) { return vf_sel(a < b, a, b); }
SIMD_FN vf vf_sqrt(vf a) { for (int k = 0; k < VL; ++k) a[k] = sqrtf(a[k]); return a; }
SIMD_FN vf vf_ld2(const float *p) { return vf_lds(p, 2); }
#endif
#if defined(SIMD_SSE41)
SIMD_FN vi vi_max(vi a, vi b) { return (vi)_mm_max_epi32((__m128i)a, (__m128i)b); }
SIMD_FN vi vi_min(vi a, vi b) { return (vi)_mm_min_epi32((__m128i)a, (__m128i)b); }
SIMD_FN vf vf_rint(vf a) { return (vf)_mm_round_ps((__m128)a, 8); }
SIMD_FN vf vf_floor(vf a) { return (vf)_mm_round_ps((__m128)a, 9); }
SIMD_FN vf vf_ceil(vf a) { return (vf)_mm_round_ps((__m128)a, 10); }
SIMD_FN vf vf_trunc(vf a) { return (vf)_mm_round_ps((__m128)a, 11); }
#elif !defined(SIMD_AVX512) && !defined(SIMD_AVX2)
SIMD_FN vi vi_max(vi a, vi b) { return vi_sel(a > b, a, b); }
SIMD_FN vi vi_min(vi a, vi b) { return vi_sel(a < b, a, b); }
#if defined(SIMD_NEON)
SIMD_FN vf vf_rint(vf a) { return (vf)vrndnq_f32((float32x4_t)a); }
#else
SIMD_FN vf vf_rint(vf a) /* as sf_rint without an instruction */
{
    const vi sign = (vi)a & vi_set(INT32_MIN);
    const vf size = vf_abs(a);
    return vf_sel(size < vf_set(8388608.0f), (vf)((vi)(size + vf_set(8388608.0f) - vf_set(8388608.0f)) | sign), a);
}
#endif
SIMD_FN vf vf_floor(vf a) { for (int k = 0; k < VL; ++k) a[k] = floorf(a[k]); return a; }
SIMD_FN vf vf_ceil(vf a) { for (int k = 0; k < VL; ++k) a[k] = ceilf(a[k]); return a; }
SIMD_FN vf vf_trunc(vf a) { for (int k = 0; k < VL; ++k) a[k] = truncf(a[k]); return a; }
#endif
#if defined(SIMD_NO_FMA)
SIMD_FN vf vf_fma(vf a, vf b, vf c) { return a * b + c; }
#elif defined(SIMD_AVX2) && defined(__FMA__)
SIMD_FN vf vf_fma(vf a, vf b, vf c) { return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
#elif defined(SIMD_SSE41) && defined(__FMA__)
SIMD_FN vf vf_fma(vf a, vf b, vf c) { return (vf)_mm_fmadd_ps((__m128)a, (__m128)b, (__m128)c); }
#elif defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#if !defined(SIMD_AVX512)
SIMD_FN vf vf_fma(vf a, vf b, vf c) { for (int k = 0; k < VL; ++k) c[k] = __builtin_fmaf(a[k], b[k], c[k]); return c; }
#endif
#else
SIMD_FN vf vf_fma(vf a, vf b, vf c) { return a * b + c; }
#endif

/* ---- on top of those ---- */
SIMD_FN vi vi_abs(vi a) { return vi_max(a, vi_neg(a)); }
/* NaN wins, as in ONNX; fmax and fmin give the second argument then. */
#if defined(SIMD_AVX512) /* gcc 12 takes the mask through a vector */
SIMD_FN vf vf_max(vf a, vf b) { return (vf)_mm512_mask_max_ps((__m512)a, _mm512_cmp_ps_mask((__m512)a, (__m512)a, _CMP_ORD_Q), (__m512)a, (__m512)b); }
SIMD_FN vf vf_min(vf a, vf b) { return (vf)_mm512_mask_min_ps((__m512)a, _mm512_cmp_ps_mask((__m512)a, (__m512)a, _CMP_ORD_Q), (__m512)a, (__m512)b); }
#else
SIMD_FN vf vf_max(vf a, vf b) { return vf_sel(a != a, a, vf_fmax(a, b)); }
SIMD_FN vf vf_min(vf a, vf b) { return vf_sel(a != a, a, vf_fmin(a, b)); }
#endif
/* Truncates; saturates, and NaN gives 0. */
SIMD_FN vi vf_to_i(vf a)
{
    const vi high = a >= vf_set(2147483648.0f), low = a <= vf_set(-2147483648.0f), ok = ~(high | low | vf_isnan(a));
    const vi r = VCONVERT(vf_sel(ok, a, vf_set(0.0f)), vi);
    return vi_sel(high, vi_set(INT32_MAX), vi_sel(low, vi_set(INT32_MIN), r));
}

/* The same for what is NaN or inside the range of int32. */
#if defined(SIMD_AVX512)
SIMD_FN vi vf_to_i_in(vf a) { return (vi)_mm512_maskz_cvttps_epi32(_mm512_cmp_ps_mask((__m512)a, (__m512)a, _CMP_ORD_Q), (__m512)a); }
#else
SIMD_FN vi vf_to_i_in(vf a) { return VCONVERT((vf)((vi)a & (a == a)), vi); }
#endif

/* Half to even, of numbers inside the range. */
#if defined(SIMD_AVX512)
SIMD_FN vi vf_round_to_i(vf a) { return (vi)_mm512_cvtps_epi32((__m512)a); }
#elif defined(SIMD_AVX2)
SIMD_FN vi vf_round_to_i(vf a) { return (vi)_mm256_cvtps_epi32((__m256)a); }
#elif defined(SIMD_SSE2)
SIMD_FN vi vf_round_to_i(vf a) { return (vi)_mm_cvtps_epi32((__m128)a); }
#else
SIMD_FN vi vf_round_to_i(vf a) { return VCONVERT(vf_rint(a), vi); }
#endif
/* The same for NaN, too, which gives 0. */
#if defined(SIMD_AVX512)
SIMD_FN vi vf_round_in(vf a) { return (vi)_mm512_maskz_cvtps_epi32(_mm512_cmp_ps_mask((__m512)a, (__m512)a, _CMP_ORD_Q), (__m512)a); }
#else
SIMD_FN vi vf_round_in(vf a) { return vf_round_to_i((vf)((vi)a & (a == a))); }
#endif

/* ---- narrow storage: widened to int32 or float at the load, narrowed (wrapping) at the store ---- */
/* gcc converts these vectors lane by lane. */
#if defined(SIMD_AVX512)
SIMD_FN vi vi_ld_s8(const int8_t *p) { return (vi)_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)); }
SIMD_FN vi vi_ld_u8(const uint8_t *p) { return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)); }
SIMD_FN vi vi_ld_s16(const int16_t *p) { return (vi)_mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p)); }
SIMD_FN vi vi_ld_u16(const uint16_t *p) { return (vi)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p)); }
SIMD_FN void vi_st_s8(int8_t *p, vi v) { _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8((__m512i)v)); }
SIMD_FN void vi_st_u8(uint8_t *p, vi v) { _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8((__m512i)v)); }
SIMD_FN void vi_st_s16(int16_t *p, vi v) { _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtepi32_epi16((__m512i)v)); }
SIMD_FN void vi_st_u16(uint16_t *p, vi v) { _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtepi32_epi16((__m512i)v)); }
#elif defined(SIMD_AVX2)
SIMD_FN vi vi_ld_s8(const int8_t *p) { return (vi)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)); }
SIMD_FN vi vi_ld_u8(const uint8_t *p) { return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)); }
SIMD_FN vi vi_ld_s16(const int16_t *p) { return (vi)_mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)); }
SIMD_FN vi vi_ld_u16(const uint16_t *p) { return (vi)_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)); }
SIMD_FN __m128i vi_low_halves(vi v) { return _mm_packus_epi32(_mm256_castsi256_si128((__m256i)v), _mm256_extracti128_si256((__m256i)v, 1)); }
SIMD_FN void vi_st_u16(uint16_t *p, vi v) { _mm_storeu_si128((__m128i *)(void *)p, vi_low_halves(v & 0xffff)); }
SIMD_FN void vi_st_s16(int16_t *p, vi v) { _mm_storeu_si128((__m128i *)(void *)p, vi_low_halves(v & 0xffff)); }
SIMD_FN void vi_st_u8(uint8_t *p, vi v)
{
    const __m128i halves = vi_low_halves(v & 0xff);
    _mm_storel_epi64((__m128i *)(void *)p, _mm_packus_epi16(halves, halves));
}
SIMD_FN void vi_st_s8(int8_t *p, vi v) { vi_st_u8((uint8_t *)p, v); }
#else
#if defined(SIMD_SSE2)
SIMD_FN vi vi_ld_u8(const uint8_t *p)
{
    int32_t four;
    memcpy(&four, p, sizeof four);
    return (vi)_mm_unpacklo_epi16(_mm_unpacklo_epi8(_mm_cvtsi32_si128(four), _mm_setzero_si128()), _mm_setzero_si128());
}
SIMD_FN vi vi_ld_s8(const int8_t *p) { return (vi)((vu)vi_ld_u8((const uint8_t *)p) << 24) >> 24; }
SIMD_FN void vi_st_u8(uint8_t *p, vi v)
{
    const __m128i halves = _mm_packs_epi32((__m128i)(v & 255), (__m128i)(v & 255));
    const int32_t four = _mm_cvtsi128_si32(_mm_packus_epi16(halves, halves));
    memcpy(p, &four, sizeof four);
}
SIMD_FN void vi_st_s8(int8_t *p, vi v) { vi_st_u8((uint8_t *)p, v); }
#elif defined(SIMD_NEON)
SIMD_FN vi vi_ld_u8(const uint8_t *p)
{
    uint32_t four;
    memcpy(&four, p, sizeof four);
    return (vi)vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four)))));
}
SIMD_FN vi vi_ld_s8(const int8_t *p) { return (vi)((vu)vi_ld_u8((const uint8_t *)p) << 24) >> 24; }
SIMD_FN void vi_st_u8(uint8_t *p, vi v)
{
    const uint16x4_t halves = vmovn_u32((uint32x4_t)v);
    const uint32_t four = vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(halves, halves))), 0);
    memcpy(p, &four, sizeof four);
}
SIMD_FN void vi_st_s8(int8_t *p, vi v) { vi_st_u8((uint8_t *)p, v); }
#else
SIMD_FN vi vi_ld_s8(const int8_t *p) { return VCONVERT(*(const vs8 *)(const void *)p, vi); }
SIMD_FN vi vi_ld_u8(const uint8_t *p) { return VCONVERT(*(const vu8 *)(const void *)p, vi); }
SIMD_FN void vi_st_s8(int8_t *p, vi v) { *(vs8 *)(void *)p = VCONVERT(v, vs8); }
SIMD_FN void vi_st_u8(uint8_t *p, vi v) { *(vu8 *)(void *)p = VCONVERT((vu)v, vu8); }
#endif
SIMD_FN vi vi_ld_s16(const int16_t *p) { return VCONVERT(*(const vs16 *)(const void *)p, vi); }
SIMD_FN vi vi_ld_u16(const uint16_t *p) { return VCONVERT(*(const vu16 *)(const void *)p, vi); }
SIMD_FN void vi_st_s16(int16_t *p, vi v) { *(vs16 *)(void *)p = VCONVERT(v, vs16); }
SIMD_FN void vi_st_u16(uint16_t *p, vi v) { *(vu16 *)(void *)p = VCONVERT((vu)v, vu16); }
#endif
/* Lane k: byte i[k] of a table of 256. Vectors look words up, then take the byte of them; the lanes of i are 0 to 255. */
#if defined(SIMD_AVX512)
SIMD_FN vi vi_look_word(const uint8_t *t, vi i)
{
    const __m512i word = _mm512_srli_epi32((__m512i)i, 2);
    const __m512i low = _mm512_permutex2var_epi32(_mm512_loadu_si512(t), word, _mm512_loadu_si512(t + 64));
    const __m512i high = _mm512_permutex2var_epi32(_mm512_loadu_si512(t + 128), word, _mm512_loadu_si512(t + 192));
    return (vi)_mm512_mask_blend_epi32(_mm512_test_epi32_mask((__m512i)i, _mm512_set1_epi32(128)), low, high);
}
SIMD_FN vi vi_look_u8(const uint8_t *t, vi i) { return (vi)_mm512_srlv_epi32((__m512i)vi_look_word(t, i), (__m512i)((vi)((vu)i << 3) & 24)) & 255; }
SIMD_FN vi vi_look_s8(const int8_t *t, vi i)
{
    const vi up = 24 - ((vi)((vu)i << 3) & 24);
    return (vi)_mm512_sllv_epi32((__m512i)vi_look_word((const uint8_t *)t, i), (__m512i)up) >> 24;
}
#elif defined(SIMD_AVX2)
SIMD_FN __m256 vi_look_eighth(const uint8_t *t, int k, __m256i word) { return _mm256_castsi256_ps(_mm256_permutevar8x32_epi32(_mm256_loadu_si256((const __m256i *)(const void *)(t + 32 * k)), word)); }
SIMD_FN vi vi_look_word(const uint8_t *t, vi i)
{
    const __m256i word = _mm256_srli_epi32((__m256i)i, 2);
    const __m256 bit5 = (__m256)((vu)i << 26), bit6 = (__m256)((vu)i << 25), bit7 = (__m256)((vu)i << 24);
    const __m256 a = _mm256_blendv_ps(vi_look_eighth(t, 0, word), vi_look_eighth(t, 1, word), bit5), b = _mm256_blendv_ps(vi_look_eighth(t, 2, word), vi_look_eighth(t, 3, word), bit5);
    const __m256 c = _mm256_blendv_ps(vi_look_eighth(t, 4, word), vi_look_eighth(t, 5, word), bit5), d = _mm256_blendv_ps(vi_look_eighth(t, 6, word), vi_look_eighth(t, 7, word), bit5);
    return (vi)_mm256_blendv_ps(_mm256_blendv_ps(a, b, bit6), _mm256_blendv_ps(c, d, bit6), bit7);
}
SIMD_FN vi vi_look_u8(const uint8_t *t, vi i) { return (vi)_mm256_srlv_epi32((__m256i)vi_look_word(t, i), (__m256i)((vi)((vu)i << 3) & 24)) & 255; }
SIMD_FN vi vi_look_s8(const int8_t *t, vi i)
{
    const vi up = 24 - ((vi)((vu)i << 3) & 24);
    return (vi)_mm256_sllv_epi32((__m256i)vi_look_word((const uint8_t *)t, i), (__m256i)up) >> 24;
}
#elif VL == 4
SIMD_FN vi vi_look_u8(const uint8_t *t, vi i) { const vi r = {t[i[0]], t[i[1]], t[i[2]], t[i[3]]}; return r; }
SIMD_FN vi vi_look_s8(const int8_t *t, vi i) { const vi r = {t[i[0]], t[i[1]], t[i[2]], t[i[3]]}; return r; }
#else
SIMD_FN vi vi_look_u8(const uint8_t *t, vi i) { for (int k = 0; k < VL; ++k) i[k] = t[i[k]]; return i; }
SIMD_FN vi vi_look_s8(const int8_t *t, vi i) { for (int k = 0; k < VL; ++k) i[k] = t[i[k]]; return i; }
#endif
/* Narrowed with saturation. */
#if defined(SIMD_AVX512)
SIMD_FN void vi_sat_s8(int8_t *p, vi v) { _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtsepi32_epi8((__m512i)v)); }
SIMD_FN void vi_sat_u8(uint8_t *p, vi v) { _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtusepi32_epi8((__m512i)vi_max(v, vi_set(0)))); }
#elif defined(SIMD_AVX2)
SIMD_FN __m128i vi_sat_halves(vi v) { return _mm_packs_epi32(_mm256_castsi256_si128((__m256i)v), _mm256_extracti128_si256((__m256i)v, 1)); }
SIMD_FN void vi_sat_s8(int8_t *p, vi v) { const __m128i a = vi_sat_halves(v); _mm_storel_epi64((__m128i *)(void *)p, _mm_packs_epi16(a, a)); }
SIMD_FN void vi_sat_u8(uint8_t *p, vi v) { const __m128i a = vi_sat_halves(v); _mm_storel_epi64((__m128i *)(void *)p, _mm_packus_epi16(a, a)); }
#else
SIMD_FN void vi_sat_s8(int8_t *p, vi v) { vi_st_s8(p, vi_min(vi_max(v, vi_set(-128)), vi_set(127))); }
SIMD_FN void vi_sat_u8(uint8_t *p, vi v) { vi_st_u8(p, vi_min(vi_max(v, vi_set(0)), vi_set(255))); }
#endif

/* ---- tables of 256 bytes ----
 * Of a table's rows of 16 entries, held as differences to the row before, all up to that of the byte are added up (by xor): bytes count down by 16
 * until they are negative, where the shuffle gives 0. Each half of the table begins anew. */
#if defined(SIMD_AVX512)
#define VB_TABLE 64
typedef __m512i vb_row;
SIMD_FN vb_row vb_row_ld(const uint8_t *p) { return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)p)); }
SIMD_FN void vb_look(uint8_t *y, const uint8_t *x, const vb_row *row, int flip)
{
    const __m512i sixteen = _mm512_set1_epi8(16);
    __m512i a = _mm512_xor_si512(_mm512_loadu_si512(x), _mm512_set1_epi8((char)flip)), b = _mm512_xor_si512(a, _mm512_set1_epi8((char)-128));
    __m512i r = _mm512_setzero_si512();
#pragma GCC unroll 8
    for (int k = 0; k < 8; ++k) {
        r = _mm512_ternarylogic_epi64(r, _mm512_shuffle_epi8((__m512i)row[k], a), _mm512_shuffle_epi8((__m512i)row[k + 8], b), 0x96);
        a = _mm512_subs_epi8(a, sixteen);
        b = _mm512_subs_epi8(b, sixteen);
    }
    _mm512_storeu_si512(y, r);
}
#elif defined(SIMD_AVX2)
#define VB_TABLE 32
typedef __m256i vb_row;
SIMD_FN vb_row vb_row_ld(const uint8_t *p) { return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)p)); }
SIMD_FN void vb_look(uint8_t *y, const uint8_t *x, const vb_row *row, int flip)
{
    const __m256i sixteen = _mm256_set1_epi8(16);
    __m256i a = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)(const void *)x), _mm256_set1_epi8((char)flip));
    __m256i b = _mm256_xor_si256(a, _mm256_set1_epi8((char)-128)), r = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (int k = 0; k < 8; ++k) {
        r = _mm256_xor_si256(r, _mm256_xor_si256(_mm256_shuffle_epi8(row[k], a), _mm256_shuffle_epi8(row[k + 8], b)));
        a = _mm256_subs_epi8(a, sixteen);
        b = _mm256_subs_epi8(b, sixteen);
    }
    _mm256_storeu_si256((__m256i *)(void *)y, r);
}
#elif defined(SIMD_NEON)
#define VB_TABLE 16
typedef uint8x16_t vb_row;
SIMD_FN vb_row vb_row_ld(const uint8_t *p) { return vld1q_u8(p); }
SIMD_FN void vb_look(uint8_t *y, const uint8_t *x, const vb_row *row, int flip)
{
    const int8x16_t sixteen = vdupq_n_s8(16);
    int8x16_t a = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(x), vdupq_n_u8((uint8_t)flip))), b = veorq_s8(a, vdupq_n_s8(-128));
    uint8x16_t r = vdupq_n_u8(0);
    for (int k = 0; k < 8; ++k) {
        /* an index of 16 and more gives 0 */
        const uint8x16_t low = vqtbl1q_u8(row[k], vandq_u8(vreinterpretq_u8_s8(a), vdupq_n_u8(0x8f)));
        r = veorq_u8(r, veorq_u8(low, vqtbl1q_u8(row[k + 8], vandq_u8(vreinterpretq_u8_s8(b), vdupq_n_u8(0x8f)))));
        a = vqsubq_s8(a, sixteen);
        b = vqsubq_s8(b, sixteen);
    }
    vst1q_u8(y, r);
}
#endif
/* y[i] = table[x[i] ^ flip] for n bytes; y may be x. */
#if defined(SIMD_AVX512) || defined(SIMD_AVX2) || defined(SIMD_NEON)
SIMD_FN void vb_lookup(uint8_t *y, const uint8_t *x, int64_t n, const uint8_t *table, int flip)
{
    vb_row row[16];
    int64_t i = 0;
    for (int k = 0; k < 16; ++k) {
        uint8_t d[16];
        for (int j = 0; j < 16; ++j) d[j] = (uint8_t)(table[16 * k + j] ^ (k % 8 ? table[16 * k + j - 16] : 0));
        row[k] = vb_row_ld(d);
    }
    for (; i + VB_TABLE <= n; i += VB_TABLE) vb_look(y + i, x + i, row, flip);
    if (i < n) {
        uint8_t rest[VB_TABLE] = {0};
        memcpy(rest, x + i, (size_t)(n - i));
        vb_look(rest, rest, row, flip);
        memcpy(y + i, rest, (size_t)(n - i));
    }
}
#else
SIMD_FN void vb_lookup(uint8_t *y, const uint8_t *x, int64_t n, const uint8_t *table, int flip)
{
    for (int64_t i = 0; i < n; ++i) y[i] = table[x[i] ^ flip];
}
#endif
/* Bytes p[0], p[2], ...: touches 2 * VL - 1 of them. */
#if defined(SIMD_AVX512)
SIMD_FN __m128i vi_even_bytes(const uint8_t *p)
{
    const __m128i low = _mm_and_si128(_mm_loadu_si128((const __m128i *)(const void *)p), _mm_set1_epi16(255));
    return _mm_packus_epi16(low, _mm_srli_epi16(_mm_loadu_si128((const __m128i *)(const void *)(p + 15)), 8));
}
SIMD_FN vi vi_ld2_u8(const uint8_t *p) { return (vi)_mm512_cvtepu8_epi32(vi_even_bytes(p)); }
SIMD_FN vi vi_ld2_s8(const int8_t *p) { return (vi)_mm512_cvtepi8_epi32(vi_even_bytes((const uint8_t *)p)); }
#elif defined(SIMD_AVX2)
SIMD_FN __m128i vi_even_bytes(const uint8_t *p)
{
    const __m128i low = _mm_and_si128(_mm_loadl_epi64((const __m128i *)(const void *)p), _mm_set1_epi16(255));
    const __m128i halves = _mm_unpacklo_epi64(low, _mm_srli_epi16(_mm_loadl_epi64((const __m128i *)(const void *)(p + 7)), 8));
    return _mm_packus_epi16(halves, halves);
}
SIMD_FN vi vi_ld2_u8(const uint8_t *p) { return (vi)_mm256_cvtepu8_epi32(vi_even_bytes(p)); }
SIMD_FN vi vi_ld2_s8(const int8_t *p) { return (vi)_mm256_cvtepi8_epi32(vi_even_bytes((const uint8_t *)p)); }
#else
SIMD_FN vi vi_ld2_u8(const uint8_t *p) { vi r; for (int k = 0; k < VL; ++k) r[k] = p[2 * k]; return r; }
SIMD_FN vi vi_ld2_s8(const int8_t *p) { vi r; for (int k = 0; k < VL; ++k) r[k] = p[2 * k]; return r; }
#endif
/* Bytes a stride apart: narrowed together, then stored one by one. */
SIMD_FN void vi_sts_u8(uint8_t *p, int64_t s, vi v) { uint8_t b[VL]; vi_st_u8(b, v); for (int k = 0; k < VL; ++k) p[k * s] = b[k]; }
SIMD_FN void vi_sts_s8(int8_t *p, int64_t s, vi v) { int8_t b[VL]; vi_st_s8(b, v); for (int k = 0; k < VL; ++k) p[k * s] = b[k]; }
SIMD_FN void vi_st_s64(int64_t *p, vi v) { *(vs64 *)(void *)p = VCONVERT(v, vs64); }
#if defined(SIMD_AVX512)
SIMD_FN vf vf_ld_f16(const uint16_t *p) { return (vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p)); }
#elif defined(SIMD_AVX2) && defined(__F16C__)
SIMD_FN vf vf_ld_f16(const uint16_t *p) { return (vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p)); }
#endif
/* Round to nearest even, as f16_of_f and bf16_of_f do; the NaN is theirs too. */
SIMD_FN vi vf_to_f16(vf v)
{
    const vi u = vf_bits(v), a = u & vi_set(0x7fffffff), sign = (vi)((vu)u >> 16) & vi_set(0x8000);
    const vi small = vi_sub(vf_bits(vi_float(a) + vf_set(0.5f)), vi_set(0x3f000000)); /* in units of 2^-24 */
    const vi normal = (vi)((vu)vi_add(vi_add(a, vi_set(0xfff - 0x38000000)), (vi)((vu)a >> 13) & vi_set(1)) >> 13);
    vi r = vi_sel(a < vi_set(0x38800000), small, normal);
    r = vi_sel(a >= vi_set(0x477ff000), vi_set(0x7c00), r);
    r = vi_sel(a > vi_set(0x7f800000), vi_set(0x7e00), r);
    return r | sign;
}
SIMD_FN vi vf_to_bf16(vf v)
{
    const vu u = (vu)v, high = u >> 16, r = (u + 0x7fff + (high & 1)) >> 16;
#if defined(SIMD_AVX512)
    const __mmask16 nan = _mm512_cmp_ps_mask((__m512)v, (__m512)v, _CMP_UNORD_Q);
    const __m512i sign = _mm512_mask_and_epi32((__m512i)r, nan, (__m512i)high, _mm512_set1_epi32(0x8000));
    return (vi)_mm512_mask_or_epi32(sign, nan, sign, _mm512_set1_epi32(0x7fc0));
#else
    return vi_sel(vf_isnan(v), (vi)((high & 0x8000) | 0x7fc0), (vi)r);
#endif
}
SIMD_FN vf vf_of_f16(vi b) /* exact: the power of two makes numbers of subnormal ones */
{
    const vi mag = b & vi_set(0x7fff), sign = (vi)((vu)b << 16) & vi_set((int32_t)0x80000000u), large = (vi)((vu)mag << 13);
    const vf number = vi_float(large) * vf_set(0x1p112f);
    const vi special = large | vi_set(0x7f800000) | (vi_set(0x400000) & (mag > vi_set(0x7c00)));
    return vi_float(vi_sel(mag >= vi_set(0x7c00), special, vf_bits(number)) | sign);
}
#if !defined(SIMD_AVX512) && !(defined(SIMD_AVX2) && defined(__F16C__))
SIMD_FN vf vf_ld_f16(const uint16_t *p) { return vf_of_f16(vi_ld_u16(p)); }
#endif
SIMD_FN vf vf_ld_bf16(const uint16_t *p) { return (vf)((vu)vi_ld_u16(p) << 16); }
SIMD_FN void vf_st_bf16(uint16_t *p, vf v) { vi_st_u16(p, vf_to_bf16(v)); }
SIMD_FN vf vf_round_bf16(vf v) { return (vf)((vu)vf_to_bf16(v) << 16); }
#if defined(SIMD_AVX512) || (defined(SIMD_AVX2) && defined(__F16C__))
/* Every NaN as the one that vf_to_f16 makes: the instructions keep some of its bits. */
#if defined(SIMD_AVX512)
SIMD_FN vf vf_one_nan(vf v)
{
    const __mmask16 nan = _mm512_cmp_ps_mask((__m512)v, (__m512)v, _CMP_UNORD_Q);
    const __m512i sign = _mm512_mask_and_epi32((__m512i)v, nan, (__m512i)v, _mm512_set1_epi32(INT32_MIN));
    return (vf)_mm512_mask_or_epi32(sign, nan, sign, _mm512_set1_epi32(0x7fc00000));
}
#else
SIMD_FN vf vf_one_nan(vf v) { return vf_sel(vf_isnan(v), vi_float((vf_bits(v) & vi_set(INT32_MIN)) | vi_set(0x7fc00000)), v); }
#endif
#endif
#if defined(SIMD_AVX512)
SIMD_FN void vf_st_f16(uint16_t *p, vf v) { _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtps_ph((__m512)vf_one_nan(v), 8)); }
SIMD_FN vf vf_round_f16(vf v) { return (vf)_mm512_cvtph_ps(_mm512_cvtps_ph((__m512)vf_one_nan(v), 8)); }
#elif defined(SIMD_AVX2) && defined(__F16C__)
SIMD_FN void vf_st_f16(uint16_t *p, vf v) { _mm_storeu_si128((__m128i *)(void *)p, _mm256_cvtps_ph((__m256)vf_one_nan(v), 0)); }
SIMD_FN vf vf_round_f16(vf v) { return (vf)_mm256_cvtph_ps(_mm256_cvtps_ph((__m256)vf_one_nan(v), 0)); }
#else
SIMD_FN void vf_st_f16(uint16_t *p, vf v) { vi_st_u16(p, vf_to_f16(v)); }
SIMD_FN vf vf_round_f16(vf v) { return vf_of_f16(vf_to_f16(v)); }
#endif

/* ---- products of bytes: a vb holds four to a lane, in the order of the memory ---- */
typedef int32_t vb __attribute__((vector_size(4 * VL)));
typedef int32_t vb_any __attribute__((vector_size(4 * VL), aligned(1), may_alias));
typedef int16_t vb_halves __attribute__((vector_size(4 * VL)));
typedef uint16_t vb_halves_u __attribute__((vector_size(4 * VL)));
/* The same four bytes in every lane. */
SIMD_FN vb vb_set_u8(const uint8_t *p) { int32_t r; memcpy(&r, p, sizeof r); return vi_set(r); }
/* 4 * VL bytes. */
SIMD_FN vb vb_ld_s8(const int8_t *p) { return *(const vb_any *)(const void *)p; }
SIMD_FN vb vb_set_s8(const int8_t *p) { int32_t r; memcpy(&r, p, sizeof r); return vi_set(r); }
SIMD_FN vb vb_ld_u8(const uint8_t *p) { return *(const vb_any *)(const void *)p; }
/* Of each byte, the number of `bits` bits that begins at bit `at`. */
SIMD_FN vb vb_field(vb a, int at, int bits) { return (vb)((vu)a >> at & (((1u << bits) - 1) * 0x01010101u)); }
/* Each lane's bits from bit `at` on, counted from the first of its four bytes on; what is above those of its byte is not said. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
SIMD_FN vi vb_from(vb a, int at) { return (vi)((vu)a >> (24 - at / 8 * 8 + at % 8)); }
#else
SIMD_FN vi vb_from(vb a, int at) { return (vi)((vu)a >> at); }
#endif
/* The `bits` lowest of those. */
SIMD_FN vi vb_number(vb a, int at, int bits) { return (vi)((vu)vb_from(a, at) & ((1u << bits) - 1)); }
/* From four times VL bytes, lane k: byte k of each. */
#if defined(SIMD_AVX512)
SIMD_FN vb vb_turn(const uint8_t *p)
{
    const __m512i four = _mm512_set_epi32(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0);
    const __m512i bytes = _mm512_broadcast_i32x4(_mm_set_epi8(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0));
    return (vb)_mm512_shuffle_epi8(_mm512_permutexvar_epi32(four, _mm512_loadu_si512(p)), bytes);
}
#elif defined(SIMD_AVX2)
SIMD_FN vb vb_turn(const uint8_t *p)
{
    const __m256i four = _mm256_set_epi32(7, 5, 3, 1, 6, 4, 2, 0);
    const __m256i bytes = _mm256_broadcastsi128_si256(_mm_set_epi8(15, 11, 7, 3, 14, 10, 6, 2, 13, 9, 5, 1, 12, 8, 4, 0));
    return (vb)_mm256_shuffle_epi8(_mm256_permutevar8x32_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p), four), bytes);
}
#elif defined(SIMD_SSE2)
SIMD_FN vb vb_turn(const uint8_t *p)
{
    const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p), pairs = _mm_unpacklo_epi8(x, _mm_srli_si128(x, 8));
    return (vb)_mm_unpacklo_epi8(pairs, _mm_srli_si128(pairs, 8));
}
#elif defined(SIMD_NEON)
SIMD_FN vb vb_turn(const uint8_t *p)
{
    const uint8x16_t x = vld1q_u8(p), pairs = vzip1q_u8(x, vextq_u8(x, x, 8));
    return (vb)vzip1q_u8(pairs, vextq_u8(pairs, pairs, 8));
}
#else
SIMD_FN vb vb_turn(const uint8_t *p)
{
    uint8_t b[4 * VL];
    vb r;
    for (int k = 0; k < VL; ++k)
        for (int i = 0; i < 4; ++i) b[4 * k + i] = p[i * VL + k];
    memcpy(&r, b, sizeof r);
    return r;
}
#endif
SIMD_FN void vb_st_s8(int8_t *p, vb a) { *(vb_any *)(void *)p = a; }
/* Lane k: p[k], p[s + k], p[2 * s + k], p[3 * s + k]. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
SIMD_FN vb vb_rows(vu a, vu b, vu c, vu d) { return (vb)(a << 24 | b << 16 | c << 8 | d); }
#else
SIMD_FN vb vb_rows(vu a, vu b, vu c, vu d) { return (vb)(a | b << 8 | c << 16 | d << 24); }
#endif
SIMD_FN vb vb_rows_u8(const uint8_t *p, int64_t s)
{
    return vb_rows((vu)vi_ld_u8(p), (vu)vi_ld_u8(p + s), (vu)vi_ld_u8(p + 2 * s), (vu)vi_ld_u8(p + 3 * s));
}
/* Unsigned bytes as signed ones that are 128 lower, and back. */
SIMD_FN vb vb_flip(vb a) { return a ^ (int32_t)0x80808080u; }
/* acc[k] + the sum of the four products of a's bytes, unsigned, by b's, signed, of lane k; exact, wrapping at 32 bits. Without an instruction
 * for it (the one for bytes and 16-bit sums saturates) the even bytes and the odd ones are multiplied as halves of a lane. */
#if defined(SIMD_AVX512) && defined(__AVX512VNNI__)
SIMD_FN vi vi_dot4(vi acc, vb a, vb b) { return (vi)_mm512_dpbusd_epi32((__m512i)acc, (__m512i)a, (__m512i)b); }
#elif defined(SIMD_AVX2) && defined(__AVX512VNNI__) && defined(__AVX512VL__)
SIMD_FN vi vi_dot4(vi acc, vb a, vb b) { return (vi)_mm256_dpbusd_epi32((__m256i)acc, (__m256i)a, (__m256i)b); }
#elif defined(SIMD_AVX2) && defined(__AVXVNNI__)
SIMD_FN vi vi_dot4(vi acc, vb a, vb b) { return (vi)_mm256_dpbusd_avx_epi32((__m256i)acc, (__m256i)a, (__m256i)b); }
#elif defined(SIMD_NEON) && defined(__ARM_FEATURE_MATMUL_INT8)
SIMD_FN vi vi_dot4(vi acc, vb a, vb b) { return (vi)vusdotq_s32((int32x4_t)acc, (uint8x16_t)a, (int8x16_t)b); }
#else
SIMD_FN vb_halves vb_even_u8(vb a) { return (vb_halves)((vb_halves_u)a & 255); }
SIMD_FN vb_halves vb_odd_u8(vb a) { return (vb_halves)((vb_halves_u)a >> 8); }
SIMD_FN vb_halves vb_even_s8(vb b) { return (vb_halves)((vb_halves_u)b << 8) >> 8; }
SIMD_FN vb_halves vb_odd_s8(vb b) { return (vb_halves)b >> 8; }
/* The sum of the two products of each lane. */
#if defined(SIMD_AVX512)
SIMD_FN vi vi_dot2(vb_halves a, vb_halves b) { return (vi)_mm512_madd_epi16((__m512i)a, (__m512i)b); }
#elif defined(SIMD_AVX2)
SIMD_FN vi vi_dot2(vb_halves a, vb_halves b) { return (vi)_mm256_madd_epi16((__m256i)a, (__m256i)b); }
#elif defined(SIMD_NEON)
SIMD_FN vi vi_dot2(vb_halves a, vb_halves b)
{
    const int32x4_t low = vmull_s16(vget_low_s16((int16x8_t)a), vget_low_s16((int16x8_t)b));
    return (vi)vpaddq_s32(low, vmull_high_s16((int16x8_t)a, (int16x8_t)b));
}
#elif defined(SIMD_SSE2)
SIMD_FN vi vi_dot2(vb_halves a, vb_halves b) { return (vi)_mm_madd_epi16((__m128i)a, (__m128i)b); }
#else
SIMD_FN vi vi_dot2(vb_halves a, vb_halves b) { return ((vi)((vu)a << 16) >> 16) * ((vi)((vu)b << 16) >> 16) + ((vi)a >> 16) * ((vi)b >> 16); }
#endif
SIMD_FN vi vi_dot4(vi acc, vb a, vb b)
{
    return vi_add(acc, vi_add(vi_dot2(vb_even_u8(a), vb_even_s8(b)), vi_dot2(vb_odd_u8(a), vb_odd_s8(b))));
}
#endif

/* ---- products of bfloat16 and float16: a vh holds two to a lane, in the order of the memory ---- */
typedef int32_t vh __attribute__((vector_size(4 * VL)));
typedef int32_t vh_any __attribute__((vector_size(4 * VL), aligned(2), may_alias));
/* The same two in every lane. */
SIMD_FN vh vh_set(const uint16_t *p) { int32_t r; memcpy(&r, p, sizeof r); return vi_set(r); }
SIMD_FN vh vh_ld(const uint16_t *p) { return *(const vh_any *)(const void *)p; }
/* The bits of the first and of the second number of each lane. */
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
SIMD_FN vi vh_second_bits(vh a) { return a & 0xffff; }
SIMD_FN vi vh_first_bits(vh a) { return (vi)((vu)a >> 16); }
#else
SIMD_FN vi vh_first_bits(vh a) { return a & 0xffff; }
SIMD_FN vi vh_second_bits(vh a) { return (vi)((vu)a >> 16); }
#endif
/* acc[k] + the product of the second numbers of lane k, then + that of the first ones, each rounded once. The instruction takes subnormal numbers for zero and
 * gives none. */
#if VL == 16 && defined(__AVX512BF16__)
SIMD_FN vf vf_dot2(vf acc, vh a, vh b) { return (vf)_mm512_dpbf16_ps((__m512)acc, (__m512bh)a, (__m512bh)b); }
#else
SIMD_FN vf vh_float(vi bits) { return (vf)((vu)bits << 16); }
SIMD_FN vf vf_dot2(vf acc, vh a, vh b)
{
    acc = vf_fma(vh_float(vh_second_bits(a)), vh_float(vh_second_bits(b)), acc);
    return vf_fma(vh_float(vh_first_bits(a)), vh_float(vh_first_bits(b)), acc);
}
#endif
/* The same of float16 in an accumulator vk, of which vk_total makes floats. Where there are multiply-adds of float16 it holds two of them to a lane, for the first
 * products and the second ones: sums of few products. Else it is a vf. */
#if VL == 16 && defined(__AVX512FP16__)
typedef vh vk;
/* An asm, because gcc 12 spills accumulators of the intrinsic's type. */
SIMD_FN vk vk_dot2(vk acc, vh a, vh b) { __asm__("vfmadd231ph %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b)); return acc; }
SIMD_FN vf vk_total(vk acc)
{
    static const uint16_t even[32] = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30};
    const vh turned = (vh)((vu)acc >> 16 | (vu)acc << 16);
    const __m512h both = _mm512_add_ph((__m512h)acc, (__m512h)turned);
    return (vf)_mm512_cvtph_ps(_mm512_castsi512_si256(_mm512_permutexvar_epi16((__m512i)vh_ld(even), (__m512i)both)));
}
#else
typedef vf vk;
SIMD_FN vk vk_dot2(vk acc, vh a, vh b)
{
    acc = vf_fma(vf_of_f16(vh_second_bits(a)), vf_of_f16(vh_second_bits(b)), acc);
    return vf_fma(vf_of_f16(vh_first_bits(a)), vf_of_f16(vh_first_bits(b)), acc);
}
SIMD_FN vf vk_total(vk acc) { return acc; }
#endif

/* ---- across the lanes ---- */
#if defined(SIMD_AVX512) || defined(SIMD_AVX2)
#define HORIZONTAL(NAME, OP)                                                                                \
    SIMD_FN float NAME##_8(__m256 a)                                                                             \
    {                                                                                                            \
        __m128 b = OP(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));                                   \
        b = OP(b, _mm_movehl_ps(b, b));                                                                          \
        return _mm_cvtss_f32(OP(b, _mm_shuffle_ps(b, b, 1)));                                                    \
    }
HORIZONTAL(vf_add, _mm_add_ps)
HORIZONTAL(vf_mul, _mm_mul_ps)
HORIZONTAL(vf_hmax_fast, _mm_max_ps)
HORIZONTAL(vf_hmin_fast, _mm_min_ps)
#endif
#if defined(SIMD_AVX512)
#define LOW8(v) _mm512_castps512_ps256((__m512)(v))
#define HIGH8(v) _mm512_extractf32x8_ps((__m512)(v), 1)
SIMD_FN float vf_row_sum(vf a) { return vf_add_8(_mm256_add_ps(LOW8(a), HIGH8(a))); }
SIMD_FN float vf_row_prod(vf a) { return vf_mul_8(_mm256_mul_ps(LOW8(a), HIGH8(a))); }
SIMD_FN int vf_any_nan(vf a) { return _mm512_cmp_ps_mask((__m512)a, (__m512)a, _CMP_UNORD_Q) != 0; }
SIMD_FN float vf_hmax(vf a) { return vf_any_nan(a) ? NAN : vf_hmax_fast_8(_mm256_max_ps(LOW8(a), HIGH8(a))); }
SIMD_FN float vf_hmin(vf a) { return vf_any_nan(a) ? NAN : vf_hmin_fast_8(_mm256_min_ps(LOW8(a), HIGH8(a))); }
SIMD_FN float vf_hsum(vf a) { return vf_row_sum(a); }
#elif defined(SIMD_AVX2)
SIMD_FN float vf_row_sum(vf a, vf b) { return vf_add_8((__m256)(a + b)); }
SIMD_FN float vf_row_prod(vf a, vf b) { return vf_mul_8((__m256)(a * b)); }
SIMD_FN int vf_any_nan(vf a) { return _mm256_movemask_ps(_mm256_cmp_ps((__m256)a, (__m256)a, _CMP_UNORD_Q)) != 0; }
SIMD_FN float vf_hmax(vf a) { return vf_any_nan(a) ? NAN : vf_hmax_fast_8((__m256)a); }
SIMD_FN float vf_hmin(vf a) { return vf_any_nan(a) ? NAN : vf_hmin_fast_8((__m256)a); }
SIMD_FN float vf_hsum(vf a) { return vf_add_8((__m256)a); }
#else
#if VL == 16
SIMD_FN float vf_row_sum(vf a) { float l[16]; vf_st(l, a); return sf_row_sum(l); }
SIMD_FN float vf_row_prod(vf a) { float l[16]; vf_st(l, a); return sf_row_prod(l); }
#elif VL == 8
SIMD_FN float vf_row_sum(vf a, vf b) { float l[16]; vf_st(l, a); vf_st(l + 8, b); return sf_row_sum(l); }
SIMD_FN float vf_row_prod(vf a, vf b) { float l[16]; vf_st(l, a); vf_st(l + 8, b); return sf_row_prod(l); }
#else
SIMD_FN float vf_row_sum(vf a, vf b, vf c, vf d) { const vf s = (a + c) + (b + d); return (s[0] + s[2]) + (s[1] + s[3]); }
SIMD_FN float vf_row_prod(vf a, vf b, vf c, vf d) { const vf s = (a * c) * (b * d); return (s[0] * s[2]) * (s[1] * s[3]); }
#endif
SIMD_FN float vf_hmax(vf v) { float s = v[0]; for (int k = 1; k < VL; ++k) s = sf_max(s, v[k]); return s; }
SIMD_FN float vf_hmin(vf v) { float s = v[0]; for (int k = 1; k < VL; ++k) s = sf_min(s, v[k]); return s; }
SIMD_FN float vf_hsum(vf v) { float s = v[0]; for (int k = 1; k < VL; ++k) s += v[k]; return s; }
#endif
/* Whether a lane of the mask is set. */
#if defined(SIMD_AVX512)
SIMD_FN int vi_some(vi m) { return _mm512_movepi32_mask((__m512i)m) != 0; }
#elif defined(SIMD_AVX2)
SIMD_FN int vi_some(vi m) { return !_mm256_testz_si256((__m256i)m, (__m256i)m); }
#elif defined(SIMD_SSE2)
SIMD_FN int vi_some(vi m) { return _mm_movemask_epi8((__m128i)m) != 0; }
#elif defined(SIMD_NEON)
SIMD_FN int vi_some(vi m) { return vmaxvq_u32((uint32x4_t)m) != 0; }
#else
SIMD_FN int vi_some(vi m) { int32_t s = 0; for (int k = 0; k < VL; ++k) s |= m[k]; return s != 0; }
#endif
#define HORIZONTAL_INT(NAME, START, EXPR) SIMD_FN int32_t NAME(vi v) { int32_t s = START; for (int k = 0; k < VL; ++k) s = EXPR; return s; }
HORIZONTAL_INT(vi_hsum, 0, si_add(s, v[k]))
HORIZONTAL_INT(vi_hprod, 1, si_mul(s, v[k]))
HORIZONTAL_INT(vi_hmax, INT32_MIN, si_max(s, v[k]))
HORIZONTAL_INT(vi_hmin, INT32_MAX, si_min(s, v[k]))
HORIZONTAL_INT(vi_hor, 0, s | v[k])
HORIZONTAL_INT(vi_hand, -1, s & v[k])

/* ---- a tile turned: y[c * ys + r] = x[r * xs + c] for r, c < VL ---- */
#if defined(SIMD_AVX512)
SIMD_FN void vf_transpose(float *y, int64_t ys, const float *x, int64_t xs)
{
    __m512 r[16], t[16];
_Pragma("GCC unroll 16")
    for (int k = 0; k < 16; ++k) r[k] = _mm512_loadu_ps(x + k * xs);
_Pragma("GCC unroll 8")
    for (int k = 0; k < 16; k += 2) {
        t[k] = _mm512_unpacklo_ps(r[k], r[k + 1]);
        t[k + 1] = _mm512_unpackhi_ps(r[k], r[k + 1]);
    }
_Pragma("GCC unroll 4")
    for (int k = 0; k < 16; k += 4)
_Pragma("GCC unroll 2")
        for (int h = 0; h < 2; ++h) {
            const __m512d a = _mm512_castps_pd(t[k + h]), b = _mm512_castps_pd(t[k + h + 2]);
            r[k + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            r[k + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
_Pragma("GCC unroll 4")
    for (int k = 0; k < 4; ++k) { /* r[4g + k] holds columns k, 4 + k, 8 + k, 12 + k of rows 4g to 4g + 3 */
        const __m512 a = _mm512_shuffle_f32x4(r[k], r[4 + k], 0x88), b = _mm512_shuffle_f32x4(r[k], r[4 + k], 0xdd);
        const __m512 c = _mm512_shuffle_f32x4(r[8 + k], r[12 + k], 0x88), d = _mm512_shuffle_f32x4(r[8 + k], r[12 + k], 0xdd);
        _mm512_storeu_ps(y + k * ys, _mm512_shuffle_f32x4(a, c, 0x88));
        _mm512_storeu_ps(y + (4 + k) * ys, _mm512_shuffle_f32x4(b, d, 0x88));
        _mm512_storeu_ps(y + (8 + k) * ys, _mm512_shuffle_f32x4(a, c, 0xdd));
        _mm512_storeu_ps(y + (12 + k) * ys, _mm512_shuffle_f32x4(b, d, 0xdd));
    }
}
#elif defined(SIMD_AVX2)
SIMD_FN void vf_transpose(float *y, int64_t ys, const float *x, int64_t xs)
{
    __m256 r[8], t[8];
_Pragma("GCC unroll 8")
    for (int k = 0; k < 8; ++k) r[k] = _mm256_loadu_ps(x + k * xs);
_Pragma("GCC unroll 4")
    for (int k = 0; k < 8; k += 2) {
        t[k] = _mm256_unpacklo_ps(r[k], r[k + 1]);
        t[k + 1] = _mm256_unpackhi_ps(r[k], r[k + 1]);
    }
_Pragma("GCC unroll 2")
    for (int k = 0; k < 8; k += 4)
_Pragma("GCC unroll 2")
        for (int h = 0; h < 2; ++h) {
            const __m256d a = _mm256_castps_pd(t[k + h]), b = _mm256_castps_pd(t[k + h + 2]);
            r[k + 2 * h] = _mm256_castpd_ps(_mm256_unpacklo_pd(a, b));
            r[k + 2 * h + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(a, b));
        }
_Pragma("GCC unroll 4")
    for (int k = 0; k < 4; ++k) {
        _mm256_storeu_ps(y + k * ys, _mm256_permute2f128_ps(r[k], r[4 + k], 0x20));
        _mm256_storeu_ps(y + (4 + k) * ys, _mm256_permute2f128_ps(r[k], r[4 + k], 0x31));
    }
}
#else
SIMD_FN void vf_transpose(float *y, int64_t ys, const float *x, int64_t xs)
{
    for (int r = 0; r < VL; ++r)
        for (int c = 0; c < VL; ++c) y[c * ys + r] = x[r * xs + c];
}
#endif

/* The same of bytes: two rows are interleaved, then pairs, fours and so on. */
#if VL == 4 || defined(SIMD_PLAIN) || !(defined(SIMD_AVX512) || defined(SIMD_AVX2))
SIMD_FN void vb_transpose(uint8_t *y, int64_t ys, const uint8_t *x, int64_t xs)
{
#if defined(SIMD_SSE2) || defined(SIMD_NEON)
    uint8_t rows[16], turned[16];
    for (int r = 0; r < 4; ++r) memcpy(rows + 4 * r, x + r * xs, 4);
    vb_st_s8((int8_t *)turned, vb_turn(rows));
    for (int c = 0; c < 4; ++c) memcpy(y + c * ys, turned + 4 * c, 4);
#else
    for (int r = 0; r < VL; ++r)
        for (int c = 0; c < VL; ++c) y[c * ys + r] = x[r * xs + c];
#endif
}
#elif defined(SIMD_AVX512)
SIMD_FN void vb_transpose(uint8_t *y, int64_t ys, const uint8_t *x, int64_t xs)
{
    __m128i r[16], t[16];
_Pragma("GCC unroll 16")
    for (int k = 0; k < 16; ++k) r[k] = _mm_loadu_si128((const __m128i *)(const void *)(x + k * xs));
_Pragma("GCC unroll 4")
    for (int step = 0; step < 4; ++step) { /* rows k and k + 8 side by side, four times: each byte's row moves into its place */
_Pragma("GCC unroll 8")
        for (int k = 0; k < 8; ++k) {
            t[2 * k] = _mm_unpacklo_epi8(r[k], r[k + 8]);
            t[2 * k + 1] = _mm_unpackhi_epi8(r[k], r[k + 8]);
        }
_Pragma("GCC unroll 16")
        for (int k = 0; k < 16; ++k) r[k] = t[k];
    }
_Pragma("GCC unroll 16")
    for (int k = 0; k < 16; ++k) _mm_storeu_si128((__m128i *)(void *)(y + k * ys), r[k]);
}
#else
SIMD_FN void vb_transpose(uint8_t *y, int64_t ys, const uint8_t *x, int64_t xs)
{
    __m128i r[8], a[4], b[4];
_Pragma("GCC unroll 8")
    for (int k = 0; k < 8; ++k) r[k] = _mm_loadl_epi64((const __m128i *)(const void *)(x + k * xs));
_Pragma("GCC unroll 4")
    for (int k = 0; k < 4; ++k) a[k] = _mm_unpacklo_epi8(r[k], r[k + 4]); /* rows k and k + 4, columns 0 to 7 */
_Pragma("GCC unroll 2")
    for (int k = 0; k < 2; ++k) {
        b[2 * k] = _mm_unpacklo_epi8(a[k], a[k + 2]); /* rows k, k + 2, ..., columns 0 to 3 */
        b[2 * k + 1] = _mm_unpackhi_epi8(a[k], a[k + 2]);
    }
_Pragma("GCC unroll 2")
    for (int k = 0; k < 2; ++k) { /* rows 0 to 7, columns 4k to 4k + 3 */
        const __m128i low = _mm_unpacklo_epi8(b[k], b[k + 2]), high = _mm_unpackhi_epi8(b[k], b[k + 2]);
        _mm_storel_epi64((__m128i *)(void *)(y + 4 * k * ys), low);
        _mm_storel_epi64((__m128i *)(void *)(y + (4 * k + 1) * ys), _mm_unpackhi_epi64(low, low));
        _mm_storel_epi64((__m128i *)(void *)(y + (4 * k + 2) * ys), high);
        _mm_storel_epi64((__m128i *)(void *)(y + (4 * k + 3) * ys), _mm_unpackhi_epi64(high, high));
    }
}
#endif

/* ---- functions ---- */
/* Macros: a vector wider than the hardware's must not be passed to a function. */
typedef int64_t vd_mask __attribute__((vector_size(8 * VL)));
#define vf_double(a) VCONVERT(a, vd)
#define vf_narrow(a) VCONVERT(a, vf)
#define vf_sel_double(m, a, b) ((vd)((VCONVERT(m, vd_mask) & (vd_mask)(a)) | (~VCONVERT(m, vd_mask) & (vd_mask)(b))))
#if defined(SIMD_AVX512)
SIMD_FN vf vf_scale(vf a, vf n) { return (vf)_mm512_scalef_ps((__m512)a, (__m512)n); }
#else
MATH_SCALE(vf, vi, vf, vi)
#endif
MATH_FUNCTIONS(vf, vi, vf, vi, vd)
#define LIBM_LANES(name) SIMD_FN vf vf_##name(vf a) { for (int k = 0; k < VL; ++k) a[k] = sf_##name(a[k]); return a; }
LIBM_FUNCTIONS(LIBM_LANES)
SIMD_FN vf vf_atan2(vf a, vf b) { for (int k = 0; k < VL; ++k) a[k] = sf_atan2(a[k], b[k]); return a; }
#endif
#endif
