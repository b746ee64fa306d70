"""What the documents say exists: the tests that they name, what they link to, the commands; and the example inventories load."""

import fnmatch
import json
import re
from pathlib import Path

import pytest

from cutover.cli.app import answer
from cutover.cli.commands import Command
from cutover.cli.develop import CHECKS, GENERATED, page
from cutover.console.ask import Ask
from cutover.inventory.targets import Options, choose
from cutover.remote.timeouts import times_of
from tasks import namespace
from tests.checkout import ROOT

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = [file for name in ("prod", "staging") for file in sorted((ROOT / "inventory" / name).glob("*_vars/*.yml"))]
IDS = [str(document.relative_to(ROOT)) for document in DOCUMENTS]


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_every_test_that_a_document_names_exists(document: Path) -> None:
    named = re.findall(r"\btests/[\w/]+\.py", document.read_text())
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_check_looks_at_every_generated_file() -> None:
    assert {path.parts[1] for path in map(Path, GENERATED.split()) if (ROOT / path).is_file()} == {"docs", "report"}
    assert GENERATED in CHECKS["architecture and generated documents"]


def test_every_guarantee_names_a_test() -> None:
    _, _, must = (ROOT / "docs" / "guarantees.md").read_text().partition("## Must")
    rows = [line for line in must.partition("##")[0].splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 5
    assert [row for row in rows if not re.search(r"tests/[\w/]+/test_\w+\.py", row.split("|")[-2])] == []


def test_what_keeps_a_guarantee_exists() -> None:
    named = re.findall(r"`((?:cutover|roles|kpi)/[\w/.]+)`", (ROOT / "docs" / "guarantees.md").read_text())
    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", document.read_text())
    assert [link for link in links if "://" not in link and not leads(document, link)] == []


def leads(document: Path, link: str) -> bool:
    """Whether a file or directory is there, and a heading of the name that the link jumps to."""
    path, _, heading = link.partition("#")
    target = document.parent / path if path else document
    if not target.exists():
        return False
    return not heading or heading in {anchor(line) for line in target.read_text().splitlines() if line.startswith("#")}


def anchor(heading: str) -> str:
    """What a heading is called in links."""
    return re.sub(r"[^\w -]", "", heading.lstrip("# ").lower()).replace(" ", "-")


def test_the_readme_leads_to_every_document() -> None:
    linked = set(re.findall(r"\]\((docs/[^)#]+)\)", (ROOT / "README.md").read_text()))
    assert sorted({f"docs/{path.name}" for path in (ROOT / "docs").iterdir()} - linked) == []


def test_every_command_of_the_readme_exists() -> None:
    _, _, table = (ROOT / "README.md").read_text().partition("| command | what it does |")
    rows = table.strip().partition("\n\n")[0].splitlines()[1:]
    named = [words.split()[0] for row in rows for words in re.findall(r"`([^`]+)`", row.split("|")[1])]
    known = {name: fnmatch.filter(namespace.task_names, name) for name in named}
    assert [name for name, tasks in known.items() if not tasks] == []
    assert sorted(set(namespace.task_names).difference(*known.values())) == DEVELOPING


DEVELOPING = ["bench", "check", "prometheus", "runbook", "test"]  # nobody operates a service with these
COMMANDS = ROOT / "docs" / "commands.md"


def test_the_page_of_the_commands_is_up_to_date() -> None:
    text = COMMANDS.read_text()
    commands: list[Command] = [namespace[name] for name in namespace.task_names]
    assert text == page(text, commands), "run `./invokew runbook` and commit docs/commands.md"
    assert [f"| `{command.full}` |" in text for command in commands] == [True] * len(commands)


def test_the_page_of_the_commands_has_every_key_of_the_document_and_no_other() -> None:
    _, _, section = COMMANDS.read_text().partition("## `--json`")
    table = section.partition("| key |")[2].partition("\n\n")[0]
    reported = {key for row in table.splitlines()[2:] for key in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert reported == set(json.loads(answer(Ask(ROOT, "plan"))))


def test_every_environment_variable_of_ours_is_documented() -> None:
    rooms = [file.read_text() for file in sorted((ROOT / "cutover").rglob("*.py"))]
    named = {name for text in rooms for name in re.findall(r"environ(?:\.get\(|\[)\"([A-Z_]+)\"", text)}
    assert "CUTOVER_INVENTORY" in named
    assert [
        name for name in sorted(named - {"SUDO_UID", "SUDO_USER"}) if f"`{name}`" not in COMMANDS.read_text()
    ] == []  # sudo sets those


@pytest.mark.parametrize("environment", ["prod", "staging"])
def test_the_example_inventories_load_with_the_roles_as_they_are(environment: str) -> None:
    targets = choose(Options(ROOT, environment))
    assert len(targets.hosts) >= 3
    assert {host: str(targets.variables[host]["abaco_environment"])[:4] for host in targets.names} == dict.fromkeys(
        targets.names, environment[:4]
    )
    assert times_of(targets).bake > 0


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_a_variable_that_an_example_only_mentions_is_declared_too(file: Path) -> None:
    mentioned = re.findall(r"\b((?:abaco|cutover|v1)_\w+)", file.read_text())
    declared = "\n".join(path.read_text() for path in (ROOT / "roles").glob("*/defaults.yml"))
    assert [name for name in mentioned if not re.search(rf"^{name}:", declared, re.MULTILINE)] == []
