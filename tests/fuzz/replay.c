/* replay.c - kept cases (all .onnx of FOLDER) through what the fuzz targets do, each within 2 seconds of processor time (20 under sanitizers). */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "judge.h"

int main(int argc, char **argv)
{
    const struct itimerval limit = {.it_value = {UNDER_SANITIZERS ? 20 : 2, 0}};
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    long n = 0;
    if (!folder) return 2;
    for (const struct dirent *e; (e = readdir(folder));) {
        char path[4096];
        const char *why;
        file_view f;
        if (!strstr(e->d_name, ".onnx")) continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
        if (!file_map(path, &f, &why)) return 2;
        printf("%s\n", e->d_name);
        fflush(stdout);
        setitimer(ITIMER_PROF, &limit, NULL); /* SIGPROF ends this */
        arena *mem = arena_new();
        compiled out;
        judge_load(f.data, f.size);
        judge_check(f.data, f.size);
        judge_rewrite(f.data, f.size);
        (void)judge_compile(mem, f.data, f.size, "generic-c99", &out);
        arena_free(mem);
        file_unmap(&f);
        n++;
    }
    closedir(folder);
    printf("%ld cases\n", n);
    return n ? 0 : 2;
}
