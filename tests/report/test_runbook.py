"""The runbook is generated, up to date, and has an entry for everything that can say no."""

import re
from functools import cache

import pytest

from cutover.core.errors import ExitCode
from cutover.plan.phases import PHASES, ROLLBACK
from cutover.report.runbook import entries_of, generate, lookup
from tests.checkout import ROOT


@cache
def whole() -> str:
    """The runbook as it is generated now."""
    return generate("abaco", ROOT)


def test_the_runbook_in_docs_is_up_to_date() -> None:
    assert (ROOT / "docs" / "runbook.md").read_text() == whole(), "run `./invokew runbook` and commit docs/runbook.md"


def test_every_step_and_check_of_every_phase_has_an_entry_with_something_to_do() -> None:
    text = whole()
    for phase in (*PHASES, ROLLBACK):
        entries = entries_of(ROOT, "abaco", phase)
        assert len(entries) > 4, phase.name
        for entry in entries:
            assert f"#### `{entry.name}`" in text
            assert len(entry.do) > 10, entry
            assert entry.means
            assert entry.symptom


def test_every_check_function_of_every_role_is_there() -> None:
    for phase in (*PHASES, ROLLBACK):
        source = (ROOT / "roles" / phase.name / "checks.py").read_text()
        names = {f"{phase.name}.{name}" for name in re.findall(r"^def test_(\w+)", source, re.MULTILINE)}
        assert names
        assert names <= {entry.name for entry in entries_of(ROOT, "abaco", phase)}


@pytest.mark.parametrize("code", list(ExitCode), ids=lambda code: str(int(code)))
def test_every_exit_code_has_an_entry(code: ExitCode) -> None:
    entry = lookup(str(int(code)), "abaco", ROOT)
    assert entry is not None
    assert entry == lookup(f"exit {int(code)}", "abaco", ROOT)
    assert f"### Exit code {int(code)}: " in whole()
    assert entry.do


@pytest.mark.parametrize(
    "name",
    [
        "staging.remote",
        "rollback.checks",
        "preflight.since-plan.old",
        "activation.new",
        "bake.new",
        "rollback.new_unit_has_ended",
    ],
)
def test_lookup_finds_what_a_failure_names(name: str) -> None:
    entry = lookup(name, "abaco", ROOT)
    assert entry is not None
    assert entry.do


def test_lookup_of_something_else_finds_nothing() -> None:
    assert lookup("nothing.like-this", "abaco", ROOT) is None
    assert lookup("99", "abaco", ROOT) is None


def test_a_warning_is_not_described_as_a_way_back() -> None:
    entry = lookup("activation.outage", "abaco", ROOT)
    assert entry is not None
    assert entry.severity == "WARN"
    assert entry.means == "a warning; the run goes on"


def test_the_way_back_by_hand_names_the_units_and_places_of_the_defaults() -> None:
    text = whole().split("## Rollback by hand")[1]
    order = [
        "cutover-revert-var-lib-cutover-abaco.timer",
        "disable --now abaco-pipeline-v2",
        "pipeline_backup_*.yml",
        "daemon-reload",
        "enable --now abaco-pipeline-v1",
        "/healthz",
    ]
    assert [text.index(words) for words in order] == sorted(text.index(words) for words in order)
    assert "{{" not in text


def test_nothing_of_one_run_or_release_is_in_it() -> None:
    text = whole()
    assert not re.search(r"[0-9a-f]{32}", text)
    assert "20260101" not in text
