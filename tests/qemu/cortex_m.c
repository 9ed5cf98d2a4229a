/* cortex_m.c - start-up code of a Cortex-M3 or M4F without an operating system, and what the tests need of one: text out and an exit code, both through
 * semihosting (Arm IHI 0100), which QEMU and debug probes serve. The places of sections come from cortex_m.ld. */
#include <stdint.h>

enum {
    SYS_WRITE0 = 0x04,        /* argument: a string that ends with 0 */
    SYS_EXIT_EXTENDED = 0x20, /* argument: reason and exit code */
    APPLICATION_EXIT = 0x20026,
    EXIT_FAULT = 99
};

extern uint32_t data_load[], data_begin[], data_end[], bss_begin[], bss_end[], stack_top[];
int main(void);
void put_text(const char *text);
void reset(void);

static void semihost(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

void put_text(const char *text)
{
    semihost(SYS_WRITE0, text);
}

static void leave(uint32_t code)
{
    const uint32_t block[2] = {APPLICATION_EXIT, code};
    for (;;) semihost(SYS_EXIT_EXTENDED, block);
}

static void fault(void)
{
    put_text("the processor took a fault\n");
    leave(EXIT_FAULT);
}

/* The processor has loaded the stack pointer from the first word of the table below. */
void reset(void)
{
    volatile uint32_t *const cpacr = (volatile uint32_t *)0xe000ed88u; /* coprocessor access control (ARM DDI 0403E, B3.2.20) */
    *cpacr |= 0xfu << 20;                                              /* CP10 and CP11, the FPU, for everyone; an M3 has none and ignores it */
    __asm__ volatile("dsb\n\tisb" ::: "memory");
    const uint32_t *from = data_load;
    for (uint32_t *to = data_begin; to < data_end; to++) *to = *from++;
    for (uint32_t *to = bss_begin; to < bss_end; to++) *to = 0;
    leave((uint32_t)main());
}

typedef void (*handler)(void);
enum { RESET = 1, NMI, HARD_FAULT, MEM_FAULT, BUS_FAULT, USAGE_FAULT, N_SYSTEM = 16 };
typedef struct {
    uint32_t *stack;
    handler at[N_SYSTEM - 1];
} vector_table;

__attribute__((section(".vectors"), used)) static const vector_table vectors = {
    stack_top, {[RESET - 1] = reset, [NMI - 1] = fault, [HARD_FAULT - 1] = fault, [MEM_FAULT - 1] = fault, [BUS_FAULT - 1] = fault, [USAGE_FAULT - 1] = fault}};
