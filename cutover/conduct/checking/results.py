"""Turns what pytest reports of a check into a finding: passed, failed, could not be asked, left out."""

import pytest

from cutover.decide.gate import Finding
from cutover.words.verdict import Verdict


class Findings:
    """pytest plugin that collects one finding for each check and host."""

    def __init__(self) -> None:
        self.found: list[Finding] = []
        self.broken: list[str] = []
        self.unwritten = ""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]  # the type of a hook wrapper is pluggy's affair
        """Judge the check itself, and its set-up where that failed."""
        report: pytest.TestReport = yield
        if report.when == "call" or not report.passed:
            self.found.append(_finding(item, call, report))
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self):  # type: ignore[no-untyped-def]  # as above
        """Note that the JUnit file, which is written at the end of the session, could not be: what was judged is judged."""
        try:
            return (yield)
        except OSError as unwritten:
            self.unwritten = str(unwritten)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A checks.py that cannot be read is an error of every host."""
        if report.failed:
            self.broken.append(str(report.longrepr))


def _finding(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> Finding:
    host = item.callspec.params.get("host_name", "") if hasattr(item, "callspec") else ""
    name = f"{item.path.parent.name}.{getattr(item, 'originalname', item.name).removeprefix('test_')}"
    proves, advice = words_of(item)
    error = call.excinfo.value if call.excinfo is not None else None
    return Finding(
        str(host),
        name,
        _verdict(item, report, error),
        _message(report, proves, error),
        advice,
        round(report.duration, 4),
    )


def _verdict(item: pytest.Item, report: pytest.TestReport, error: BaseException | None) -> Verdict:
    if report.passed:
        return Verdict.PASS
    if report.skipped:
        return Verdict.INCONCLUSIVE
    if isinstance(error, AssertionError):
        return Verdict.WARN if item.get_closest_marker("warn") else Verdict.FAIL
    return Verdict.ERROR  # it could not be asked, which is never the host's answer


def _message(report: pytest.TestReport, proves: str, error: BaseException | None) -> str:
    if report.passed:
        return proves
    reason = str(error).split("\n")[0] if error is not None else str(report.longrepr)
    return (
        f"not so: {proves}: {reason}"
        if isinstance(error, AssertionError)
        else f"could not be judged: {proves}: {type(error).__name__}: {reason}"
    )


def words_of(item: pytest.Item) -> tuple[str, str]:
    """What a check proves and what to do if it fails: its docstring's first line, and the part after «If not:»."""
    text = " ".join((getattr(item.obj, "__doc__", None) or item.name).split()) if hasattr(item, "obj") else item.name
    proves, _, advice = text.partition("If not:")
    return proves.strip().rstrip("."), advice.strip()
