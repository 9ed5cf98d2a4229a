/* conv_wino with tiles of 2x2 pixels. */
#define SIDE 2
#include "conv_wino.c"
