"""Attack files: every function below writes one, or several of a kind, and says what it attacks.

attack(what, ...) registers a function of a folder to write into, which returns what the files are made of: bytes for one model, or a dict of file names. What is
expected:
    refused   check refuses it, and so does every verb
    compile   check takes it, or has another reason; compile refuses it
    fine      it is a valid model, however odd
    any       a verdict of either kind, within the limits
`differs` says why the verdict is not onnx.checker's, for all files or, as a dict, for those whose names begin so; `full` the same for --full only; a reason that
explains no difference is a failure. `lines` how many lines with errors `check` may say."""
import collections

Attack = collections.namedtuple("Attack", "name what make expect differs full lines")
ATTACKS = []


def attack(what, expect="refused", differs=None, full=None, lines=1):
    def register(make):
        ATTACKS.append(Attack(make.__name__, what, make, expect, differs, full, lines))
        return make
    return register


def all_attacks():
    import attacks_external, attacks_graph, attacks_text, attacks_wire  # noqa: F401, E401 - they register theirs
    return ATTACKS
