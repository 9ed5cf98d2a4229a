"""What the comparisons with a conformance folder share: its records, the differences that are known, and the count of those that agree.

A folder has reader.py and open/NAME.* (its README explains the records). A file of known differences names records, one a line, each with its reason behind a tab."""
import argparse
import collections
import concurrent.futures
import importlib.util
import os
import sys


def load_corpus(root, name):
    """The records of NAME; without the folder the test is skipped (exit code 77)."""
    if not os.path.exists(os.path.join(root, "reader.py")):
        print(f"skipped: no conformance folder at {root}")
        sys.exit(77)
    spec = importlib.util.spec_from_file_location("conformance_reader", os.path.join(root, "reader.py"))
    reader = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    spec.loader.exec_module(reader)
    return reader.Corpus("open", name, root)


def arguments(doc):
    """A parser with what all of them take."""
    ap = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("tool")
    ap.add_argument("root")
    ap.add_argument("--known")
    ap.add_argument("--only", default="")
    ap.add_argument("--least", type=float, default=0)
    return ap


class Tally:
    """Counts records by what came of them, and keeps those that differ without a known reason."""

    def __init__(self, known_file):
        self.known, self.must_be_known = {}, bool(known_file)
        if known_file:
            with open(known_file) as f:
                self.known = dict(line.rstrip("\n").split("\t", 1) for line in f if line.strip() and not line.startswith("#"))
        self.unknown = []
        self.count = collections.Counter()  # (result, agrees)

    def add(self, name, result, why):
        """`why` is None, or what differs."""
        self.count[result, why is None] += 1
        if why and name not in self.known:
            self.unknown.append((name, why))
        elif not why and name in self.known:
            print(f"agrees now: {name}")

    def judge_all(self, judge, calls):
        """judge(*call) -> (name, result, why), two at a time. The calls are made here: a corpus is for one thread."""
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(judge, *call) for call in calls]:
                self.add(*done.result())

    def total(self):
        return sum(self.count.values())

    def good(self):
        return sum(n for (_, agrees), n in self.count.items() if agrees)

    def finish(self, least, agreeing):
        """Prints the differences and the share; the exit code."""
        for name, why in self.unknown:
            print(f"{name}\t{why}")
        print(f"{self.total()} records, {100 * self.good() / max(self.total(), 1):.2f} % {agreeing}, {len(self.unknown)} differ and are not listed")
        return 0 if self.good() >= least * self.total() and not (self.must_be_known and self.unknown) else 1
