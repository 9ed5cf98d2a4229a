/* nbits_int8 with 2 bits and a zero point for each block. */
#define BITS 2
#define SIZE 16
#define ZEROS 1
#define ZERO 0
#include "nbits_int8_check.h"
