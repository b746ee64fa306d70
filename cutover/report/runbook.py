"""docs/runbook.md: made from the phases, the roles' steps and checks, the exit codes and templates/runbook.md.j2. Never written by hand."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from cutover.agent.compare import in_words
from cutover.agent.revert import revert_unit
from cutover.core.checkout import CHECKOUT
from cutover.core.errors import ExitCode
from cutover.core.exits import EXITS
from cutover.core.host import Host
from cutover.core.secret import Secret
from cutover.core.step import Step
from cutover.inventory.declarations import declarations
from cutover.inventory.targets import SERVICE, STANDARD
from cutover.inventory.variables import Variables, resolve
from cutover.plan.phases import PHASES, READS_FACTS, ROLLBACK, Phase
from cutover.plan.roles import ReleaseFacts, RoleContext, RunFacts, checks_of, steps_of
from cutover.plan.service import load_service

# The runbook's side of the exit codes: how each shows, and what to do, at length. What each means stands in `exits`.


@dataclass(frozen=True)
class Code:
    """One exit code."""

    name: str
    means: str
    symptom: str
    do: str


_SEEN: dict[ExitCode, tuple[str, str]] = {
    ExitCode.DONE: (
        "The command ends without a problem.",
        "Read the warnings in report.html, if there are any; then watch the service.",
    ),
    ExitCode.BUG: (
        "A Python traceback, or «this is a bug of ours».",
        """`./invokew status` for where each host is; `./invokew cutover --resume` goes on with the run,
        `./invokew rollback` takes its hosts back. Report the bug with journal and log.""",
    ),
    ExitCode.USAGE: (
        "Problems that name a file and a place in it, before any host was changed.",
        "Correct each place that is named; all of them are named at once. Then give the command again.",
    ),
    ExitCode.REFUSED: (
        "A gate of phase 0, 1 or 2 stayed shut, or a host could not be reached.",
        "Settle what is named for each host (or leave the host out with --limit), then plan again. Nothing has to be undone.",
    ),
    ExitCode.ROLLED_BACK: (
        "A gate of phase 3, 4 or 5 stayed shut, or a batch was not stable in its bake time.",
        """Read incident.md and report.html in the run's directory; incident.md also says where on each host lies what V2 wrote.
        Fill it in, correct the cause, plan again.""",
    ),
    ExitCode.MIXED: (
        "The rollback is incomplete; the hosts are listed.",
        """This is the one end that cannot wait. For each host that is listed: `./invokew rollback` again once it can be
        reached; else bring V1 back by hand (see «Rollback by hand»). A host whose revert is armed tries by itself, also
        after a reboot.""",
    ),
    ExitCode.LOCKED: (
        "A run, its holder and the seconds left are named.",
        """Wait for it, or stop it where it runs. The lease of a controller that died ends by itself after the time that is shown; at once
        `./invokew abort --steal-lock NONCE` takes it, with the nonce that `./invokew status` shows.""",
    ),
    ExitCode.ON_HOLD: (
        "A decision point did not pass.",
        "Read what is open, decide, and record the decision with a name before the deadline; then its declared default applies.",
    ),
    ExitCode.JUDGED_WARN: (
        "A read-only command shows WARN.",
        "Read each WARN and its next step. Nothing has to be undone.",
    ),
    ExitCode.JUDGED_FAIL: (
        "A read-only command shows FAIL; the command itself changed nothing.",
        "See the entry of the check that failed; if the service is wrong, `./invokew rollback`.",
    ),
    ExitCode.JUDGED_UNKNOWN: (
        "A read-only command shows INCONCLUSIVE or ERROR. This is never a pass.",
        "See what is missing (a service that does not answer, no input yet, no permission), then judge again.",
    ),
    ExitCode.INTERRUPTED: (
        "Ctrl-C, SIGTERM or a closed terminal.",
        "Read the summary: either nothing was touched, or every touched host is back on V1, verified. Then plan again.",
    ),
}


def _code(code: ExitCode) -> Code:
    symptom, do = _SEEN[code]
    return Code(EXITS[code].status, EXITS[code].means, symptom, " ".join(do.split()))


CODES = {code: _code(code) for code in ExitCode}


# What can say no in a run, as entries of the runbook: steps and checks of each phase, and what every phase has in common.

RUN = RunFacts("<run>", "20260101T000000Z")
RELEASE = ReleaseFacts("<release>", "0" * 64, 1, "<python>", "<machine>")
BAKE = "bake"


@dataclass(frozen=True)
class Entry:
    """One thing that can say no: how that shows, what it means, what to do."""

    name: str
    symptom: str
    means: str
    do: str
    severity: str = "FAIL"
    words: str = ""


KINDS = {  # what to do where a step itself says nothing more
    "directory": "see the owner, the mode and the file system of the path (mounted read-only, full)",
    "file": "see the file system of the path (mounted read-only, full) and whether somebody else writes the file",
    "link": "see what is in the way at the path",
    "unit_files": "`systemctl daemon-reload`, then `systemctl cat` of the units",
    "rehearsal": "find out what changed the files while they were copied, then plan again",
    "gap": "systemd's journal of both units has the times",
}
LOOK = "see what was found and what was wanted, in the report and in the log"


@cache
def example_variables(root: Path, service: str) -> Variables:
    """The variables of an example host of a service: every default, and the example of what is required."""
    declared = declarations(root / "roles", [STANDARD, service])
    required = {name: entry.example for name, entry in declared.items() if entry.required} | {SERVICE: service}
    host = Host("example", "192.0.2.1", "example", root / "inventory" / "example" / "known_hosts", variables=required)
    return resolve(host, declared, lambda _source, _base: Secret("example"))


@cache
def entries_of(root: Path, service: str, phase: Phase) -> tuple[Entry, ...]:
    """Steps in their order, then checks."""
    role = load_service(root, service)
    bare = RoleContext(role, example_variables(root, service), RUN, RELEASE)
    facts: Mapping[str, dict[str, Any]] = {fact.id: {} for fact in steps_of(bare, READS_FACTS.name, "facts")}
    context = replace(bare, facts=facts)
    steps = (
        *steps_of(context, phase.name),
        *steps_of(context, phase.name, BAKE),
    )  # the last phase also has what must stay so
    checks = (check for path in checks_of(role, phase.name) for check in _checks_in(path, phase))
    return (*(_of_step(step, phase) for step in steps), *checks)


def _of_step(step: Step, phase: Phase) -> Entry:
    wanted = "; ".join(f"`{key}` is {_otherwise(want)}" for key, want in step.desired.items())
    if step.id.startswith(f"{BAKE}."):
        means = "V2 did not stay as it was after the gate: every host that was touched goes back to V1"
    else:
        means = "a warning; the run goes on" if step.severity == "WARN" else phase.on_no
    return Entry(
        step.id,
        wanted or "it could not be measured",
        means,
        step.next or KINDS.get(step.kind, LOOK),
        step.severity,
        _plain(step.words),
    )


def _otherwise(want: Any) -> str:
    """What a value is when it is not as wanted."""
    forbidden = isinstance(want, dict) and list(want) == ["not"]
    return _plain(in_words(want["not"]) if forbidden else f"not {in_words(want)}")


def _checks_in(path: Path, phase: Phase) -> list[Entry]:
    """The checks of a file, from their docstrings: what each proves, and the part after "If not:"."""
    tree = ast.parse(path.read_text(), str(path))
    return [
        _of_check(node, phase)
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


def _of_check(node: ast.FunctionDef, phase: Phase) -> Entry:
    text = " ".join((ast.get_docstring(node) or node.name).split())
    proves, _, advice = text.partition("If not:")
    warns = any("warn" in ast.unparse(decorator) for decorator in node.decorator_list)
    means = "a warning; the run goes on" if warns else phase.on_no
    name = f"{phase.name}.{node.name.removeprefix('test_')}"
    words = proves.strip().rstrip(".")
    return Entry(name, f"not so: {words}", means, advice.strip() or LOOK, "WARN" if warns else "FAIL", words)


def _plain(words: str) -> str:
    """Words of a step without what is different in every release or run."""
    for pattern, instead in (
        (r" \([0-9a-f]{12}\)", ""),
        (r"«?[0-9a-f]{64}»?", "the planned digest"),
        (r"2026-01-01T00:00:00Z", "the start of the run"),
        ("20260101T000000Z", "<time>"),
    ):
        words = re.sub(pattern, instead, words)
    return words


COMMON = (
    Entry(
        name="<phase>.remote",
        words="the remote work of a phase gave no answer",
        symptom="«could not be reached», «connection lost» or a deadline, in place of the phase's steps",
        means="what the host did is not known from here; before phase 3 the run is refused, after it every touched host goes back",
        do="`./invokew hosts.ping`; on the host `systemctl list-units 'cutover-*'` shows work that still runs; its result is kept",
        severity="ERROR",
    ),
    Entry(
        name="<phase>.checks",
        words="the checks of a phase could not be run",
        symptom="«the checks did not run», or «no check ran on this host»",
        means="nothing was judged, which is never a pass",
        do="see roles/*/checks/<phase>.py and the log; `./invokew verify --phase <phase>` runs the checks alone",
        severity="ERROR",
    ),
    Entry(
        name="preflight.since-plan.<fact>",
        words="what was read when the plan was made is still so",
        symptom="«as at planning» does not hold",
        means="the host has changed since the plan was made; nothing was changed by this run",
        do="find out who changed it, then plan again",
    ),
)


def exit_entries() -> Iterator[Entry]:
    """The exit codes as entries: `exit 4`."""
    for code, told in CODES.items():
        yield Entry(f"exit {int(code)}", told.symptom, told.means, told.do, "", told.name)


def lookup(name: str, service: str, root: Path = CHECKOUT) -> Entry | None:
    """The entry of a step, a check, a phase's common troubles or an exit code (`4`, `exit 4`); None where there is none."""
    known = {entry.name: entry for phase in (*PHASES, ROLLBACK) for entry in entries_of(root, service, phase)}
    known |= {entry.name: entry for entry in exit_entries()}
    if name.isdecimal():
        name = f"exit {name}"
    if name in known:
        return known[name]
    return next((entry for entry in COMMON if _general(entry.name).fullmatch(name)), None)


def _general(pattern: str) -> re.Pattern[str]:
    """`<phase>.remote` as a pattern."""
    return re.compile(re.sub(r"<\w+>", r"[\\w-]+", re.escape(pattern).replace(r"\<", "<").replace(r"\>", ">")))


def generate(service: str, root: Path = CHECKOUT) -> str:
    """The text of a service's runbook."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(  # noqa: S701 - Markdown from our own sources
        loader=FileSystemLoader(root / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"sentence": sentence, "cell": cell}
    phases = [(phase, entries_of(root, service, phase)) for phase in (*PHASES, ROLLBACK)]
    context: dict[str, Any] = dict(example_variables(root, service))
    context["revert_unit"] = revert_unit(context["cutover_state_dir"])
    return environment.get_template("runbook.md.j2").render(
        context | {"phases": phases, "common": COMMON, "exits": list(exit_entries()), "checks": is_check}
    )


def is_check(entry: Entry) -> bool:
    """Whether an entry is a check and no step: its name is a function's."""
    return entry.symptom.startswith("not so: ")


def sentence(text: str) -> str:
    """A sentence of a text that begins and ends as it likes."""
    text = text.strip()
    first = text[:1].upper() if not text.startswith(("systemctl", "journalctl")) else text[:1]
    return f"{first}{text[1:]}" + ("" if text.endswith((".", "?", "!")) else ".")


def cell(text: str) -> str:
    """Text inside a table of Markdown."""
    return text.replace("|", "\\|").replace("<", "&lt;")
