/* place_mma.cu - where the elements of a thread are in a tile of BM by BN that WM by WN warps share, each with fragments of 16 by 8: element
 * (i * BN / WN / 8 + j) * 4 + r is number r of the thread in fragment (i, j) of its warp. */
#include "kernel.h"

KERNEL void place_mma(int e, int *row, int *column HOOK_PARAMS)
{
    const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32, i = e / 4 / (BN / WN / 8), j = e / 4 % (BN / WN / 8), r = e % 4;
    *row = warp / WN * (BM / WM) + i * 16 + lane / 4 + r / 2 * 8;
    *column = warp % WN * (BN / WN) + j * 8 + lane % 4 * 2 + r % 2;
}
