/* peer.c - see peer.h and bench_peer.py. */
#include "driver/peer.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver/process.h"

static const char *const ENGINES[PEER_ENGINES] = {"onnxruntime", "openvino", "openvino-bf16", "emx", "emx-fast-math"};

bool peer_known(const char *name)
{
    for (int i = 0; i < PEER_ENGINES; i++)
        if (!strcmp(name, ENGINES[i])) return true;
    return false;
}

const char *peer_list(arena *a)
{
    text t = {.mem = a};
    for (int i = 0; i < PEER_ENGINES; i++) text_addf(&t, "%s%s", !i ? "" : i + 1 < PEER_ENGINES ? ", " : " and ", ENGINES[i]);
    return t.p;
}

const char *python_program(void)
{
    const char *named = getenv("ONNXCC_PYTHON");
    return named && *named ? named : "python3";
}

const char *python_fault(arena *a, const char *python)
{
    const char *inside = arena_printf(a, "%s/bin/python", python);
    if (!access(inside, X_OK)) return arena_printf(a, "'%s' is a folder, and its Python is '%s'", python, inside);
    if (folder_exists(python)) return arena_printf(a, "'%s' is a folder, and no program such as bin/python of a virtual environment", python);
    return arena_printf(a, "there is no '%s' to run it with", python);
}

static char *read_line(arena *a, FILE *from)
{
    char *line = NULL;
    size_t cap = 0;
    const ssize_t n = getline(&line, &cap, from);
    char *copy = n > 0 ? arena_strndup(a, line, (size_t)n - (line[n - 1] == '\n')) : NULL;
    free(line);
    return copy;
}

static bool start_process(peer *p, const char *const *argv)
{
    int down[2], up[2];
    if (pipe(down)) return false;
    if (pipe(up)) {
        close(down[0]);
        close(down[1]);
        return false;
    }
    for (int i = 0; i < 2; i++) { /* another peer must not keep this one's pipes open */
        fcntl(down[i], F_SETFD, FD_CLOEXEC);
        fcntl(up[i], F_SETFD, FD_CLOEXEC);
    }
    fflush(NULL);
    p->pid = fork();
    if (!p->pid) {
        dup2(down[0], STDIN_FILENO);
        dup2(up[1], STDOUT_FILENO);
        close(down[1]);
        close(up[0]);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(down[0]);
    close(up[1]);
    p->to = fdopen(down[1], "w");
    p->from = fdopen(up[0], "r");
    return p->pid > 0 && p->to && p->from;
}

/* The reason that a line gives in place of what was asked for. */
static bool take_reason(peer *p, const char *line)
{
    if (!line || (strncmp(line, "missing ", 8) && strncmp(line, "absent ", 7))) return false;
    p->missing = strchr(line, ' ') + 1;
    return true;
}

/* It ended before it said anything, or said something else. */
static const char *why_ended(arena *a, peer *p, const char *python)
{
    int status = 0;
    if (p->pid <= 0) return "no process can be started";
    if (p->to) fclose(p->to);
    p->to = NULL;
    waitpid(p->pid, &status, 0);
    p->pid = 0;
    if (WIFSIGNALED(status)) return arena_printf(a, "its process was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    p->absent = true;
    if (WEXITSTATUS(status) == 127) return python_fault(a, python);
    return arena_printf(a, "'%s' ends with status %d before the engine is ready", python, WEXITSTATUS(status));
}

void peer_start(arena *a, peer *p, const char *script, const char *model, const char *inputs, uint32_t n, int threads, uint32_t n_state, const char *const *state)
{
    const char *python = python_program();
    p->threads = strncmp(p->name, "emx", 3) ? threads : 1; /* its C has none of its own */
    const char *const own[] = {python, script, p->name, model, inputs, arena_printf(a, "%u", n), arena_printf(a, "%d", threads), p->answers};
    enum { OWN = sizeof own / sizeof *own };
    const char **argv = ARENA_ARRAY(a, const char *, OWN + n_state + 1);
    memcpy(argv, own, sizeof own);
    if (n_state) memcpy(argv + OWN, state, n_state * sizeof *state);
    signal(SIGPIPE, SIG_IGN); /* a peer that ended shows as a failed round */
    const char *line = start_process(p, argv) ? read_line(a, p->from) : NULL;
    if (line && !strncmp(line, "ready ", 6)) {
        p->version = line + 6;
        return;
    }
    p->absent = line && !strncmp(line, "absent ", 7);
    if (!take_reason(p, line)) p->missing = why_ended(a, p, python);
}

void peer_round(arena *a, peer *p, int k, uint32_t n)
{
    fprintf(p->to, "%d %u\n", k, n);
    const char *s = fflush(p->to) ? NULL : read_line(a, p->from);
    if (take_reason(p, s)) return;
    for (int i = 0; i < k; i++) {
        char *end = NULL;
        const double ms = s ? strtod(s, &end) : 0;
        if (end == s) {
            p->missing = "it ended during the measurement";
            return;
        }
        VEC_PUSH(a, p->ms, ms);
        s = end;
    }
}

void peer_stop(peer *p)
{
    if (p->to) fclose(p->to);
    if (p->from) fclose(p->from);
    if (p->pid > 0) waitpid(p->pid, NULL, 0);
    p->pid = 0;
}
