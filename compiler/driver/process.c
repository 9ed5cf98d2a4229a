/* process.c - starting programs, and a pool of forked jobs with limits of time and memory. */
#include "driver/process.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "driver/sanitize.h"

static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int process_run(const char *const *argv, text *output)
{
    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC)) return -1;
    fflush(NULL);
    const pid_t pid = fork();
    if (pid < 0) {
        close(pipes[0]);
        close(pipes[1]);
        return -1;
    }
    if (!pid) {
        const int none = open("/dev/null", O_RDONLY);
        dup2(none, STDIN_FILENO);
        dup2(pipes[1], STDOUT_FILENO);
        dup2(pipes[1], STDERR_FILENO);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        dprintf(STDERR_FILENO, "can't run %s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    close(pipes[1]);
    char part[4096];
    for (ssize_t k; (k = read(pipes[0], part, sizeof part)) > 0 || (k < 0 && errno == EINTR);)
        if (k > 0) text_addn(output, part, (size_t)k);
    close(pipes[0]);
    return wait_for(pid);
}

void arguments_split(arena *a, arguments *to, const char *command)
{
    while (*command) {
        const size_t n = strcspn(command, " \t");
        if (n) VEC_PUSH(a, *to, arena_strndup(a, command, n));
        command += n + strspn(command + n, " \t");
    }
}

/* ---- jobs ---- */

typedef struct {
    pid_t pid; /* 0: free */
    uint32_t job;
    int pipe;
    FILE *messages;
    text result;
    double deadline;
    bool timed_out;
} job_slot;

double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static _Noreturn void child(const job_limits *l, int out, FILE *messages, uint32_t i, job_work *work, void *ctx)
{
    setpgid(0, 0);
    if (messages) dup2(fileno(messages), STDERR_FILENO);
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    if (l->seconds) {
        const struct rlimit most = {(rlim_t)l->seconds, (rlim_t)l->seconds + 1};
        setrlimit(RLIMIT_CPU, &most);
    }
    if (l->memory && !sanitizer_loaded()) { /* which reserves terabytes */
        const struct rlimit most = {l->memory, l->memory};
        setrlimit(RLIMIT_AS, &most);
    }
    FILE *result = fdopen(out, "w");
    if (!result) _exit(EXIT_INTERNAL);
    work(ctx, i, result);
    fflush(result);
    _exit(0);
}

static bool job_start(job_slot *s, uint32_t i, const job_limits *l, job_work *work, void *ctx)
{
    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC)) return false;
    s->messages = tmpfile();
    fflush(NULL);
    s->pid = fork();
    if (s->pid == 0) child(l, pipes[1], s->messages, i, work, ctx);
    close(pipes[1]);
    if (s->pid < 0) {
        s->pid = 0;
        close(pipes[0]);
        if (s->messages) fclose(s->messages);
        return false;
    }
    setpgid(s->pid, s->pid); /* as the child does: whoever is first */
    s->job = i;
    s->pipe = pipes[0];
    s->deadline = l->seconds ? seconds_now() + l->seconds * WALL_FACTOR : 0;
    s->timed_out = false;
    return true;
}

/* The line that says most: a sanitizer's (lines of code or a map of memory follow it), else the last one. */
static const char *message_line(arena *a, FILE *f)
{
    char part[8192];
    if (!f) return "";
    fseek(f, 0, SEEK_END);
    const long size = ftell(f);
    fseek(f, size > (long)sizeof part - 1 ? size - (long)sizeof part + 1 : 0, SEEK_SET);
    size_t n = fread(part, 1, sizeof part - 1, f);
    while (n && (part[n - 1] == '\n' || part[n - 1] == ' ')) n--;
    part[n] = 0;
    const char *line = strstr(part, "runtime error: ");
    if (!line) line = strstr(part, "SUMMARY: ");
    if (!line) line = part + strlen(part);
    while (line > part && line[-1] != '\n') line--;
    return arena_strndup(a, line, strcspn(line, "\n"));
}

static void job_finish(arena *a, job_slot *s, job_take *take, void *ctx)
{
    int status = 0;
    while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR) {}
    kill(-s->pid, SIGKILL); /* whatever it started and left */
    close(s->pipe);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU) s->timed_out = true;
    const job_result r = {s->timed_out ? JOB_TIMED_OUT : WIFSIGNALED(status) ? JOB_CRASHED : JOB_DONE,
                          WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), s->result.p ? s->result.p : "", message_line(a, s->messages)};
    if (s->messages) fclose(s->messages);
    s->pid = 0;
    s->result = (text){.mem = a};
    take(ctx, s->job, &r);
}

/* Waits for output or a deadline, and finishes the jobs that ended. Returns how many did. */
static uint32_t jobs_wait(arena *a, struct pollfd *fds, job_slot *slot, uint32_t n_slots, job_take *take, void *ctx)
{
    const double start = seconds_now();
    double first = start + 3600;
    uint32_t finished = 0;
    for (uint32_t k = 0; k < n_slots; k++) {
        fds[k] = (struct pollfd){slot[k].pid ? slot[k].pipe : -1, POLLIN, 0};
        if (slot[k].pid && slot[k].deadline > 0 && slot[k].deadline < first) first = slot[k].deadline;
    }
    poll(fds, n_slots, first > start ? (int)((first - start) * 1000) + 1 : 0);
    for (uint32_t k = 0; k < n_slots; k++) {
        job_slot *s = &slot[k];
        if (!s->pid) continue;
        char part[4096];
        ssize_t got = 1;
        if (fds[k].revents) {
            got = read(s->pipe, part, sizeof part);
            if (got > 0) text_addn(&s->result, part, (size_t)got);
        }
        if (got > 0 && s->deadline > 0 && seconds_now() >= s->deadline) {
            s->timed_out = true;
            kill(-s->pid, SIGKILL);
            kill(s->pid, SIGKILL);
            got = 0;
        }
        if (got == 0) {
            job_finish(a, s, take, ctx);
            finished++;
        }
    }
    return finished;
}

void jobs_run(arena *a, uint32_t n, const job_limits *l, job_work *work, job_take *take, void *ctx)
{
    const uint32_t n_slots = l->at_once > 0 ? (uint32_t)l->at_once : 1;
    job_slot *slot = ARENA_ARRAY(a, job_slot, n_slots);
    struct pollfd *fds = ARENA_ARRAY(a, struct pollfd, n_slots);
    uint32_t next = 0, done = 0;
    for (uint32_t k = 0; k < n_slots; k++) slot[k].result.mem = a;
    while (done < n) {
        uint32_t active = 0;
        for (uint32_t k = 0; k < n_slots; k++) {
            if (!slot[k].pid && next < n && job_start(&slot[k], next, l, work, ctx)) next++;
            active += slot[k].pid != 0;
        }
        if (!active) { /* not one process can be started */
            const job_result r = {JOB_CRASHED, 0, "", arena_printf(a, "can't start a process: %s", strerror(errno))};
            take(ctx, next++, &r);
            done++;
            continue;
        }
        done += jobs_wait(a, fds, slot, n_slots, take, ctx);
        if (l->what && done) fprintf(stderr, "\r%s %u/%u ", l->what, done, n);
    }
    if (l->what && n) fputs("\r\033[K", stderr);
}

int processors(void)
{
    cpu_set_t set;
    if (!sched_getaffinity(0, sizeof set, &set)) return CPU_COUNT(&set);
    const long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

/* ---- folders ---- */

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static void remove_all(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A process that waits for the end of this one, which it sees as the end of a pipe, and removes the folder. */
typedef struct {
    pid_t pid; /* 0: none */
    int pipe;
    char path[256];
} watcher;

enum { WATCHERS = 8, MOST_FILES = 1024 };
static watcher watchers[WATCHERS];

/* It is out of reach of a terminal's signals, and keeps no file of anyone's open. */
static _Noreturn void watch(int pipe, const char *path)
{
    char byte;
    setsid();
    dup2(pipe, STDIN_FILENO);
    for (int fd = 1; fd < MOST_FILES; fd++) close(fd);
    while (read(STDIN_FILENO, &byte, 1) < 0 && errno == EINTR) {}
    for (int i = 0; i < 100 && !access(path, F_OK); i++) { /* a compiler may still write to it */
        if (i) nanosleep(&(struct timespec){0, 100000000}, NULL);
        remove_all(path);
    }
    _exit(0);
}

static void watch_folder(const char *path)
{
    int pipes[2];
    watcher *w = watchers;
    while (w < watchers + WATCHERS && w->pid) w++;
    if (w == watchers + WATCHERS || strlen(path) >= sizeof w->path || pipe2(pipes, O_CLOEXEC)) return;
    fflush(NULL);
    const pid_t pid = fork();
    if (!pid) {
        close(pipes[1]);
        for (int i = 0; i < WATCHERS; i++)
            if (watchers[i].pid) close(watchers[i].pipe);
        watch(pipes[0], path);
    }
    close(pipes[0]);
    if (pid < 0) {
        close(pipes[1]);
        return;
    }
    w->pid = pid;
    w->pipe = pipes[1];
    memcpy(w->path, path, strlen(path) + 1);
}

char *folder_temporary(arena *a, diag *d)
{
    const char *tmp = getenv("TMPDIR");
    char *path = arena_printf(a, "%s/onnxcc-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (mkdtemp(path)) {
        watch_folder(path);
        return path;
    }
    diag_error(d, EXIT_IO, "", "write-failed", "can't make a folder '%s': %s", path, strerror(errno));
    return NULL;
}

void folder_remove(const char *path)
{
    remove_all(path);
    for (watcher *w = watchers; w < watchers + WATCHERS; w++) {
        if (!w->pid || strcmp(w->path, path)) continue;
        close(w->pipe);
        wait_for(w->pid);
        w->pid = 0;
    }
}

bool folder_exists(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

bool folder_make(diag *d, const char *path)
{
    char *copy = strdup(path);
    if (!copy) return d && diag_error(d, EXIT_LIMIT, "", "out-of-memory", "out of memory");
    bool ok = true;
    for (char *p = copy; ok && *p;) {
        p += strspn(p, "/");
        p += strcspn(p, "/");
        const char kept = *p;
        *p = 0;
        ok = !mkdir(copy, 0777) || errno == EEXIST;
        *p = kept;
    }
    const int error = ok ? ENOTDIR : errno;
    ok = ok && folder_exists(path);
    free(copy);
    return ok || (d && diag_error(d, EXIT_IO, "", "write-failed", "can't make '%s': %s", path, strerror(error)));
}
