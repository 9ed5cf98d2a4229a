/* gemm with blocks of k, which the K of most shapes are more than, and whole lines prefetched. */
#define KC 16
#define AHEAD 16
#include "gemm.c"
