"""Runs the whole-program tests: `run.py [WORD…]`, where a word picks the tests whose name contains it.

Closes with `N passed, N failed` alone on a line.
"""

import importlib
import os
import pathlib
import sys
import time
import unittest

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))


def flatten(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flatten(test)
        else:
            yield test


class Result(unittest.TextTestResult):
    """Names each test with its time, and what went wrong at once rather than at the end."""

    def __init__(self, stream, descriptions, verbosity):
        super().__init__(stream, descriptions, 0)
        self.passed = 0

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def line(self, word, test):
        self.stream.writeln(f"{word:4} {time.monotonic() - self.began:6.2f} s  {test.id()}")
        self.stream.flush()

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1
        self.line("ok", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line("FAIL", test)
        self.stream.writeln(self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        if not hasattr(self, "began"):
            self.began = time.monotonic()
        self.line("FAIL", test)
        self.stream.writeln(self.errors[-1][1])

    def printErrors(self):
        pass


def main(words):
    binary = os.environ.get("TIDINGS_BIN")
    if not binary or not os.access(binary, os.X_OK):
        sys.exit("TIDINGS_BIN must name the server's binary; `cargo xtask foreign` sets it")
    suite = unittest.TestSuite()
    for path in sorted(HERE.glob("test_*.py")):
        module = importlib.import_module(path.stem)
        for test in flatten(unittest.defaultTestLoader.loadTestsFromModule(module)):
            if not words or any(word.lower() in test.id().lower() for word in words):
                suite.addTest(test)
    if suite.countTestCases() == 0:
        sys.exit(f"no test's name contains {' or '.join(words)}")
    runner = unittest.TextTestRunner(stream=sys.stdout, resultclass=Result, verbosity=0)
    result = runner.run(suite)
    failed = len(result.failures) + len(result.errors)
    print(f"\n{result.passed} passed, {failed} failed", flush=True)
    sys.exit(1 if failed else 0)


main(sys.argv[1:])
