/* shuffle.cu - shuffles of every type and kind, in segments, with partial masks; votes; __syncwarp. */
#include "check.h"

/* Each lane's results beside one another: xor, down, idx by the short names, then up, and segments of 8. */
template <class T> static __device__ __forceinline__ void shuffle_all(T *out, T v, int t)
{
    out[t * 8 + 0] = occ_shfl_xor(v, 5);
    out[t * 8 + 1] = occ_shfl_down(v, 7);
    out[t * 8 + 2] = occ_shfl(v, 31 - t % 32);
    out[t * 8 + 3] = __shfl_up_sync(0xffffffffu, v, 3);
    out[t * 8 + 4] = __shfl_xor_sync(0xffffffffu, v, 9, 8);
    out[t * 8 + 5] = __shfl_down_sync(0xffffffffu, v, 3, 8);
    out[t * 8 + 6] = __shfl_up_sync(0xffffffffu, v, 3, 8);
    out[t * 8 + 7] = __shfl_sync(0xffffffffu, v, 11, 8);
}

#define SHUFFLES(T, name)                                                                                                   \
    OCC_KERNEL(shuffle_##name, 64)(T * out, T scale)                                                                        \
    {                                                                                                                       \
        const int t = static_cast<int>(threadIdx.x);                                                                        \
        shuffle_all(out, static_cast<T>(static_cast<T>(t) * scale), t);                                                     \
    }                                                                                                                       \
    static void test_##name(T scale)                                                                                        \
    {                                                                                                                       \
        static T out[64 * 8];                                                                                               \
        T *d = to_device<T>(NULL, 64 * 8);                                                                                  \
        OCC_LAUNCH(shuffle_##name, dim3(1), dim3(64), 0, 0, d, scale);                                                      \
        to_host(out, d, 64 * 8);                                                                                            \
        for (int t = 0; t < 64; t++) {                                                                                      \
            const int lane = t % 32, warp = t - lane, in8 = lane % 8, from8 = lane - in8;                                   \
            const int source[8] = {lane ^ 5,                                                                                \
                                   lane + 7 < 32 ? lane + 7 : lane,                                                         \
                                   31 - lane,                                                                               \
                                   lane >= 3 ? lane - 3 : lane,                                                             \
                                   (lane ^ 9) < from8 + 8 ? lane ^ 9 : lane,                                                \
                                   in8 + 3 < 8 ? lane + 3 : lane,                                                           \
                                   in8 >= 3 ? lane - 3 : lane,                                                              \
                                   from8 + 3};                                                                              \
            for (int k = 0; k < 8; k++) CHECK(out[t * 8 + k] == static_cast<T>(static_cast<T>(warp + source[k]) * scale));  \
        }                                                                                                                   \
    }
SHUFFLES(float, float)
SHUFFLES(double, double)
SHUFFLES(int, int)
SHUFFLES(unsigned, unsigned)
SHUFFLES(long long, longlong)
SHUFFLES(unsigned long long, ulonglong)

/* Half of a warp at a time: each half shuffles with a mask of its own. */
OCC_KERNEL(halves, 32)(int *out)
{
    const int t = static_cast<int>(threadIdx.x);
    int v;
    if (t < 16)
        v = __shfl_xor_sync(0x0000ffffu, t, 1);
    else
        v = __shfl_xor_sync(0xffff0000u, t, 2);
    __syncwarp();
    out[t] = v;
}

static void test_halves(void)
{
    int out[32], *d = to_device<int>(NULL, 32);
    OCC_LAUNCH(halves, dim3(1), dim3(32), 0, 0, d);
    to_host(out, d, 32);
    for (int t = 0; t < 32; t++) CHECK_INT(out[t], t < 16 ? t ^ 1 : t ^ 2);
}

OCC_KERNEL(votes, 64)(unsigned *out, int limit)
{
    const int t = static_cast<int>(threadIdx.x);
    out[t * 3] = __ballot_sync(0xffffffffu, t % 3 == 0);
    out[t * 3 + 1] = static_cast<unsigned>(__any_sync(0xffffffffu, t == limit));
    out[t * 3 + 2] = static_cast<unsigned>(__all_sync(0xffffffffu, t < limit));
}

static void test_votes(void)
{
    unsigned out[64 * 3], *d = to_device<unsigned>(NULL, 64 * 3), ballot[2] = {0, 0};
    OCC_LAUNCH(votes, dim3(1), dim3(64), 0, 0, d, 40);
    to_host(out, d, 64 * 3);
    for (int t = 0; t < 64; t += 3) ballot[t / 32] |= 1u << t % 32;
    for (int t = 0; t < 64; t++) {
        CHECK_INT(out[t * 3], ballot[t / 32]);
        CHECK_INT(out[t * 3 + 1] != 0, t >= 32);
        CHECK_INT(out[t * 3 + 2] != 0, t < 32);
    }
}

/* Lanes hand numbers round in shared memory; __syncwarp orders the accesses. */
OCC_KERNEL(rotate, 64)(int *out, int steps)
{
    OCC_SHARED(int, slot, [64]);
    const int t = static_cast<int>(threadIdx.x), next = t / 32 * 32 + (t + 1) % 32;
    int v = t;
    for (int i = 0; i < steps; i++) {
        slot[t] = v;
        __syncwarp();
        v = slot[next];
        __syncwarp();
    }
    out[t] = v;
}

static void test_syncwarp(void)
{
    int out[64], *d = to_device<int>(NULL, 64);
    OCC_LAUNCH(rotate, dim3(1), dim3(64), 0, 0, d, 5);
    to_host(out, d, 64);
    for (int t = 0; t < 64; t++) CHECK_INT(out[t], t / 32 * 32 + (t + 5) % 32);
}

int main(void)
{
    test_float(0.375f);
    test_double(1.0 / 3.0);
    test_int(-70001);
    test_unsigned(0x7000001u);
    test_longlong(-0x100000001LL);
    test_ulonglong(0x100000000001ULL);
    test_halves();
    test_votes();
    test_syncwarp();
    return finish();
}
