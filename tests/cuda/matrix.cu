/* matrix.cu - products of a warp, ldmatrix and cp.async against loops over the matrices. */
#include "check.h"

enum { F16, BF16, TF32 };

/* d[16][8] = c + a[16][K] * b[K][8], K 16 for 16-bit elements and 8 for tf32, with fragments gathered as PTX's manual says. */
template <int TYPE, class T> static __device__ __forceinline__ void product(float *d, const T *a, const T *b, const float *c, int k_size)
{
    const int lane = static_cast<int>(threadIdx.x), g = lane / 4, t = lane % 4;
    uint32_t fa[4], fb[2];
    float fd[4];
    for (int r = 0; r < 4; r++) {
        const int row = g + r % 2 * 8, k = TYPE == TF32 ? t + r / 2 * 4 : 2 * t + r / 2 * 8;
        fa[r] = a[row * k_size + k];
        if (TYPE != TF32) fa[r] |= static_cast<uint32_t>(a[row * k_size + k + 1]) << 16;
        fd[r] = c[(g + r / 2 * 8) * 8 + 2 * t + r % 2];
    }
    for (int r = 0; r < 2; r++) {
        const int k = TYPE == TF32 ? t + r * 4 : 2 * t + r * 8;
        fb[r] = b[k * 8 + g];
        if (TYPE != TF32) fb[r] |= static_cast<uint32_t>(b[(k + 1) * 8 + g]) << 16;
    }
    if (TYPE == F16) occ_mma_f16(fd, fa, fb);
    if (TYPE == TF32) occ_mma_tf32(fd, fa, fb);
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800 /* there is none below */
    if (TYPE == BF16) occ_mma_bf16(fd, fa, fb);
#endif
    for (int r = 0; r < 4; r++) d[(g + r / 2 * 8) * 8 + 2 * t + r % 2] = fd[r];
}
OCC_KERNEL(product_f16, 32)(float *d, const uint16_t *a, const uint16_t *b, const float *c)
{
    product<F16>(d, a, b, c, 16);
}
OCC_KERNEL(product_bf16, 32)(float *d, const uint16_t *a, const uint16_t *b, const float *c)
{
    product<BF16>(d, a, b, c, 16);
}
OCC_KERNEL(product_tf32, 32)(float *d, const uint32_t *a, const uint32_t *b, const float *c)
{
    product<TF32>(d, a, b, c, 8);
}

/* Small whole numbers and halves, which all three types hold: the result is exact. */
template <int TYPE, class T> static void test_product(int k_size)
{
    T a[16 * 16], b[16 * 8];
    float va[16 * 16], vb[16 * 8], c[16 * 8], d[16 * 8];
    for (int i = 0; i < 16 * 16; i++) va[i] = floorf(random_float() * 16) / 2;
    for (int i = 0; i < 16 * 8; i++) vb[i] = floorf(random_float() * 16) / 2, c[i] = floorf(random_float() * 100);
    for (int i = 0; i < 16 * 16; i++) {
        uint32_t u;
        memcpy(&u, &va[i], sizeof u);
        /* these numbers are normal or 0 */
        a[i] = static_cast<T>(TYPE == TF32 ? u | 0x1fffu : TYPE == BF16 ? u >> 16 : va[i] == 0 ? 0 : (u >> 16 & 0x8000u) | ((u & 0x7fffffffu) - 0x38000000u) >> 13);
    }
    for (int i = 0; i < 16 * 8; i++) {
        uint32_t u;
        memcpy(&u, &vb[i], sizeof u);
        b[i] = static_cast<T>(TYPE == TF32 ? u : TYPE == BF16 ? u >> 16 : vb[i] == 0 ? 0 : (u >> 16 & 0x8000u) | ((u & 0x7fffffffu) - 0x38000000u) >> 13);
    }
    T *da = to_device(a, 16 * 16), *db = to_device(b, 16 * 8);
    float *dc = to_device(c, 16 * 8), *dd = to_device<float>(NULL, 16 * 8);
    if constexpr (TYPE == F16) OCC_LAUNCH(product_f16, dim3(1), dim3(32), 0, 0, dd, da, db, dc);
    if constexpr (TYPE == BF16) OCC_LAUNCH(product_bf16, dim3(1), dim3(32), 0, 0, dd, da, db, dc);
    if constexpr (TYPE == TF32) OCC_LAUNCH(product_tf32, dim3(1), dim3(32), 0, 0, dd, da, db, dc);
    to_host(d, dd, 16 * 8);
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 8; j++) {
            float sum = c[i * 8 + j];
            for (int k = 0; k < k_size; k++) sum += va[i * k_size + k] * vb[k * 8 + j];
            CHECK_NEAR(d[i * 8 + j], sum, 0);
        }
}

/* Rows of four matrices, 24 elements apart, in shared memory; elements are numbered 64 matrix + 8 row + column. */
OCC_KERNEL(load_matrices, 32)(uint32_t *out, uint32_t *transposed)
{
    OCC_SHARED(uint16_t, rows, [32][24]);
    const int lane = static_cast<int>(threadIdx.x);
    for (int c = 0; c < 8; c++) rows[lane][c] = static_cast<uint16_t>(8 * lane + c);
    __syncthreads();
    uint32_t r[4];
    occ_ldmatrix_x4(r, rows[lane]);
    for (int i = 0; i < 4; i++) out[4 * lane + i] = r[i];
    occ_ldmatrix_x4_trans(r, rows[lane]);
    for (int i = 0; i < 4; i++) transposed[4 * lane + i] = r[i];
}

static void test_ldmatrix(void)
{
    uint32_t out[128], transposed[128];
    uint32_t *d = to_device<uint32_t>(NULL, 128), *dt = to_device<uint32_t>(NULL, 128);
    OCC_LAUNCH(load_matrices, dim3(1), dim3(32), 0, 0, d, dt);
    to_host(out, d, 128);
    to_host(transposed, dt, 128);
    for (int lane = 0; lane < 32; lane++)
        for (int i = 0; i < 4; i++) {
            const int row = lane / 4, column = lane % 4 * 2;
            CHECK_INT(out[4 * lane + i] & 0xffff, 64 * i + 8 * row + column);
            CHECK_INT(out[4 * lane + i] >> 16, 64 * i + 8 * row + column + 1);
            CHECK_INT(transposed[4 * lane + i] & 0xffff, 64 * i + 8 * column + row);
            CHECK_INT(transposed[4 * lane + i] >> 16, 64 * i + 8 * (column + 1) + row);
        }
}

/* Thread t copies 16, or fewer, bytes at a time; three groups, waited for one by one, each read by another thread after a barrier. */
OCC_KERNEL(copies, 64)(unsigned char *out, const unsigned char *in)
{
    OCC_DYNAMIC_SHARED(unsigned char, stage); /* 3 x 64 x 16 */
    const int t = static_cast<int>(threadIdx.x), other = 63 - t;
    for (int s = 0; s < 3; s++) {
        occ_cp_async16(stage + (s * 64 + t) * 16, in + (s * 64 + t) * 16, (t + s) % 17);
        occ_cp_async_commit();
    }
    occ_cp_async_wait<2>();
    __syncthreads();
    for (int i = 0; i < 16; i++) out[t * 16 + i] = stage[other * 16 + i];
    occ_cp_async_wait<1>();
    __syncthreads();
    for (int i = 0; i < 16; i++) out[(64 + t) * 16 + i] = stage[(64 + other) * 16 + i];
    occ_cp_async_commit(); /* an empty group: the last of the three is now the second youngest */
    occ_cp_async_wait<1>();
    __syncthreads();
    for (int i = 0; i < 16; i++) out[(128 + t) * 16 + i] = stage[(128 + other) * 16 + i];
}

static void test_copies(void)
{
    static unsigned char in[3 * 64 * 16], out[3 * 64 * 16];
    for (int i = 0; i < 3 * 64 * 16; i++) in[i] = static_cast<unsigned char>(i * 7 % 250 + 1);
    unsigned char *din = to_device(in, sizeof in), *dout = to_device<unsigned char>(NULL, sizeof out);
    OCC_LAUNCH(copies, dim3(1), dim3(64), 3 * 64 * 16, 0, dout, din);
    to_host(out, dout, sizeof out);
    for (int s = 0; s < 3; s++)
        for (int t = 0; t < 64; t++)
            for (int i = 0; i < 16; i++) {
                const int from = (s * 64 + 63 - t) * 16 + i;
                CHECK_INT(out[(s * 64 + t) * 16 + i], i < (63 - t + s) % 17 ? in[from] : 0);
            }
}

/* Words one by one, from anywhere: element t of every third, zeros where that is outside. */
OCC_KERNEL(gather, 64)(int *out, const int *in, int n)
{
    OCC_DYNAMIC_SHARED(int, stage);
    const int t = static_cast<int>(threadIdx.x);
    occ_cp_async4(stage + t, in + (3 * t < n ? 3 * t : 0), 3 * t < n ? 4 : 0);
    occ_cp_async_commit();
    occ_cp_async_wait<0>();
    __syncthreads();
    out[t] = stage[63 - t];
}

static void test_gather(void)
{
    static int in[100], out[64];
    for (int i = 0; i < 100; i++) in[i] = 1000 + i;
    int *din = to_device(in, 100), *dout = to_device<int>(NULL, 64);
    OCC_LAUNCH(gather, dim3(1), dim3(64), 64 * sizeof(int), 0, dout, din, 100);
    to_host(out, dout, 64);
    for (int t = 0; t < 64; t++) CHECK_INT(out[t], 3 * (63 - t) < 100 ? 1000 + 3 * (63 - t) : 0);
}

int main(void)
{
    test_product<F16, uint16_t>(16);
    test_product<BF16, uint16_t>(16);
    test_product<TF32, uint32_t>(8);
    test_ldmatrix();
    test_copies();
    test_gather();
    return finish();
}
