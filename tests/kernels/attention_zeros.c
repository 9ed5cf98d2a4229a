/* attention where rows without keys give zeros, values that fill their panels. */
#define DV (4 * VL)
#define EMPTY 1
#include "attention.c"
