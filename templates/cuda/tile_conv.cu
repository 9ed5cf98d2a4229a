/* tile_conv.cu - a tile of the matrix whose product with the weights is a convolution: rows k are taps of channels, columns are output pixels.
 *
 * arguments  tile  BK lines of LINES + 8 floats: element (line, k) at k * (LINES + 8) + line
 *            p     the image of a group, index 0; channel, depth, row and column are X_C X_D X_H X_W elements apart, images X_N
 *            line, k  the tile's first column and row: column (image * OD + od) * OH * OW + oh * OW + ow, row ((c * KD + kd) * KH + kh) * KW + kw
 * fixed      LINES BK, THREADS of the block (a multiple of LINES), DEPTH = channels of the group * KD * KH * KW, kernel KD KH KW,
 *            strides SD SH SW, dilations DD DH DW, padding in front PD PH PW
 * free       END  columns: images * OD * OH * OW;  OD OH OW  extents of the output;  D H W  of the image;  X_N X_C X_D X_H X_W
 *
 * By the whole block, asynchronously, in the group that the caller commits: a thread stays with one column, so what depends on the pixel is computed once. Outside of the image are zeros. */
#include "kernel.h"

KERNEL void tile_conv(float *tile, const float *restrict p, int64_t line, int64_t k HOOK_PARAMS)
{
    const int column = (int)threadIdx.x % LINES;
    const int64_t pixel = line + column < END ? line + column : 0;
    const int64_t ow = pixel % OW, oh = pixel / OW % OH, od = pixel / OW / OH % OD, image = pixel / OW / OH / OD;
    const int64_t x = ow * SW - PW, y = oh * SH - PH, z = od * SD - PD;
    const float *from = p + image * X_N;
    OCC_UNROLL
    for (int i = 0; i < BK; i += THREADS / LINES) {
        const int row = i + (int)threadIdx.x / LINES, r = (int)k + row;
        const int kw = r % KW, kh = r / KW % KH, kd = r / KW / KH % KD, c = r / KW / KH / KD;
        const int64_t at_x = x + kw * DW, at_y = y + kh * DH, at_z = z + kd * DD;
        const bool inside = r < DEPTH && line + column < END && at_x >= 0 && at_x < W && at_y >= 0 && at_y < H && at_z >= 0 && at_z < D;
        occ_cp_async4(tile + row * (LINES + 8) + column, from + (inside ? c * X_C + at_z * X_D + at_y * X_H + at_x * X_W : 0), inside ? 4 : 0);
    }
}
