/* nbits_int8 with 8 bits. */
#define BITS 8
#define SIZE 48
#define ZEROS 0
#define ZERO 128
#include "nbits_int8_check.h"
