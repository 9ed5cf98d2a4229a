/* attention where rows with a NaN give zeros, too. */
#define DV (2 * VL)
#define EMPTY 2
#include "attention.c"
