/* occ_fiber.cpp - a stack of its own for every thread of a block, and the switch between them: registers that a call keeps, no system call.
 * x86-64 and AArch64 in assembly; elsewhere, or with OCC_UCONTEXT defined, ucontext. AddressSanitizer is told of every switch. */
#include "occ_internal.h"

#include <sys/mman.h>
#include <unistd.h>
#if OCC_ASAN
#include <sanitizer/common_interface_defs.h>
extern "C" void __asan_handle_no_return(void);
#endif

static constexpr size_t STACK_BYTES = OCC_ASAN ? 512 << 10 : 128 << 10; /* touched pages only cost memory */

#if defined(__x86_64__) && !defined(OCC_UCONTEXT)
extern "C" void occ_switch_stacks(void **from, void *to);
asm(".text\n"
    ".globl occ_switch_stacks\n"
    ".type occ_switch_stacks, @function\n"
    "occ_switch_stacks:\n"
    "    push %rbp\n"
    "    push %rbx\n"
    "    push %r12\n"
    "    push %r13\n"
    "    push %r14\n"
    "    push %r15\n"
    "    mov %rsp, (%rdi)\n"
    "    mov %rsi, %rsp\n"
    "    pop %r15\n"
    "    pop %r14\n"
    "    pop %r13\n"
    "    pop %r12\n"
    "    pop %rbx\n"
    "    pop %rbp\n"
    "    ret\n"
    ".size occ_switch_stacks, . - occ_switch_stacks\n");

/* Six registers, the address that the switch returns to, and 8 bytes that leave the stack as a call would. */
static void *first_frame(char *top, void (*entry)(void))
{
    void **sp = reinterpret_cast<void **>(top) - 8;
    for (int i = 0; i < 8; i++) sp[i] = nullptr;
    sp[6] = reinterpret_cast<void *>(entry);
    return sp;
}
#elif defined(__aarch64__) && !defined(OCC_UCONTEXT)
extern "C" void occ_switch_stacks(void **from, void *to);
asm(".text\n"
    ".globl occ_switch_stacks\n"
    ".type occ_switch_stacks, %function\n"
    "occ_switch_stacks:\n"
    "    sub sp, sp, #160\n"
    "    stp x19, x20, [sp]\n"
    "    stp x21, x22, [sp, #16]\n"
    "    stp x23, x24, [sp, #32]\n"
    "    stp x25, x26, [sp, #48]\n"
    "    stp x27, x28, [sp, #64]\n"
    "    stp x29, x30, [sp, #80]\n"
    "    stp d8, d9, [sp, #96]\n"
    "    stp d10, d11, [sp, #112]\n"
    "    stp d12, d13, [sp, #128]\n"
    "    stp d14, d15, [sp, #144]\n"
    "    mov x9, sp\n"
    "    str x9, [x0]\n"
    "    mov sp, x1\n"
    "    ldp x19, x20, [sp]\n"
    "    ldp x21, x22, [sp, #16]\n"
    "    ldp x23, x24, [sp, #32]\n"
    "    ldp x25, x26, [sp, #48]\n"
    "    ldp x27, x28, [sp, #64]\n"
    "    ldp x29, x30, [sp, #80]\n"
    "    ldp d8, d9, [sp, #96]\n"
    "    ldp d10, d11, [sp, #112]\n"
    "    ldp d12, d13, [sp, #128]\n"
    "    ldp d14, d15, [sp, #144]\n"
    "    add sp, sp, #160\n"
    "    ret\n"
    ".size occ_switch_stacks, . - occ_switch_stacks\n");

static void *first_frame(char *top, void (*entry)(void))
{
    void **sp = reinterpret_cast<void **>(top) - 20;
    for (int i = 0; i < 20; i++) sp[i] = nullptr;
    sp[11] = reinterpret_cast<void *>(entry); /* x30 */
    return sp;
}
#else
#include <ucontext.h>
static void occ_switch_stacks(void **from, void *to)
{
    ucontext_t here;
    *from = &here;
    swapcontext(&here, static_cast<ucontext_t *>(to));
}

/* The context lies at the top of the stack, above what the fiber uses. */
static void *first_frame(char *top, void (*entry)(void))
{
    ucontext_t *c = reinterpret_cast<ucontext_t *>(top - (sizeof(ucontext_t) + 63) / 64 * 64);
    getcontext(c);
    c->uc_stack.ss_sp = top - STACK_BYTES;
    c->uc_stack.ss_size = static_cast<size_t>(reinterpret_cast<char *>(c) - (top - STACK_BYTES));
    c->uc_link = nullptr;
    makecontext(c, entry, 0);
    return c;
}
#endif

bool occ_on_stack(const occ_fiber *f, const void *p)
{
    return static_cast<const char *>(p) >= f->stack && static_cast<const char *>(p) < f->stack + STACK_BYTES;
}

/* Below the stack lies a page that may not be touched. */
void occ_fiber_prepare(occ_fiber *f, void (*entry)(void))
{
    if (!f->stack) {
        const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
        void *p = mmap(nullptr, page + STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED || mprotect(p, page, PROT_NONE)) {
            fprintf(stderr, "onnxcc emulation: error: there is no memory for the stacks of a block's threads\n");
            exit(OCC_EXIT_ERROR);
        }
        f->stack = static_cast<char *>(p) + page;
    }
    f->sanitizer = nullptr;
    f->sp = first_frame(f->stack + STACK_BYTES, entry);
}

#if OCC_ASAN
static const void *host_stack;
static size_t host_stack_bytes;
static bool host_known;

void occ_fiber_switch(occ_fiber *from, occ_fiber *to, bool last)
{
    if (last) __asan_handle_no_return(); /* what the fiber leaves on its stack must not be in the next one's way */
    const void *bottom = to->stack ? to->stack : host_stack;
    __sanitizer_start_switch_fiber(last ? nullptr : &from->sanitizer, bottom, to->stack ? STACK_BYTES : host_stack_bytes);
    occ_switch_stacks(&from->sp, to->sp);
    __sanitizer_finish_switch_fiber(from->sanitizer, nullptr, nullptr);
}
/* The first thing that a fiber does; it comes from the host's stack at least once. */
void occ_fiber_entered(void)
{
    const void *bottom;
    size_t bytes;
    __sanitizer_finish_switch_fiber(nullptr, &bottom, &bytes);
    if (!host_known) host_stack = bottom, host_stack_bytes = bytes;
    host_known = true;
}
#else
void occ_fiber_switch(occ_fiber *from, occ_fiber *to, bool)
{
    occ_switch_stacks(&from->sp, to->sp);
}
void occ_fiber_entered(void)
{
}
#endif
