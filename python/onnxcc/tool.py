"""The executable: where it is, and what it is asked."""
import hashlib
import json
import os
import shutil
import subprocess

UNSUPPORTED = 4  # its exit code for a valid model that it can't compile


class CompileError(Exception):
    """What the compiler says of a model. `code` is its exit code, `errors` its report: dicts with "code", "where", "message" and, where options would
    help, "needs"."""

    def __init__(self, code, errors, text):
        super().__init__(text)
        self.code = code
        self.errors = errors

    @property
    def needs(self):
        """Pairs (option, name) that would help, such as ("value", "axes"). Empty when one of the errors would stay."""
        if not all(e.get("needs") for e in self.errors):
            return []
        return [(n["option"], n["name"]) for e in self.errors for n in e["needs"]]


class Unsupported(CompileError):
    """The model is valid, but not something that onnxcc can compile (as it was asked to)."""


def executable():
    """Path of the onnxcc executable: $ONNXCC, else in `bin` of this package, else of the build folders of a source tree around it
    (build/quickstart is that of samples/quickstart.sh), else on PATH."""
    given = os.environ.get("ONNXCC")
    if given:
        return given
    here = os.path.dirname(os.path.abspath(__file__))
    build = os.path.join(here, "..", "..", "build")
    for path in (os.path.join(here, "bin", "onnxcc"), os.path.join(build, "onnxcc"), os.path.join(build, "quickstart", "onnxcc")):
        if os.access(path, os.X_OK):
            return path
    found = shutil.which("onnxcc")
    if not found:
        raise FileNotFoundError("there is no onnxcc: name the executable in the environment variable ONNXCC, or put it on PATH")
    return found


def call(arguments, shown=()):
    """The last JSON object that `onnxcc ARGUMENTS --json` prints. Raises CompileError when it leaves with another code than 0. `shown`: a path and what
    the message has in its place."""
    done = subprocess.run([executable(), *arguments, "--json", "--quiet"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    text = done.stdout.decode(errors="replace").strip()
    try:
        said = json.loads(text.splitlines()[-1]) if text else {}
    except ValueError:
        said = {}
    if done.returncode == 0:
        return said
    message = done.stderr.decode(errors="replace").strip() or f"onnxcc left with code {done.returncode}"
    message = message.replace(*shown) if shown else message
    raise (Unsupported if done.returncode == UNSUPPORTED else CompileError)(done.returncode, said.get("errors", []), message)


def cache_folder():
    """Where models and their libraries are kept: $ONNXCC_CACHE, else onnxcc/python in the user's cache folder. It may be removed at any time."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.environ.get("ONNXCC_CACHE") or os.path.join(base, "onnxcc", "python")


def key_of(*parts):
    """A name for a folder of the cache."""
    h = hashlib.sha256()
    for p in parts:
        p = p if isinstance(p, bytes) else str(p).encode()
        h.update(len(p).to_bytes(8, "little") + p)
    return h.hexdigest()[:32]


def build(path, arguments, shown=()):
    """Path of the library of the model at `path`, compiled with these arguments, and the prefix of its symbols. Generated files and libraries stay in
    the cache; the executable builds a library again when it writes other code than before."""
    compiler = os.environ.get("CC", ""), os.environ.get("CFLAGS", "")
    folder = os.path.join(cache_folder(), key_of(os.path.abspath(path), *compiler, *arguments))
    name = call(["compile", path, "-o", folder, "--emit=shared,json", *arguments], shown)["name"]
    return os.path.join(folder, f"{name}.so"), name
