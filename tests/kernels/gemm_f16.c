/* gemm_half of float16, whose sums of few products are float16 where there are multiply-adds of it. */
#define OF_HALF f16_to_f
#define TO_HALF f16_of_f
#define HALF_NAN 0x7e00
#define ACC_T vk
#define DOT2 vk_dot2
#define TOTAL vk_total
#define CHAIN 7
#if VL == 16 && defined(__AVX512FP16__)
#define ROUNDING ((CHAIN + 2) * 0x1p-11)
#else
#define ROUNDING 1e-6
#endif
#include "gemm_half.c"
