/* cuda_build.c - see cuda_build.h. */
#include "driver/cuda_build.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/embedded.h"
#include "driver/sanitize.h"
#include "target/target.h"

static const char FOLDER[] = "runtime/cuda/", RACE_FLAGS[] = "-g1 -fsanitize=thread"; /* whose hooks the emulation has */

bool cuda_mode_of(const options *o, diag *d, const char *target_name, cuda_mode *out)
{
    const bool cuda = target_is_cuda(target_name), emulate = opt_flag(o, OPT_EMULATE), races = opt_flag(o, OPT_RACES), sanitize = opt_flag(o, OPT_SANITIZE);
    if (emulate && !cuda) return diag_error(d, EXIT_USAGE, "", "emulate", "--emulate is for --target=cuda");
    if (races && !emulate) return diag_error(d, EXIT_USAGE, "", "races", "--races is for --target=cuda --emulate");
    if (cuda && sanitize && !emulate) {
        diag_error(d, EXIT_USAGE, "", "sanitize", "--sanitize is for code that runs on the processor");
        return diag_hint(d, "add --emulate; on a device, CUDA's compute-sanitizer finds wrong accesses");
    }
    if (races && sanitize) return diag_error(d, EXIT_USAGE, "", "races", "--races and --sanitize exclude each other: both watch every access");
    *out = races ? CUDA_RACES : sanitize && cuda ? CUDA_SANITIZED : emulate ? CUDA_EMULATED : CUDA_DEVICE;
    return true;
}

static const char *command_of(const char *variable, const char *fallback)
{
    const char *command = getenv(variable);
    return command && *command ? command : fallback;
}

static bool ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), k = strlen(end);
    return n >= k && !strcmp(s + n - k, end);
}

static bool run(arena *a, arguments *argv, text *messages)
{
    VEC_PUSH(a, *argv, NULL);
    return process_run(argv->p, messages) == 0;
}

/* What the command says of itself; NULL: it does not run. */
static const char *version_of(arena *a, const char *command)
{
    text said = {.mem = a};
    arguments argv = {0};
    arguments_split(a, &argv, command);
    VEC_PUSH(a, argv, "--version");
    return run(a, &argv, &said) ? arena_printf(a, "%s\n%s", command, said.p ? said.p : "") : NULL;
}

/* The embedded files of the emulation, into the folder. */
static bool write_emulation(arena *a, diag *d, const char *folder)
{
    const char *why;
    for (const embedded_file *f = onnxcc_embedded; f->name; f++) {
        if (strncmp(f->name, FOLDER, sizeof FOLDER - 1)) continue;
        const char *path = arena_printf(a, "%s/%s", folder, f->name + sizeof FOLDER - 1);
        if (!file_write(path, f->data, f->size, &why)) return diag_error(d, EXIT_IO, "", "write-failed", "can't write '%s': %s", path, why);
    }
    return true;
}

static uint64_t hash_of_emulation(const char *identity)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (const char *s = identity; *s; s++) h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    for (const embedded_file *f = onnxcc_embedded; f->name; f++)
        for (size_t i = 0; !strncmp(f->name, FOLDER, sizeof FOLDER - 1) && i < f->size; i++) h = (h ^ f->data[i]) * 0x100000001b3u;
    return h;
}

static void emulation_flags(arena *a, arguments *argv)
{
    arguments_split(a, argv, "-std=c++17 -w -shared -fPIC -ffp-contract=off -DOCC_EMULATE");
#if defined(__x86_64__)
    arguments_split(a, argv, "-mfma"); /* fma is one instruction: the emulation needs no other */
#endif
}

static bool build_emulator(arena *a, diag *d, const char *folder, const char *flags, const char *library)
{
    text said = {.mem = a};
    arguments argv = {0};
    const char *temporary = arena_printf(a, "%s.%ld", library, (long)getpid());
    arguments_split(a, &argv, command_of("CXX", "c++"));
    emulation_flags(a, &argv);
    arguments_split(a, &argv, flags);
    VEC_PUSH(a, argv, "-o");
    VEC_PUSH(a, argv, temporary);
    for (const embedded_file *f = onnxcc_embedded; f->name; f++)
        if (!strncmp(f->name, FOLDER, sizeof FOLDER - 1) && ends_with(f->name, ".cpp")) VEC_PUSH(a, argv, arena_printf(a, "%s/%s", folder, f->name + sizeof FOLDER - 1));
    if (run(a, &argv, &said) && !rename(temporary, library)) return true;
    unlink(temporary);
    return diag_error(d, EXIT_INTERNAL, "", "emulation", "the C++ compiler refused the emulation: %.600s", said.p ? said.p : "");
}

bool cuda_prepare(arena *a, diag *d, const char *folder, const char *cache, cuda_mode mode, const char *arch, cuda_tools *out)
{
    const bool emulate = mode != CUDA_DEVICE;
    const char *flags = mode == CUDA_SANITIZED ? SANITIZE_FLAGS : "-O2", *command = emulate ? command_of("CXX", "c++") : command_of("CUDACXX", "nvcc");
    *out = (cuda_tools){.mode = mode, .arch = arch, .identity = version_of(a, command)};
    if (!out->identity) {
        diag_error(d, EXIT_IO, "", "cc-missing", "the compiler '%s' does not run", command);
        return diag_hint(d, emulate ? "install g++ or clang++, or name one in CXX" : "name CUDA's compiler in CUDACXX, or try the code on the processor with --emulate");
    }
    if (!emulate) return true;
    if (!write_emulation(a, d, folder)) return false;
    const unsigned long long hash = hash_of_emulation(arena_printf(a, "%s%s", out->identity, flags));
    out->identity = arena_printf(a, "%s%llx%s", out->identity, hash, mode == CUDA_RACES ? RACE_FLAGS : "");
    out->emulator = arena_printf(a, "%s/occ_emulate-%016llx.so", cache ? cache : folder, hash);
    return !access(out->emulator, R_OK) || build_emulator(a, d, folder, flags, out->emulator);
}

/* The compiler with what every call of it needs. */
static void begin_call(arena *a, const cuda_tools *tools, const char *include, const char *level, const char *flags, arguments *argv)
{
    const bool emulate = tools->mode != CUDA_DEVICE;
    arguments_split(a, argv, emulate ? command_of("CXX", "c++") : command_of("CUDACXX", "nvcc"));
    if (emulate) emulation_flags(a, argv);
    else {
        arguments_split(a, argv, "-std=c++17 -w -shared -Xcompiler -fPIC --fmad=false -cudart static");
        if (!tools->arch) VEC_PUSH(a, *argv, "-arch=native");
        for (const char *s = tools->arch; s && *s; s += strcspn(s, ";") + (s[strcspn(s, ";")] == ';')) {
            const int length = (int)strcspn(s, ";");
            VEC_PUSH(a, *argv, arena_printf(a, "-gencode=arch=compute_%.*s,code=sm_%.*s", length, s, length, s));
        }
    }
    arguments_split(a, argv, level);
    arguments_split(a, argv, flags);
    VEC_PUSH(a, *argv, "-I");
    VEC_PUSH(a, *argv, include);
    VEC_PUSH(a, *argv, arena_printf(a, emulate ? "-Wa,-I,%s" : "-Xcompiler=-Wa\\,-I\\,%s", include));
}

/* A .cu file with the race detector's hooks, as an object: linked with -fsanitize=thread, the library would want ThreadSanitizer's own. */
static bool instrument(arena *a, const cuda_tools *tools, const char *source, const char *include, const char *level, const char *flags, const char *object,
                       text *messages)
{
    arguments argv = {0};
    begin_call(a, tools, include, level, arena_printf(a, "%s %s -c -xc++", flags, RACE_FLAGS), &argv);
    VEC_PUSH(a, argv, source);
    VEC_PUSH(a, argv, "-o");
    VEC_PUSH(a, argv, object);
    return run(a, &argv, messages);
}

static const char *language_of(const char *source)
{
    return ends_with(source, ".cu") ? "-xc++" : ends_with(source, ".c") ? "-xc" : ends_with(source, ".o") ? "-xnone" : "-xassembler-with-cpp";
}

bool cuda_shared(arena *a, const cuda_tools *tools, const char *const *sources, uint32_t n, const char *include, const char *flags, const char *level,
                 const char *library, text *messages)
{
    arguments argv = {0}, objects = {0};
    bool ok = true;
    begin_call(a, tools, include, level, flags, &argv);
    VEC_PUSH(a, argv, "-o");
    VEC_PUSH(a, argv, library);
    for (uint32_t i = 0; i < n && ok; i++) {
        const char *source = sources[i];
        if (tools->mode == CUDA_RACES && ends_with(source, ".cu")) {
            const char *object = arena_printf(a, "%s.%u.o", library, i);
            ok = instrument(a, tools, source, include, level, flags, object, messages);
            VEC_PUSH(a, objects, object);
            source = object;
        }
        if (tools->mode != CUDA_DEVICE) VEC_PUSH(a, argv, language_of(source));
        VEC_PUSH(a, argv, source);
    }
    if (tools->mode != CUDA_DEVICE) {
        VEC_PUSH(a, argv, "-xnone");
        VEC_PUSH(a, argv, tools->emulator);
    }
    ok = ok && run(a, &argv, messages);
    for (uint32_t i = 0; i < objects.n; i++) unlink(objects.p[i]);
    return ok;
}
