#!/usr/bin/env python3
"""Attack files (attacks.py) against `check`, `check --full`, `infer` and `compile`.

    run.py ONNXCC [--work DIR] [--only NAME,...] [--list] [--jobs N] [-v]

Every file has to end with 0 or, with one line that says why, with 3 to 6; never by a signal. Each command gets 2 seconds of processor time and 256 MB of memory
(not under sanitizers, which need more of both). Nothing else than what was asked for is written, and nothing at all on failure. What compiles is C that cc takes
without a warning, a manifest that is JSON, and a depfile of one rule. Where the onnx package is installed, `check` and `check --full` say what onnx.checker says, but for
those that attacks.py gives a reason for; where onnx.checker itself ends by a signal or takes too long it has no verdict."""
import argparse
import concurrent.futures
import json
import os
import resource
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import attacks  # noqa: E402

SECONDS, MEGABYTES = 2.0, 256
WARNINGS = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
try:
    import onnx
except ImportError:
    onnx = None


class Failures(list):
    def __init__(self):
        super().__init__()
        self.explained = set()  # reasons for other verdicts than onnx.checker's that were needed, or for which it had no verdict

    def __call__(self, where, text):
        self.append(f"{where}: {text}")


def is_sanitized(tool):
    with open(tool, "rb") as f:
        return b"__asan_report_load8" in f.read()


def run(command, cwd, limits):
    """exit code (negative: a signal), standard output, messages, seconds of processor time, megabytes"""
    with open(os.path.join(cwd, ".out"), "w+b") as out, open(os.path.join(cwd, ".err"), "w+b") as err:
        def prepare():
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 20, 64 << 20))
            if limits:
                resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
        child = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=err, preexec_fn=prepare, restore_signals=False)
        deadline = time.time() + 60
        while True:
            pid, status, used = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            if time.time() > deadline:
                child.kill()
            time.sleep(0.002)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return child.returncode, out.read(), err.read(), used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def judge(path, full):
    """onnx.checker's verdict: True, False, or None where it has none"""
    if not onnx:
        return None
    pid = os.fork()
    if not pid:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
        resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
        try:
            os.chdir(os.path.dirname(path))
            with open(path, "rb") as f:
                onnx.ModelProto.FromString(f.read())  # check_model does not look at the encoding of text
            onnx.checker.check_model(path, full_check=full)
        except MemoryError:
            os._exit(2)
        except BaseException:  # noqa: BLE001 - a RuntimeError, a UnicodeDecodeError: a refusal all the same
            os._exit(1)
        os._exit(0)
    return {0: True, 1: False}.get(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def listing(folder):
    found = set()
    for at, folders, files in os.walk(folder):
        found.update(os.path.relpath(os.path.join(at, n), folder) for n in folders + files if n not in (".out", ".err"))
    return found


def look_at_messages(err, code, most, fail, where):
    lines = err.decode("utf-8", "replace").split("\n")
    errors = [line for line in lines if "error: " in line]
    if code and not 1 <= len(errors) <= most:
        fail(where, f"left with {code} and {len(errors)} lines with errors: {err[:300]!r}")
    if any(c < 32 and c != 10 or c == 127 for c in err):
        fail(where, f"control characters on the terminal: {err[:300]!r}")
    if any(len(line) > 4000 for line in lines):
        fail(where, f"a line of {max(map(len, lines))} characters")
    strange = [line for line in lines if line and not any(k in line for k in ("error: ", "warning: ", "hint: ", "note: "))]
    if strange:
        fail(where, f"a line of no message: {strange[0][:200]!r}")


def look_at_code(folder, files, fail, where):
    """The generated files: known names, JSON, C without warnings."""
    if any(n == "pwned" or "/" in n for n in files):
        fail(where, f"strange files {sorted(files)}")
    manifests = [n for n in files if n.endswith(".json")]
    try:
        manifest = json.loads(open(os.path.join(folder, manifests[0]), encoding="utf-8").read())
    except (ValueError, IndexError) as e:
        return fail(where, f"the manifest is no JSON: {e}")
    if set(manifest["files"]) | {manifests[0]} != files | {manifests[0]}:
        fail(where, f"the manifest names {manifest['files']}, there are {sorted(files)}")
    for source in sorted(n for n in files if n.endswith(".c")):
        done = subprocess.run(["cc", *WARNINGS, "-fsyntax-only", *os.environ.get("HOSTILE_CFLAGS", "-march=x86-64-v3").split(), f"-I{folder}", f"-I{RUNTIME}",
                               os.path.join(folder, source)], capture_output=True, text=True)
        if done.returncode or done.stderr:
            fail(where, f"cc on {source}: {done.stderr[:500]}")
    return None


RUNTIME = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../runtime")


def attack_file(tool, attack, folder, name, limits, fail):
    path = os.path.join(folder, name)
    codes = {}
    verbs = {"check": ["check", "--", path], "check --full": ["check", "--full", "--", path], "infer": ["infer", "-o", "made/out.onnx", "--", path],
             "compile": ["compile", "-o", "made", "--target=generic-c99", "--depfile=made.d", "--", path]}
    for verb, arguments in verbs.items():
        where = f"{attack.name}/{name[:40]!r}: {verb}"
        if verb == "infer":
            os.makedirs(os.path.join(folder, "made"))
        before = listing(folder)
        code, out, err, seconds, megabytes = run([tool, *arguments], folder, limits)
        codes[verb] = code
        after = listing(folder) - before
        if code not in (0, 3, 4, 5, 6):
            fail(where, f"left with {code}: {err[-1500:]!r}")
        elif verb != "check" or code:
            look_at_messages(err, code, attack.lines, fail, where)
        if limits and seconds > SECONDS:
            fail(where, f"took {seconds:.1f} seconds")
        if limits and megabytes > MEGABYTES:
            fail(where, f"took {megabytes:.0f} MB")
        wanted = {"infer": {"made/out.onnx"} | {n for n in after if n.startswith("made/") and os.path.exists(os.path.join(folder, n[5:]))}, "compile": {n for n in after if n.startswith("made/")} | {"made", "made.d"}}.get(verb, set()) if code == 0 else set()
        if after != wanted:
            fail(where, f"left with {code} and these files: {sorted(after)[:6]}")
        if verb == "compile" and code == 0:
            look_at_code(os.path.join(folder, "made"), {n[5:] for n in after if n.startswith("made/")}, fail, where)
        shutil.rmtree(os.path.join(folder, "made"), ignore_errors=True)
        if os.path.exists(os.path.join(folder, "made.d")):
            if b"\n" in open(os.path.join(folder, "made.d"), "rb").read()[:-1] and "\n" not in name:
                fail(where, "the depfile has more than one rule")
            os.remove(os.path.join(folder, "made.d"))
    where = f"{attack.name}/{name[:40]!r}"
    if attack.expect == "refused" and not (codes["check"] and codes["compile"]):
        fail(where, f"is not refused: {codes}")
    if attack.expect == "fine" and any(codes.values()):
        fail(where, f"is valid, but {codes}")
    for verb in ("check", "check --full"):
        says = judge(path, verb != "check")
        if says is not None and says == (codes[verb] == 0):
            continue
        reason = reason_of(attack.differs, name) or verb != "check" and reason_of(attack.full, name)
        fail.explained.add(reason)
        if says is not None and not reason:
            fail(where, f"{verb} left with {codes[verb]}, onnx.checker {'takes' if says else 'refuses'} it")
    return codes


def reasons(given):
    """A list of pairs: how names begin, why."""
    return list(given.items()) if isinstance(given, dict) else [("", given)] if given else []


def reason_of(given, name):
    return next((why for begin, why in reasons(given) if name.startswith(begin)), None)


def carry_out(tool, name, work, limits):
    """Returns the number of files, the failures, and the exit codes seen."""
    attack = next(a for a in attacks.all_attacks() if a.name == name)
    fail, folder = Failures(), os.path.join(work, attack.name, "at")
    shutil.rmtree(os.path.dirname(folder), ignore_errors=True)
    os.makedirs(folder)
    made = attack.make(folder)
    files = made if isinstance(made, dict) else {attack.name + ".onnx": made}
    seen, began = [], time.time()
    for name, content in files.items():
        with open(os.path.join(folder, name), "wb") as f:
            f.write(content)
        seen.append(tuple(attack_file(tool, attack, folder, name, limits, fail).values()))
        os.remove(os.path.join(folder, name))
    for why in {why for _, why in reasons(attack.differs) + reasons(attack.full)} - fail.explained if onnx else ():
        fail(attack.name, f"onnx.checker gives the same verdict, which '{why}' says it does not")
    beyond = listing(os.path.dirname(folder)) - {"at", "outside.bin"}
    if any(not n.startswith("at/") or "pwned" in n for n in beyond):
        fail(attack.name, f"wrote {sorted(beyond)}")
    shutil.rmtree(os.path.dirname(folder), ignore_errors=True)
    return len(files), list(fail), sorted(set(seen)), time.time() - began


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("tool")
    ap.add_argument("--work", default="hostile")
    ap.add_argument("--only", default="")
    ap.add_argument("--jobs", type=int, default=2)
    ap.add_argument("--list", action="store_true")
    ap.add_argument("-v", action="store_true")
    o = ap.parse_args()
    chosen = [a for a in attacks.all_attacks() if not o.only or a.name in o.only.split(",")]
    if o.list:
        for a in chosen:
            print(f"{a.name:32} {a.what}")
        return 0
    tool = os.path.abspath(o.tool)
    work, limits = os.path.abspath(o.work), not is_sanitized(tool)
    failures, n_files = [], 0
    with concurrent.futures.ProcessPoolExecutor(o.jobs) as pool:
        results = {a.name: pool.submit(carry_out, tool, a.name, work, limits) for a in chosen}
        for name, result in results.items():
            n, bad, seen, seconds = result.result()
            n_files += n
            failures += bad
            if o.v:
                print(f"{name:32} {n:4} {seconds:5.1f} {seen if len(seen) < 6 else len(seen)}", flush=True)
            for line in bad[:12 if o.v else 4]:
                print("FAILED " + line, flush=True)
    print(f"{len(chosen)} attacks in {n_files} files, {len(failures)} failures{'' if onnx else ', no onnx package to compare with'}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
