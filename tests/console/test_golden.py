"""Pages that a person reads in a review: tests/golden/console. After a change that is meant: --update-golden, and read the diff."""

from collections.abc import Callable

import pytest

from cutover.console.plan import plan_view
from cutover.console.summary import summary
from tests.checkout import ROOT
from tests.console.drawing import drawn, printed
from tests.timeline.runs import RUN, mixed, plan, rolled_back, success

PLACES = {"report": f".cutover/runs/{RUN}/report.html", "log": "logs/cutover_20260102T030405Z.log"}


def planned() -> str:
    shown = plan(["web1"], ["web2", "web3"])
    return printed(plan_view(shown, diff=True)).replace(shown.fingerprint, "<fingerprint>")


PAGES: dict[str, Callable[[], str]] = {
    "table_running": lambda: drawn(success(), 160, until=5.25, height=40),
    "table_done": lambda: drawn(success(), 160),
    "table_mixed": lambda: drawn(mixed(), 160),
    "summary_rolled_back": lambda: printed(summary(rolled_back().view(), PLACES)),
    "plan": planned,
}


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_the_one_that_was_reviewed(request: pytest.FixtureRequest, name: str) -> None:
    golden, text = ROOT / "tests" / "golden" / "console" / f"{name}.txt", PAGES[name]()
    if request.config.getoption("--update-golden"):
        golden.write_text(text)
    assert text == golden.read_text()


def test_every_golden_page_is_drawn() -> None:
    assert {path.stem for path in (ROOT / "tests" / "golden" / "console").iterdir()} == set(PAGES)
