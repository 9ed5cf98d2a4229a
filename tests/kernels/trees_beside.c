/* trees_heap.c where rows, or trees, go down side by side without gathers. */
#define GATHERS 0
#include "trees_heap.c"
