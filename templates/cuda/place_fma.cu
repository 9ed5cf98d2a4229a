/* place_fma.cu - where the elements of a thread are in a tile that 256 threads in a square of 16 by 16 share: element i * BN / 16 + j is in row y + 16 i
 * and column x + 16 j. */
#include "kernel.h"

KERNEL void place_fma(int e, int *row, int *column HOOK_PARAMS)
{
    *row = (int)threadIdx.x / 16 + e / (BN / 16) * 16;
    *column = (int)threadIdx.x % 16 + e % (BN / 16) * 16;
}
