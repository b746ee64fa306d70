"""Run the tests of the release this file lies in, with its own pytest, and print one JSON document with the counts.

Travels in a release as bin/run_tests.py, where bin/run-tests starts it. Ends with 0 only when at least one test ran,
all passed and none was skipped: a test that did not run has proved nothing. stdout carries the document alone; what
pytest prints goes to stderr.

The tests keep their files in memory where they can: they fsync some 170 times, and on a disk each of those waits for all that
other hosts and services are writing to it, which has taken them from 2 s past their 120 s.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MEMORY = "/dev/shm"  # noqa: S108 - the directory that is made there has a random name
REASON = 200  # characters of a reason in one line; `message` has the rest
OUTCOMES = ("passed", "failed", "errors", "skipped")
# pytest's own categories. A failure that was expected, or one that did not come, is not a plain pass either way.
COUNTED_AS = {"error": "errors", "xfailed": "skipped", "xpassed": "skipped"}


class Reports:
    """A pytest plugin that keeps what pytest itself counts: the reports of all tests, by category."""

    def __init__(self) -> None:
        self.stats: dict[str, list[Any]] = {}

    def pytest_sessionfinish(self, session: Any) -> None:
        """Take them from pytest's summary."""
        self.stats = session.config.pluginmanager.get_plugin("terminalreporter").stats


def summary(stats: dict[str, list[Any]]) -> dict[str, Any]:
    """The counts, in all and by file, and what did not pass."""
    by_file: dict[str, dict[str, int]] = {}
    issues = []
    for category, reports in stats.items():
        outcome = COUNTED_AS.get(category, category)
        for report in reports if outcome in OUTCOMES else ():
            by_file.setdefault(report.nodeid.split("::")[0], dict.fromkeys(OUTCOMES, 0))[outcome] += 1
            if outcome != "passed":
                issues.append(issue(report.nodeid, outcome, message_of(report)))
    totals = {outcome: sum(counts[outcome] for counts in by_file.values()) for outcome in OUTCOMES}
    return {**totals, "by_file": by_file, "issues": issues}


def issue(test: str, outcome: str, message: str) -> dict[str, str]:
    """One test that did not pass, in the shape of all judging documents; of the reason the line that pytest marks, else the last."""
    lines = [line for line in message.splitlines() if line.strip()] or [""]
    reason = next((line[1:] for line in lines if line.startswith("E ")), lines[-1]).strip()[:REASON]
    words = {"failed": "fails", "errors": "ends with an error", "skipped": "did not run, and so proves nothing"}
    runner = Path(__file__).resolve().with_name("run-tests")
    step = f"run `{runner}` on the host, which says more; fix the release, or what it lacks on this host"
    return {"where": test, "found": f"{words[outcome]}: {reason}", "next": step, "message": message}


def message_of(report: Any) -> str:
    """The end of what pytest says about a test, where the reason is."""
    if isinstance(report.longrepr, tuple):  # a skip: file, line, reason
        return str(report.longrepr[2])
    return str(report.longrepr or getattr(report, "wasxfail", ""))[-2000:]


def run(tests: str) -> dict[str, Any]:
    """Run all tests below a directory, writing nothing into it; what they write elsewhere is removed."""
    import pytest  # of the release's testing/

    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
        os.environ.pop(name, None)
    counted, started = Reports(), time.monotonic()
    memory = MEMORY if os.access(MEMORY, os.W_OK | os.X_OK) else None
    with tempfile.TemporaryDirectory(prefix="release-tests-", dir=memory) as scratch:
        options = ["-p", "no:cacheprovider", f"--config-file={os.devnull}", f"--basetemp={scratch}/t"]
        ended = int(pytest.main([*options, f"--rootdir={tests}", tests], plugins=[counted]))
    document = summary(counted.stats)
    if ended not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and not document["errors"]:
        document["errors"] = 1
        document["issues"].append(issue("pytest", "errors", f"ended with {ended}: {pytest.ExitCode(ended).name}"))
    document["seconds"] = round(time.monotonic() - started, 3)
    return document


def main(tests: str) -> int:
    """Run the tests and print the document; see the top for the exit status."""
    answer = os.dup(1)
    os.dup2(2, 1)  # from here on, whatever a test prints is on stderr
    document = run(tests)
    sys.stdout.flush()
    with os.fdopen(answer, "w") as stdout:
        json.dump(document, stdout)
        stdout.write("\n")
    good = document["passed"] > 0 and not any(document[outcome] for outcome in OUTCOMES[1:])
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
