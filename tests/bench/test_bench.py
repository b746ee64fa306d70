"""The bench's own arithmetic: a wrong ratio, a job that was not done or the wrong code would be believed."""

import subprocess
from pathlib import Path

import pytest

from bench import engine
from bench.contenders import OURS, PYINFRA, SHELL, TOY
from bench.engine import AIMS, HEADING
from bench.measure import BenchSample, RatioRow, ratio, rows, timed
from bench.page import Machine, replaced
from bench.revisions import BEFORE, CUTOVER, FILES, LIST, NOW, checkouts
from bench.toy_job import JOB, OLD, wrong
from cutover.core.errors import Refused


def samples(what: str, hosts: int, **values: list[float]) -> list[BenchSample]:
    """Samples of every round, by whom; in the order in which they are given."""
    return [
        BenchSample(what, hosts, who, number, value)
        for who, each in values.items()
        for number, value in enumerate(each, start=1)
    ]


def test_a_ratio_is_the_median_of_the_rounds_own_ratios() -> None:
    paired = samples("job", 3, a=[1.0, 10.0, 2.0], b=[2.0, 30.0, 2.0]) + samples("job", 10, a=[1.0], b=[7.0])
    assert ratio(paired, "job", 3, "b", "a") == 2.0  # of 2, 3, 1; the ratio of the medians is 1
    assert ratio(paired, "job", 10, "b", "a") == 7.0
    assert ratio(paired, "job", 3, "b", "nobody") is None
    assert ratio(samples("job", 3, a=[1.0], b=[]), "job", 3, "b", "a") is None


def test_a_row_has_the_ratio_to_who_was_first_of_the_same_number_of_hosts() -> None:
    first, second, larger = rows(samples("job", 3, a=[1.0, 9.0, 2.0], b=[4.0, 18.0, 6.0]) + samples("job", 10, b=[5.0]))
    assert first == RatioRow("job", 3, "a", 2.0, 1.0, 9.0, "s", "a", None)
    assert second == RatioRow("job", 3, "b", 6.0, 4.0, 18.0, "s", "a", 3.0)
    assert (larger.hosts, larger.to, larger.ratio) == (10, "b", None)


def test_a_command_that_fails_gives_no_figure(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        timed(["sh", "-c", "echo half done; exit 3"], cwd=tmp_path)
    assert "exit status 3" in refused.value.problems[0].found
    assert "half done" in refused.value.problems[0].found
    took = timed(["sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo done"], cwd=tmp_path)
    assert took.stdout == "done\n"
    assert 0 < took.cpu <= took.wall + 0.05


# The toy job


def done(host: str, mark: str) -> dict[str, object]:
    """What a host shows after a contender that really did the job."""
    unit, config = (
        (TOY / name).read_text().replace("{{ toy_mark }}", mark) for name in ("toy-v2.service.j2", "config.json.j2")
    )
    config = config.replace("{{ toy_host }}", host)
    return {"V1": "inactive", "V2": "active", "unit": unit, "config": config, "backups": [OLD], "answer": config}


@pytest.mark.parametrize(
    ("what", "left"),
    [
        ("V1", "active"), ("V2", "failed"), ("unit", ""), ("config", OLD), ("backups", []), ("backups", ['{"version": 2}\n']),
        ("answer", "refused"),
    ],
)  # fmt: skip
def test_a_job_that_was_not_done_is_named(what: str, left: object) -> None:
    assert wrong("a", PYINFRA, "1-3-1", done("a", "1-3-1")) == []
    problems = wrong("a", PYINFRA, "1-3-1", {**done("a", "1-3-1"), what: left})
    assert [(problem.host, problem.path) for problem in problems] == [("a", what)]
    assert PYINFRA in problems[0].found


def test_the_work_of_another_run_does_not_count() -> None:
    assert {problem.path for problem in wrong("a", OURS, "1-3-2", done("a", "1-3-1"))} == {"unit", "config", "answer"}


# This code and the code before


def git(place: Path, *words: str) -> str:
    argv = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *words]
    return subprocess.run(argv, cwd=place, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A project of which one revision prints `old` with one file, and the uncommitted code `new` with two."""
    root = tmp_path / "root"
    (root / "app").mkdir(parents=True)
    (root / "inventory").mkdir()
    (root / "invokew").write_text('#!/bin/sh\nexec .venv/bin/python -m app "$@"\n')
    (root / "app" / "__main__.py").write_text("import app.old\nprint('old')\n")
    (root / "app" / "old.py").write_text("")
    (root / ".gitignore").write_text(".cutover/\n")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "old")
    (root / "app" / "new.py").write_text("")
    (root / "app" / "__main__.py").write_text("import sys, app.old, app.new\nprint('new', *sys.argv[1:])\n")
    return root


def test_each_code_runs_in_a_checkout_of_its_own_and_none_is_left(repository: Path, tmp_path: Path) -> None:
    with checkouts(repository, tmp_path, "HEAD") as (before, now):
        assert (before.who, now.who) == (BEFORE, NOW)
        assert (before.run().stdout, now.run("--word").stdout) == ("old\n", "new --word\n")
        assert [Path(file).name for file in before.imported()] == ["old.py"]
        assert [Path(file).name for file in now.imported("x")] == ["new.py", "old.py"]
        assert (now.place / ".cutover" / "cache").samefile(repository / ".cutover" / "cache")
        assert not (now.place / "inventory").exists()
    assert git(repository, "worktree", "list").count("\n") == 1
    with checkouts(repository, tmp_path / "root" / "app", "") as codes:
        assert [code.who for code in codes] == [NOW]


# The page


def test_the_page_shows_figures_and_aims_that_are_met_missed_or_not_measured() -> None:
    measured = samples(JOB, 3, **{SHELL: [1.0], OURS: [2.5]}) + samples(JOB, 10, **{SHELL: [1.0], OURS: [2.51]})
    measured.append(BenchSample(f"{CUTOVER}{FILES}", 1, NOW, 1, 150, "files"))
    text = engine.text(Machine("2 cores", 0.1, "2026-01-01"), {"OpenSSH": "9.2"}, 1, "", measured)
    assert f"| {JOB}, 3 hosts | {OURS} | 2.50 s | 2.50 s | 2.50 s | 2.50 |" in text
    assert f"| {JOB}, 3 hosts | {OURS} : {SHELL} | 2.50 | 3 | yes |" in text
    assert f"| {JOB}, 10 hosts | {OURS} : {SHELL} | 2.51 | 2.5 | **no** |" in text
    assert f"| {LIST} | {NOW} : {BEFORE} |  | 1.05 | not measured |" in text
    assert f"| {CUTOVER}, 1 host, files imported | {NOW} | 150 | 150 | 150 |  |" in text
    assert text.count("not measured") == len(AIMS) - 2


def test_a_half_of_the_page_is_replaced_and_the_other_stays() -> None:
    page = replaced("# Speed\n\nengine\n\n## Part\n", "# Other", "# Other\n\nold\n")
    page = replaced(page, "# Other", "# Other\n\nnew\n")
    assert page == "# Speed\n\nengine\n\n## Part\n\n# Other\n\nnew\n"
    assert replaced(page, HEADING, "# Speed\n\nnew\n") == "# Speed\n\nnew\n\n# Other\n\nnew\n"
