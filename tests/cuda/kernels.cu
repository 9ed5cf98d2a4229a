/* kernels.cu [WHICH] - the kernels of kernels.h on ragged sizes against loops in double; all of them, or only `gemm` or `softmax`. */
#include "check.h"
#include "kernels.h"

/* The 16-bit pattern of a multiple of 1/64 in [-1, 1), and back from any finite float16. */
static uint16_t to_f16(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return static_cast<uint16_t>(f == 0 ? 0 : (u >> 16 & 0x8000u) | ((u & 0x7fffffffu) - 0x38000000u) >> 13);
}

static double from_f16(uint16_t h)
{
    const int e = h >> 10 & 31;
    const double fraction = (h & 1023) / 1024.0;
    if (e == 31) return NAN;
    return (h & 0x8000 ? -1 : 1) * (e ? ldexp(1 + fraction, e - 15) : ldexp(fraction, -14));
}

static void test_gemm(int m_size, int n_size, int k_size)
{
    const size_t m = static_cast<size_t>(m_size), n = static_cast<size_t>(n_size), k = static_cast<size_t>(k_size);
    uint16_t *a = static_cast<uint16_t *>(calloc(m * k, 2)), *b = static_cast<uint16_t *>(calloc(n * k, 2));
    uint16_t *c = static_cast<uint16_t *>(calloc(m * n, 2));
    float *bias = static_cast<float *>(calloc(n, sizeof(float)));
    for (size_t i = 0; i < m * k; i++) a[i] = to_f16(floorf(random_float() * 64) / 64);
    for (size_t i = 0; i < n * k; i++) b[i] = to_f16(floorf(random_float() * 64) / 64);
    for (size_t i = 0; i < n; i++) bias[i] = random_float();
    uint16_t *da = to_device(a, m * k), *db = to_device(b, n * k), *dc = to_device<uint16_t>(NULL, m * n);
    float *dbias = to_device(bias, n);
    CUDA(cudaFuncSetAttribute(gemm, cudaFuncAttributeMaxDynamicSharedMemorySize, GEMM_SHARED));
    OCC_LAUNCH(gemm, dim3((static_cast<unsigned>(n) + TILE_N - 1) / TILE_N, (static_cast<unsigned>(m) + TILE_M - 1) / TILE_M), dim3(GEMM_THREADS),
               GEMM_SHARED, 0, dc, da, db, dbias, m_size, n_size, k_size);
    to_host(c, dc, m * n);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double v = static_cast<double>(bias[j]);
            for (size_t l = 0; l < k; l++) v += from_f16(a[i * k + l]) * from_f16(b[j * k + l]);
            v = 0.5 * v * (1.0 + erf(v * sqrt(0.5)));
            CHECK_NEAR(from_f16(c[i * n + j]), v, 1e-5 + fabs(v) / 1024);
        }
    CUDA(cudaFree(da));
    CUDA(cudaFree(db));
    CUDA(cudaFree(dbias));
    free(a);
    free(b);
    free(c);
    free(bias);
}

static void test_softmax(int rows, int columns)
{
    const size_t n = static_cast<size_t>(columns), all = static_cast<size_t>(rows) * n;
    float *x = static_cast<float *>(calloc(all, sizeof(float))), *y = static_cast<float *>(calloc(all, sizeof(float)));
    for (size_t i = 0; i < all; i++) x[i] = random_float() * 8 + static_cast<float>(i / n * 50);
    float *dx = to_device(x, all), *dy = to_device<float>(NULL, all);
    OCC_LAUNCH(softmax, dim3(static_cast<unsigned>(rows)), dim3(SOFTMAX_THREADS), 0, 0, dy, dx, columns);
    to_host(y, dy, all);
    for (size_t r = 0; r < all; r += n) {
        double largest = -INFINITY, sum = 0;
        for (size_t i = r; i < r + n; i++) largest = fmax(largest, static_cast<double>(x[i]));
        for (size_t i = r; i < r + n; i++) sum += exp(static_cast<double>(x[i]) - largest);
        for (size_t i = r; i < r + n; i++) CHECK_NEAR(y[i], exp(static_cast<double>(x[i]) - largest) / sum, 1e-6);
    }
    CUDA(cudaFree(dx));
    free(x);
    free(y);
}

int main(int argc, char **argv)
{
    const char *which = argc > 1 ? argv[1] : "";
    if (strcmp(which, "softmax")) {
        test_gemm(64, 64, 32);
        test_gemm(100, 72, 200);
        test_gemm(1, 8, 8);
        test_gemm(130, 67, 136);
    }
    if (strcmp(which, "gemm")) {
        test_softmax(4, 300);
        test_softmax(3, 17);
    }
    return finish();
}
