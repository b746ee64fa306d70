"""The bench's own arithmetic: a wrong ratio or a forgotten second would be believed."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bench import aims, story
from bench.clock import timed
from bench.contenders import FLOOR, OURS
from bench.journals import Story
from bench.labs import Raised
from bench.machine import Machine
from bench.page import page
from bench.peers import Row, Timing, rotated, rows
from bench.toys import OLD, TOY, misses
from bench.whole import Command, Whole
from cutover.core.errors import Refused, UsageError
from cutover.journal.record import Record
from cutover.timeline.presentation import Baseline, OutageSteps

STEPS = OutageSteps(
    forward="activation.outage", back="rollback.outage", whole="rollback.away", budget_variable="budget",
    baseline=Baseline(seconds=4, words="the original"), parts={"stop_s": "V1 stops", "start_s": "V2 starts"},
)  # fmt: skip


def timing(contender: str, wall: float, number: int = 1, hosts: int = 3) -> Timing:
    return Timing(contender, hosts, number, wall, wall / 2)


def journal(path: Path) -> Path:
    """Two batches of one phase: 3 s of work and 1 s of checks, then 2 s and 0.5 s; 5 s of bake time; 0.4 s away."""
    told: list[tuple[str, str, dict[str, Any]]] = [
        ("00", "phase.started", {"phase": "activation"}),
        ("02", "batch.done", {"host": "a", "phase": "activation"}),
        ("03", "batch.done", {"host": "b", "phase": "activation"}),
        ("04", "checks", {"phase": "activation"}),
        (
            "04",
            "outcome",
            {"host": "a", "id": "activation.outage", "after": {"gap_s": 0.4, "stop_s": 0.1, "start_s": 0.3}},
        ),
        ("04", "gate", {"phase": "activation"}),
        ("05", "bake.started", {}),
        ("10", "bake.done", {}),
        ("10", "phase.started", {"phase": "activation"}),
        ("12", "batch.done", {"host": "c", "phase": "activation"}),
        ("12.5", "checks", {"phase": "activation"}),
        ("13", "gate", {"phase": "activation"}),
    ]
    before: Record | None = None
    lines = []
    for second, kind, data in told:
        whole, _, part = second.partition(".")
        before = Record.following(before, f"2026-01-01T00:00:{whole}.{part or '0'}00Z", kind, data)
        lines.append(before.line())
    path.write_text("".join(lines))
    return path


def test_ratios_are_of_medians_and_to_the_floor_of_the_same_number_of_hosts() -> None:
    floor = [timing(FLOOR, wall, number) for number, wall in enumerate((1.0, 9.0, 2.0), start=1)]
    ours = [timing(OURS, wall, number) for number, wall in enumerate((5.0, 3.0, 4.0), start=1)]
    larger = [timing(FLOOR, 10.0, hosts=10), timing(OURS, 5.0, hosts=10)]
    table = {(row.hosts, row.contender): row for row in rows([*ours, *floor, *larger])}
    assert table[3, OURS] == Row(OURS, 3, median=4.0, least=3.0, most=5.0, cpu=2.0, ratio=2.0)
    assert table[3, FLOOR].ratio == 1.0
    assert table[10, OURS].ratio == 0.5


def test_each_contender_goes_first_in_turn() -> None:
    everyone = ["a", "b", "c"]
    assert [rotated(everyone, by)[0] for by in range(4)] == ["a", "b", "c", "a"]
    assert sorted(rotated(everyone, 2)) == everyone


def test_a_phase_is_added_up_over_its_batches(tmp_path: Path) -> None:
    told = Story.of(journal(tmp_path / "journal.jsonl"))
    (spent,) = told.phases()
    assert (spent.phase, spent.whole, spent.work, spent.checks) == ("activation", 7.0, 5.0, 1.5)
    assert told.bake == 5.0


def test_the_outage_is_the_one_that_the_host_measured(tmp_path: Path) -> None:
    told = Story.of(journal(tmp_path / "journal.jsonl"))
    (away,) = told.away(STEPS.forward, STEPS)
    assert (away.host, away.seconds, away.parts) == ("a", 0.4, (("V1 stops", 0.1), ("V2 starts", 0.3)))
    assert told.away(STEPS.back, STEPS) == []


def test_a_later_part_of_a_journal_stands_by_itself(tmp_path: Path) -> None:
    told = Story.of(journal(tmp_path / "journal.jsonl"), after=8)
    assert [spent.whole for spent in told.phases()] == [3.0]
    assert told.bake == 0


def test_what_lies_around_a_run_is_told_apart() -> None:
    started = Record.following(None, "2026-01-01T00:00:03.000Z", "run.started", {})
    finished = Record.following(started, "2026-01-01T00:00:07.000Z", "run.finished", {})
    assert Story((started, finished)).around(datetime(2026, 1, 1, tzinfo=UTC), 9.0) == (3.0, 2.0)


def done(host: str, mark: str) -> dict[str, object]:
    """What a host shows after a contender that really did the job."""
    unit, config = (
        (TOY / name).read_text().replace("{{ toy_mark }}", mark) for name in ("toy-v2.service.j2", "config.json.j2")
    )
    config = config.replace("{{ toy_host }}", host)
    return {"V1": "inactive", "V2": "active", "unit": unit, "config": config, "backups": [OLD], "answer": config}


def test_a_job_that_was_done_is_believed() -> None:
    assert misses("a", OURS, "1-3-1", done("a", "1-3-1")) == []


@pytest.mark.parametrize(
    ("what", "left"),
    [
        ("V1", "active"),
        ("V2", "failed"),
        ("unit", ""),
        ("config", OLD),
        ("backups", []),
        ("backups", ['{"version": 2}\n']),
        ("answer", "refused"),
    ],
)
def test_a_job_that_was_not_done_is_named(what: str, left: object) -> None:
    problems = misses("a", "pyinfra", "1-3-1", {**done("a", "1-3-1"), what: left})
    assert [(problem.host, problem.path) for problem in problems] == [("a", what)]
    assert "pyinfra" in problems[0].found


def test_the_work_of_another_run_does_not_pass() -> None:
    assert {problem.path for problem in misses("a", OURS, "1-3-2", done("a", "1-3-1"))} == {"unit", "config", "answer"}


def test_a_command_that_fails_gives_no_figure(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        timed(["sh", "-c", "echo half done; exit 3"], cwd=tmp_path)
    assert "exit status 3" in refused.value.problems[0].found
    assert "half done" in refused.value.problems[0].found
    assert timed(["sh", "-c", "echo done"], cwd=tmp_path).stdout == "done\n"


def whole(seconds: float, *labs: Raised) -> Whole:
    return Whole((Command("cutover", 3, seconds, 2.0, 1.0, 0.0, 0.0, (), ()),), (50.0,), (0.2, 0.9, 0.3), labs)


def test_an_aim_is_met_missed_or_not_measured() -> None:
    met = {aim.what: aim.met for aim in aims.against(whole(21.0))}
    assert met["cutover of 3, all phases and all checks"] == "**no**"
    assert met["cutover of 10, all phases and all checks"] == "not measured"
    assert met["tasks listed (`./invokew --list`)"] == "yes"
    assert {aim.what: aim.met for aim in aims.against(whole(19.0))}["cutover of 3, all phases and all checks"] == "yes"


def test_labs_of_a_few_hosts_have_an_aim_and_those_of_many_are_told() -> None:
    labs = [Raised(3, up, 0.5, 1.0) for up in (4.0, 16.0, 5.0)] + [Raised(30, 44.0, 3.0, 9.0)]
    told = {aim.what: (aim.seconds, aim.met) for aim in aims.against(whole(1.0, *labs))}
    few = "`lab.up --count 3`, no host up before: V1 in service on all"
    assert told[few] == (5.0, "yes")
    assert told["`lab.up --count 30`, likewise"] == (44.0, "")
    assert told["logging in to each of the 30 by ssh"] == (3.0, "")
    assert told["`lab.down` of the 30"] == (9.0, "")
    assert {aim.what: aim.met for aim in aims.against(whole(1.0, Raised(3, 15.0, 0.5, 1.0)))}[few] == "**no**"
    assert {aim.what: aim.met for aim in aims.against(whole(1.0))}["`lab.down` of the 30"] == "not measured"


def test_the_page_shows_the_table_and_what_was_not_reached(tmp_path: Path) -> None:
    told = Story.of(journal(tmp_path / "journal.jsonl"))
    one = Command("cutover", 3, 21.0, 5.0, 1.0, 4.0, 2.0, tuple(told.phases()), tuple(told.away(STEPS.forward, STEPS)))
    measured = Whole((one,), (50.0,), (0.2,), (Raised(3, 5.0, 0.5, 1.0),))
    text = page(
        Machine("2 cores", 0.1, "2026-01-01"), {"OpenSSH": "9.2"}, 1,
        rows([timing(FLOOR, 1.0), timing(OURS, 2.5)]), aims.against(measured), measured.commands,
    )  # fmt: skip
    assert f"| 3 | {OURS} | 2.50 s | 2.50 s | 2.50 s | 1.25 s | 2.50 |" in text
    assert "| cutover of 3, all phases and all checks | 21.00 s | < 20 s | **no** |  |" in text
    assert "| `lab.up --count 3`, no host up before: V1 in service on all | 5.00 s | < 15 s | yes |  |" in text
    assert "| activation | 7.00 s | 5.00 s | 1.50 s |" in text
    assert "| leases, reverts armed and taken away | 8.00 s |  |  |" in text  # 21 less 4 before, 2 after, 7 in phases
    assert "| outage of a host in a cutover of 3 | 0.40 s | < 4 s | yes |" in text
    assert "| 3 | V1 stops | 0.10 s | 0.10 s |" in text


def test_all_that_is_wrong_is_told_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        story.require(tmp_path, (10, 3), 0)
    assert [problem.path for problem in refused.value.problems][-2:] == ["hosts", "rounds"]
    assert len(refused.value.problems) == 4
