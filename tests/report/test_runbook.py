"""The runbook is generated, up to date, and has an entry for everything that can say no."""

import re
from functools import cache

import pytest

from cutover.core.errors import ExitCode
from cutover.plan.phases import PHASES, ROLLBACK
from cutover.plan.service import load_service
from cutover.report.runbook import entries_of, generate
from tests.checkout import ROOT


@cache
def whole() -> str:
    """The runbook as it is generated now."""
    return generate("abaco", ROOT)


def test_the_runbook_of_the_service_is_up_to_date() -> None:
    assert (ROOT / "roles" / "abaco" / "runbook.md").read_text() == whole(), "run `./invokew runbook` and commit it"


def test_every_step_and_check_of_every_phase_has_an_entry_with_something_to_do() -> None:
    text = whole()
    assert not re.search(r"[0-9a-f]{32}|20260101", text)  # nothing of one run or release
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
        source = "".join(path.read_text() for path in load_service(ROOT, "abaco").files(f"checks/{phase.name}.py"))
        names = {f"{phase.name}.{name}" for name in re.findall(r"^def test_(\w+)", source, re.MULTILINE)}
        assert names
        assert names <= {entry.name for entry in entries_of(ROOT, "abaco", phase)}


@pytest.mark.parametrize("code", list(ExitCode), ids=lambda code: str(int(code)))
def test_every_exit_code_has_an_entry(code: ExitCode) -> None:
    entry = whole().partition(f"### Exit code {int(code)}: {code.status}\n")[2].partition("###")[0]
    assert [entry.count(f"- {part}: ") for part in ("Symptom", "What it means", "What to do")] == [1, 1, 1]


def test_the_way_back_by_hand_names_the_units_and_places_of_the_defaults() -> None:
    text = whole().split("## Rollback by hand")[1]
    order = [
        "cutover-revert-var-lib-cutover-abaco.timer", "disable --now abaco-pipeline-v2", "pipeline_backup_*.yml",
        "daemon-reload", "enable --now abaco-pipeline-v1", "/healthz",
    ]  # fmt: skip
    assert [text.index(words) for words in order] == sorted(text.index(words) for words in order)
    assert "{{" not in text
