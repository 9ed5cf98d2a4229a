/* fold.h - a fold over the values that the threads of a block hold: every thread gets the result, the same bits for the same number of threads.
 *
 * Blocks are one-dimensional, of whole warps; all threads of the block call it. Lanes are folded as a tree (16-8-4-2-1), then warps in order. It
 * holds two barriers, so what was written to memory before it can be read by all threads after it. */
#define OCC_BLOCK_FOLD(NAME, T, E)                                          \
    OCC_DEVICE T NAME(T v)                                                  \
    {                                                                       \
        OCC_SHARED(T, part, [32]);                                          \
        for (int k = 16; k > 0; k /= 2) {                                   \
            const T o = occ_shfl_xor(v, k);                                 \
            v = E;                                                          \
        }                                                                   \
        if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = v;              \
        __syncthreads();                                                    \
        v = part[0];                                                        \
        for (unsigned k = 1; k < blockDim.x / 32; ++k) {                    \
            const T o = part[k];                                            \
            v = E;                                                          \
        }                                                                   \
        __syncthreads();                                                    \
        return v;                                                           \
    }
OCC_BLOCK_FOLD(occ_block_sum_sf, float, v + o)
OCC_BLOCK_FOLD(occ_block_prod_sf, float, v * o)
OCC_BLOCK_FOLD(occ_block_max_sf, float, sf_max(v, o))
OCC_BLOCK_FOLD(occ_block_min_sf, float, sf_min(v, o))
OCC_BLOCK_FOLD(occ_block_sum_sd, double, v + o)
OCC_BLOCK_FOLD(occ_block_prod_sd, double, v * o)
OCC_BLOCK_FOLD(occ_block_max_sd, double, sd_max(v, o))
OCC_BLOCK_FOLD(occ_block_min_sd, double, sd_min(v, o))
OCC_BLOCK_FOLD(occ_block_sum_si, int32_t, si_add(v, o))
OCC_BLOCK_FOLD(occ_block_prod_si, int32_t, si_mul(v, o))
OCC_BLOCK_FOLD(occ_block_max_si, int32_t, si_max(v, o))
OCC_BLOCK_FOLD(occ_block_min_si, int32_t, si_min(v, o))
OCC_BLOCK_FOLD(occ_block_or_si, int32_t, v | o)
OCC_BLOCK_FOLD(occ_block_and_si, int32_t, v & o)
OCC_BLOCK_FOLD(occ_block_sum_su, uint32_t, v + o)
OCC_BLOCK_FOLD(occ_block_prod_su, uint32_t, v * o)
OCC_BLOCK_FOLD(occ_block_max_su, uint32_t, su_max(v, o))
OCC_BLOCK_FOLD(occ_block_min_su, uint32_t, su_min(v, o))
OCC_BLOCK_FOLD(occ_block_or_su, uint32_t, v | o)
OCC_BLOCK_FOLD(occ_block_and_su, uint32_t, v & o)
OCC_BLOCK_FOLD(occ_block_sum_sl, int64_t, sl_add(v, o))
OCC_BLOCK_FOLD(occ_block_prod_sl, int64_t, sl_mul(v, o))
OCC_BLOCK_FOLD(occ_block_max_sl, int64_t, sl_max(v, o))
OCC_BLOCK_FOLD(occ_block_min_sl, int64_t, sl_min(v, o))
OCC_BLOCK_FOLD(occ_block_or_sl, int64_t, v | o)
OCC_BLOCK_FOLD(occ_block_and_sl, int64_t, v & o)
OCC_BLOCK_FOLD(occ_block_sum_sw, uint64_t, v + o)
OCC_BLOCK_FOLD(occ_block_prod_sw, uint64_t, v * o)
OCC_BLOCK_FOLD(occ_block_max_sw, uint64_t, sw_max(v, o))
OCC_BLOCK_FOLD(occ_block_min_sw, uint64_t, sw_min(v, o))
OCC_BLOCK_FOLD(occ_block_or_sw, uint64_t, v | o)
OCC_BLOCK_FOLD(occ_block_and_sw, uint64_t, v & o)

/* The result of sl_index in threads that go on together: an index that was not there is noted, and 0 in its place. */
OCC_DEVICE int64_t occ_index(int64_t index, int *fail)
{
    if (index >= 0) return index;
    *fail = ONNXCC_E_INDEX;
    return 0;
}
