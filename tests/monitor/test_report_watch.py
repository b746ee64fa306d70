"""The report's page with a watch: its verdict first, what was found, who decided and was reported, and nothing that a host slips in."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from cutover.cli.results import write_comparison
from cutover.core.verdict import Verdict
from cutover.plan.gate import Finding
from cutover.report.page import write_report
from cutover.run.verify import Judged
from cutover.timeline.view import view_of
from tests.checkout import ROOT
from tests.monitor.watch_journals import HOUR, Watching, calm, held, held_and_gone_on, rolled_back
from tests.report.test_report import EVIL, plain
from tests.timeline.report_runs import success
from tests.timeline.runs import Tape

NAMES = ("h1", "h2", "h3")


def page(watch: Watching, folder: Path, story: Tape | None = None) -> str:
    run = (story or success()).run(folder)
    watch.save(run.path)
    return write_report(view_of(run, ROOT)).read_text()


def left(watch: Watching) -> Watching:
    """Without its last record."""
    watch.records.pop()
    return watch


def altered() -> Watching:
    """A journal of which a record was exchanged."""
    watch = Watching("h1").look(row=True).until(1200)
    del watch.records[3]
    return watch


def broken_back() -> Watching:
    """The rollback fails too."""
    watch = rolled_back(look_s=300, hosts=NAMES)
    del watch.records[-3:]
    return watch.write("rollback.finished", exit_code=5, t=watch.t).finish("FAIL", 5)


CALM = "1 host was watched for 24 h (h1): hour 1, hour 8, hour 24 passed. 49 samples, all succeeded. Findings: 1 INCONCLUSIVE."
HELD = "The watch is on hold at hour 8 and waits for a person: h2: memory grew by 24 % an hour"
BACK = "It was detected within 60.0 s and the fleet was back on V1 6.5 s after that, 66.5 s in all."
ENDS = [
    ("calm", calm("h1", look_s=1800), "watch: PASS", CALM),
    ("held", held(NAMES), "watch: on hold", HELD),
    ("gone on", held_and_gone_on(NAMES), "watch: WARN", "hour 8 was FAIL (hold: go, by Ann Example, operations_lead"),
    ("under way", left(calm(look_s=1800)), "watch: under way", "The watch is at hour 24; the newest verdict of the fleet is PASS."),
    ("rolled back", rolled_back(look_s=30, hosts=NAMES), "watch: rolled back", BACK),
    ("not back", broken_back(), "watch: a person is needed", "and the rollback is not complete"),
    ("altered", altered(), "watch: not to be trusted", "the chain is broken"),
]  # fmt: skip


@pytest.mark.parametrize(("watch", "badge", "words"), [end[1:] for end in ENDS], ids=[end[0] for end in ENDS])
def test_the_verdict_of_the_watch_stands_first(watch: Watching, badge: str, words: str, tmp_path: Path) -> None:
    html = page(watch, tmp_path)
    first = plain(html).split("All times", 1)[0]
    assert words in first
    assert re.search(f'<h1><span class="badge \\w+">{badge}</span> <span class="badge good">on V2</span>', html)
    assert first.index(words) < first.index("went from V1 to V2")


def test_decisions_sign_offs_and_notices_are_there(tmp_path: Path) -> None:
    story = success().write("rollback.started", hosts=["h1"], cause="asked for by a person")
    html = page(left(calm("h1", look_s=1800)), tmp_path / "left", story)
    assert "The watch ended at hour 24: another command rolled the run back to V1." in plain(html)
    story = success().write(
        "signoff", role="operations_lead", name="Ben Sample", decision="go", point="hour_24", note="as it should be"
    )
    text = plain(page(held_and_gone_on(NAMES), tmp_path, story))
    assert "Ben Sample operations lead hour 24 go as it should be" in text
    assert "hold high operations lead hold of stage WARN sent over mail NOT sent over chat: connection refused" in text


def test_charts_show_hosts_limits_decisions_holds_and_gaps(tmp_path: Path) -> None:
    html = page(held_and_gone_on(NAMES), tmp_path)
    memory = html.split("<h3>Memory, MB</h3>")[1].split("</svg>")[0]
    assert [f"<title>{name}</title>" in memory for name in NAMES] == [True] * 3
    assert memory.count('class="curve ') == 3
    assert ">warn 200<" in memory
    assert ">critical 500<" in memory
    assert memory.count('<line class="mark"') == 3
    for css in ('class="held"', 'class="gap"'):
        assert css in memory
    assert "Limits: warn 200 MB, critical 500 MB for 10 min." in html
    assert "Limits: warn 100 ms, critical 500 ms" in html  # far above what was measured: named, not drawn
    assert "<h3>KPI change since the first row" not in html  # no limit, no chart


def test_a_line_breaks_in_a_gap_and_keeps_its_peaks(tmp_path: Path) -> None:
    watch = Watching("h1", look_s=60).look(row=True).until(5 * HOUR)
    watch.servers[0].memory_mb = 180
    watch.until(watch.t + 60)
    watch.servers[0].memory_mb = 41
    html = page(watch.until(8 * HOUR).pause(HOUR, "asleep").until(10 * HOUR), tmp_path)
    memory = html.split("<h3>Memory, MB</h3>")[1].split("</svg>")[0]
    path = re.search(r'class="curve h0" d="([^"]+)"', memory)
    assert path is not None
    assert path.group(1).count("M") == 2
    heights = [float(place.split(" ")[1]) for place in re.split("[ML]", path.group(1))[1:]]
    assert min(heights) < 60  # one look in six hundred, and it is there
    assert sorted(heights)[2] > 140


def test_a_day_of_ten_hosts_stays_below_a_megabyte(tmp_path: Path) -> None:
    """Whatever the number of looks, a line has so many points at most: 240 looks a host fill every part of the time."""
    watch = Watching(*(f"web{number:02}" for number in range(10)), look_s=360).look(row=True).until(24 * HOUR)
    html = page(watch.finish("PASS", 0), tmp_path)
    assert len(html.encode()) < 1_000_000
    points = [len(re.findall("[ML]", d)) for d in re.findall(r'class="curve [^"]+" d="([^"]+)"', html)]
    assert len(points) == 10 * 5
    assert max(points) <= 2 * 161


def test_values_before_after_and_in_shadow_are_one_table(tmp_path: Path) -> None:
    watch = Watching("h1", "h2")
    for server in watch.servers:
        server.kpis = {"Share": 2.0}
    watch.look(row=True)
    for server in watch.servers:
        server.kpis = {"Share": 2.06}
    watch.t += 120
    watch.look()
    for name in ("roles", "templates"):
        (tmp_path / name).symlink_to(ROOT / name)
    run = success().run(tmp_path / ".cutover" / "runs")
    watch.save(run.path)
    document = {
        "status": "PASS",
        "tapes": [{"kpis": {"Share": {"relative": 3e-12}}}],
        "checks": {"Share": {"status": "PASS"}},
    }
    silent = Finding("h2", "shadow.remote", Verdict.ERROR, "no route to host", "see its cable")
    compared = Judged("both", (silent,), {"h1": {"x.shadow": document}, "h2": {}}, run.id)
    outside, inside = write_comparison(tmp_path, compared)
    assert (outside.is_relative_to(run.path), inside.is_relative_to(run.evidence)) == (False, True)
    assert json.loads(inside.read_text())["issues"][0]["found"] == "no route to host"
    text = plain(run.report.read_text())  # drawn anew by the comparison
    heads = "V2, end of the watch shadow: relative difference shadow"
    assert heads in text
    row = text.split("h1 Share (%) ")[1].split("h2 ")[0]
    assert re.search(r"2\.5 2\.4999 0\.0e\+00 PASS .* 2\.06\d* 3\.0e-12 PASS", row)
    assert "not measured" in text.split("h2 Share (%) ")[1].split("The newest tape")[0]


@pytest.mark.parametrize("run", ["", "20250101T000000Z-000000"])
def test_a_comparison_about_no_run_of_this_machine_is_kept_apart(tmp_path: Path, run: str) -> None:
    assert len(write_comparison(tmp_path, Judged("both", (), {"h1": {}}, run))) == 1
    assert not (tmp_path / ".cutover" / "runs").exists()


def test_the_bundle_and_the_chain_of_the_watch_are_named(tmp_path: Path) -> None:
    run = success().run(tmp_path)
    watch = Watching("h1").look(row=True)
    watch.save(run.path)
    (run.path / "evidence-x.tar").write_bytes(b"bundle")
    text = plain(write_report(view_of(run, ROOT)).read_text())
    assert f"evidence-x.tar, 6 B, SHA-256 {hashlib.sha256(b'bundle').hexdigest()}" in text
    assert f"chain of the watch PASS verified: {len(watch.records)} records" in text
    assert watch.records[-1].hash in text


def test_what_a_host_or_a_person_says_is_text_and_never_markup(tmp_path: Path) -> None:
    watch = Watching(EVIL, "h2").look(row=True)
    watch.servers[1].kpis = {EVIL: 1.0}
    watch.servers[0].away = EVIL
    watch.t += 600
    watch.look(row=True).write(
        "point", name=EVIL, t=watch.t, verdict="FAIL", answer=EVIL, reasons=[{"host": EVIL, "words": EVIL}]
    )
    watch.write("hold.opened", point=EVIL, reasons=[EVIL], t=watch.t, about=[], deadline_t=watch.t + 60, default=EVIL)
    watch.write("hold.closed", by=EVIL, decision=EVIL, note=EVIL, t=watch.t).notice(EVIL, (EVIL, False))
    watch.write("watch.gap", from_t=watch.t, to_t=watch.t + 60, why=EVIL)
    watch.write("trigger", host=EVIL, rule="seen", words=EVIL)
    story = success().write("signoff", role=EVIL, name=EVIL, decision=EVIL, point=EVIL, note=EVIL)
    html = page(watch, tmp_path, story)
    assert "&lt;script&gt;alert(1)" in html
    assert "<script" not in html
    assert "<img" not in html
    assert re.findall(r"url\((?!#)|@import|<script|<link|https?://", html) == []
