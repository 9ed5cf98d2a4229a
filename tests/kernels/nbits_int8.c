/* nbits_int8 with 4 bits and one zero point. */
#define BITS 4
#define SIZE 32
#define ZEROS 0
#define ZERO 8
#include "nbits_int8_check.h"
