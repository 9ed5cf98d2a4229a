/* tile16.cu - a tile of a matrix from global to shared memory as 16-bit floats, zeros outside of the matrix.
 *
 * arguments  tile  ROWS 1: LINES lines of BK + 8 elements, element (line, k) at line * (BK + 8) + k
 *                  ROWS 0: BK lines of LINES + 8, element (line, k) at k * (LINES + 8) + line
 *            p     the matrix; element (line, k) at line * STRIDE + k (ROWS 1) or k * STRIDE + line (ROWS 0)
 *            line, k  the tile's first element
 * fixed      T  float, or uint16_t: the bits of what the tile holds      PACK  occ_pack_f16 or occ_pack_bf16, for floats
 *            LINES BK ROWS, THREADS of the block; VEC 1: p is at a multiple of 16 bytes and so are all lines, so 16 bytes are one access
 * free       END DEPTH  extents of the matrix along lines and k      STRIDE
 *
 * By the whole block. What is copied asynchronously belongs to the group that the caller commits. */
#include "kernel.h"

/* Eight elements, of which the first `left` are in the matrix, as 16-bit floats. */
INLINE uint4 tile16_eight(const float *from, int64_t left)
{
    float v[8];
    if (VEC && left >= 8) {
        const float4 low = occ_load_f4(from), high = occ_load_f4(from + 4);
        v[0] = low.x, v[1] = low.y, v[2] = low.z, v[3] = low.w;
        v[4] = high.x, v[5] = high.y, v[6] = high.z, v[7] = high.w;
    } else {
        OCC_UNROLL
        for (int e = 0; e < 8; e++) v[e] = e < left ? from[e] : 0.0f;
    }
    return make_uint4(PACK(v[0], v[1]), PACK(v[2], v[3]), PACK(v[4], v[5]), PACK(v[6], v[7]));
}
INLINE uint4 tile16_eight(const uint16_t *from, int64_t left)
{
    uint32_t v[4];
    OCC_UNROLL
    for (int e = 0; e < 4; e++) v[e] = (2 * e < left ? (uint32_t)from[2 * e] : 0u) | (2 * e + 1 < left ? (uint32_t)from[2 * e + 1] << 16 : 0u);
    return make_uint4(v[0], v[1], v[2], v[3]);
}

KERNEL void tile16(uint16_t *tile, const T *restrict p, int64_t line, int64_t k HOOK_PARAMS)
{
    const int length = ROWS ? BK : LINES, pitch = length + 8;
    OCC_UNROLL
    for (int i = 0; i < LINES * BK / 8; i += THREADS) {
        const int c = i + (int)threadIdx.x, row = c / (length / 8), column = c % (length / 8) * 8;
        if (LINES * BK / 8 % THREADS != 0 && c >= LINES * BK / 8) break;
        const int64_t across = (ROWS ? line : k) + row, along = (ROWS ? k : line) + column;
        const int64_t across_end = ROWS ? END : DEPTH, along_end = ROWS ? DEPTH : END;
        const int64_t left = across < across_end && along < along_end ? along_end - along : 0;
        const T *from = p + (left > 0 ? across * STRIDE + along : 0);
        uint16_t *to = tile + row * pitch + column;
        if (VEC && sizeof(T) == 2) occ_cp_async16(to, from, left >= 8 ? 16 : (int)left * 2);
        else occ_store16(to, tile16_eight(from, left));
    }
}
