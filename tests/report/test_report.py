"""The report says what the journal says: verdict, values, outage, problems, and nothing that a host could slip in."""

import re
from html import unescape
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from cutover.core.verdict import Verdict
from cutover.report.page import write_report
from cutover.timeline.problems import problems_of
from cutover.timeline.timeline import read_timeline
from cutover.timeline.view import view_of
from tests.checkout import ROOT
from tests.timeline.report_runs import HOSTS, begun, prepared, rolled_back, success
from tests.timeline.runs import NOT_READY, RELEASE, Tape, finding, mixed, problem

EVIL = '<script>alert(1)</script>"><img src=x onerror=alert(2)>&'


def page(story: Tape, folder: Path, **how: int) -> str:
    return write_report(view_of(story.run(folder, **how), ROOT)).read_text()  # type: ignore[arg-type]  # `planned` and `cut` of run()


def plain(html: str) -> str:
    """The text of a page, without style and markup."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL))).split())


ENDS = {
    "on V2": (success(), "went from V1 to V2 (release 2.0.0-cafe)"),
    "refused": (
        begun().phase("preflight", HOSTS, finding("h1", "p.x", "FAIL", "no")).finish(3, "Refused"),
        "refused in phase 0",
    ),
    "rolled back": (rolled_back(), "h1 went back to V1, verified: all hosts are on V1"),
    "a person is needed": (mixed(), f"web1 needs a person, now. Cause: {NOT_READY} (web1: activation.ready)"),
    "on hold": (begun().finish(7, "OnHold", problem("", "", "hour 1")), "Waiting for a person's decision"),
    "interrupted": (prepared().finish(130, "Interrupted", problem("", "", "x")), "interrupted by a person or a signal"),
    "our own error": (begun().finish(1, "KeyError", problem("", "", "KeyError")), "A bug of this tool ended"),
    "planned": (
        Tape()
        .write("run.created", service="abaco", run="r", environment="lab", pattern="lab")
        .write("plan.made", fingerprint="f" * 64, release="r2", hosts=["h1"], batches=[["h1"]], already=[]),
        "A plan was made; no host was changed",
    ),
    "unfinished": (prepared().phase("shutdown", ["h1"]), "Phases 3-5 had begun on h1"),
}


@pytest.mark.parametrize("badge", ENDS)
def test_each_end_comes_first(badge: str, tmp_path: Path) -> None:
    story, words = ENDS[badge]
    html = page(story, tmp_path)
    assert words in plain(html).split("All times", 1)[0]
    assert re.search(f'<span class="badge (good|warn|bad|quiet)">{badge}</span>', html)


def test_a_rollback_later_on_is_a_session_of_its_own(tmp_path: Path) -> None:
    about = {"hosts": list(HOSTS), "cause": "figures look odd"}
    story = success().write("run.started", hosts=list(HOSTS), purpose="rollback").write("rollback.started", **about)
    html = page(story.phase("rollback").write("rollback.finished", failed=[], **about).finish(0, "on V1"), tmp_path)
    assert "Reason given: figures look odd." in plain(html)
    assert html.count('aria-label="Time line of the run') == 2


def test_a_record_of_another_version_does_not_stop_the_page(tmp_path: Path) -> None:
    assert 'armed: {"somebody": "else"}' in plain(page(prepared().write("armed", somebody="else"), tmp_path))


def test_a_torn_last_line_is_ignored(tmp_path: Path) -> None:
    assert "This run is unfinished" in plain(page(success(), tmp_path, cut=10))


def test_an_altered_journal_is_not_believed(tmp_path: Path) -> None:
    run = success().run(tmp_path)
    run.journal_file.write_text(run.journal_file.read_text().replace('"judged":4', '"judged":5', 1))
    text = plain(write_report(view_of(run, ROOT)).read_text())
    assert "not to be trusted" in text
    assert "the chain is broken" in text
    assert "went from V1 to V2" not in text


def test_what_a_host_says_is_text_and_never_markup(tmp_path: Path) -> None:
    tapes = [{"tape": EVIL, "against_v1": {EVIL: {"v1": EVIL}}}]
    story = Tape().begin().outcome("h1", "staging.values", {"document": {EVIL: EVIL, "tapes": tapes}})
    story.outcome("h1", "preflight.disk", {"free_bytes": EVIL}, ok=False, differences=[EVIL], error=EVIL)
    story.phase("preflight", HOSTS, finding("h1", f"p.{EVIL}", "FAIL", EVIL, EVIL)).phase("staging")
    story.write("strange", words=EVIL).write("failed", host="h1", phase="staging", found=EVIL, next=EVIL)
    html = page(story.finish(3, "Refused", problem("h1", EVIL, EVIL)), tmp_path)
    assert "&lt;script&gt;alert(1)" in html
    assert "<script" not in html
    assert "<img" not in html


def test_every_problem_of_the_journal_is_on_the_page(tmp_path: Path) -> None:
    story = begun().write("connection.lost", host="h1", phase="backup", found="found 1")
    story.write("failed", host="h2", phase="backup", found="found 2", next="next 2")
    story.write("lease.lost", host="h1", found="found 3").write("lease.not_renewed", host="h2", found="found 4")
    story.phase("backup", HOSTS, finding("h1", "b.x", "WARN", "found 5", "next 5"))
    story.write("bake.started", hosts=["h1"], seconds=1)
    story.write("bake.failed", problems=[problem("h1", "bake.new", "found 6")])
    story.write("lease.released", hosts=["h1"], failed={"h2": "found 7"})
    story.finish(4, "RolledBack", problem("h2", "", "found 8"))
    text = plain(page(story, tmp_path))
    wanted = [*(f"found {number}" for number in range(1, 9)), "next 2", "next 5"]
    assert [words for words in wanted if words not in text] == []
    found = problems_of(read_timeline(story.run(tmp_path).journal_file))
    assert [verdict for verdict, _ in found if verdict is Verdict.WARN] == [Verdict.WARN] * 5


@pytest.mark.parametrize("story", [success(), rolled_back()], ids=["success", "rolled back"])
def test_the_page_needs_nothing_from_elsewhere(story: Tape, tmp_path: Path) -> None:
    html = page(story, tmp_path)
    charts = [fromstring(found) for found in re.findall(r"<svg.*?</svg>", html, re.DOTALL)]  # noqa: S314 - our own page
    assert charts  # each of which is well-formed
    targets = re.findall(r"(?:src|href)\s*=\s*[\"']?([^\s>\"']+)", html)
    assert [target for target in targets if not target.startswith("#")] == []
    assert re.findall(r"url\((?!#)|@import|<script|<link|https?://", html) == []


def test_values_outage_configuration_plan_and_journal_of_a_success(tmp_path: Path) -> None:
    run = success().run(tmp_path)
    (run.evidence / "checks-1-backup.xml").write_text("<x/>")
    html = write_report(view_of(run, ROOT)).read_text()
    text, head = plain(html), read_timeline(run.journal_file).integrity
    words = (
        "h1 Share (%) 2.5 2.4999 0.0e+00 PASS",
        "The outage was 3.00 s on h2, where it took longest.",
        "0.200 s 1.500 s 0.300 s 2.000 s",
        "Budget: 30 s. To compare: the original's 4 s.",
        "~ port: 1 -> 2",
        "+ new: true",
        "+port: 2",
        run.plan().fingerprint,
        RELEASE,
        "1: h1; 2: h2",
        "by somebody",
        "checks-1-backup.xml",
        f"{head.records} records, each chained to the one before",
        head.head,
    )
    assert [one for one in words if one not in text] == []
    assert html.index("Share (%)") < html.index('id="away"') < html.index('id="timeline"')


def test_what_was_never_measured_or_run_is_neither_zero_nor_a_pass(tmp_path: Path) -> None:
    html = page(prepared().phase("shutdown", ["h1"]).finish(4, "RolledBack", problem("h1", "", "x")), tmp_path)
    assert "not measured: the run did not come that far" in plain(html)
    assert "0.000 s" not in html
    row = re.search(r'<tr><th scope="row">h2</th>(.*?)</tr>', html.split('id="matrix"')[1], re.DOTALL)
    assert row is not None
    assert (row.group(1).count("PASS"), row.group(1).count("not run")) == (3, 5)
    assert "on V1, untouched" in row.group(1)


def test_what_was_found_stands_beside_what_was_expected(tmp_path: Path) -> None:
    wrong = "free_bytes: found 3 bytes, expected at least 5 bytes"
    story = begun().outcome("h1", "preflight.disk", {"free_bytes": 9_000_000})
    story.outcome("h2", "preflight.disk", {"free_bytes": 3}, ok=False, differences=[wrong])
    text = plain(page(story.phase("preflight", HOSTS, finding("h2", "preflight.disk", "FAIL", "x")), tmp_path))
    assert "free_bytes: 9 000 000 at least 5" in text
    assert wrong in text


def test_a_report_without_a_plan_can_be_written(tmp_path: Path) -> None:
    text = plain(page(rolled_back(), tmp_path, planned=False))
    assert "The run ended before a plan was made, or its plan is on another machine" in text
