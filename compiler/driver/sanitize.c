/* sanitize.c - the sanitizers' runtime for generated code: found through the C compiler, loaded by starting this program again with LD_PRELOAD. */
#include "driver/sanitize.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver/build.h"

/* -O1 since instrumented code takes long to optimise; float-cast-overflow is not part of "undefined". With detect_stack_use_after_return gcc puts
 * vectors of 64 bytes at addresses that are none of their alignment (its bug 110027): generated code, which returns no addresses, goes without. */
const char SANITIZE_FLAGS[] = "-O1 -g1 -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all -fno-omit-frame-pointer "
                              "--param asan-use-after-return=0";

static const char *const STARTED = "ONNXCC_SANITIZE_STARTED"; /* set when started again: a second time would not help */

bool sanitizer_loaded(void)
{
    return dlsym(RTLD_DEFAULT, "__asan_init") != NULL;
}

static void option_default(const char *variable, const char *setting)
{
    setenv(variable, setting, 0); /* what the user set counts */
}

bool sanitize_enter(arena *a, diag *d, char *const *argv)
{
    if (sanitizer_loaded()) {
        if (getenv(STARTED)) unsetenv("LD_PRELOAD"); /* not for the C compiler */
        return true;
    }
    const char *runtime = getenv(STARTED) ? NULL : cc_file(a, "libasan.so");
    if (!runtime) {
        diag_error(d, EXIT_USAGE, "", "no-sanitizer", "the C compiler has no AddressSanitizer runtime that can be loaded");
        return diag_hint(d, "--sanitize needs gcc with libasan: set CC");
    }
    const char *before = getenv("LD_PRELOAD");
    setenv("LD_PRELOAD", before && *before ? arena_printf(a, "%s:%s", runtime, before) : runtime, 1);
    setenv(STARTED, "1", 1);
    option_default("ASAN_OPTIONS", "detect_leaks=0:print_legend=0"); /* the arenas are not freed when a run ends early */
    option_default("UBSAN_OPTIONS", "print_stacktrace=0");
    execv("/proc/self/exe", argv);
    return diag_error(d, EXIT_IO, "", "no-sanitizer", "can't start this program again: %s", strerror(errno));
}
