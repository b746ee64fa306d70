"""What all commands share on their way in: options that many have, whole numbers that are checked, and `--dry`, which is `--check`.

Invoke's own `--dry` promises that nothing is done, and a task that knows nothing of it would break that promise. So a command
says what it is: it has a `--check`, which `--dry` then sets; or it only looks, and runs as it is; any other is refused.
"""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit, ParseError
from invoke.tasks import Task

from cutover.cli.app import conclude
from cutover.console.ask import Ask
from cutover.core.errors import ExitCode, Problem, UsageError
from cutover.remote.timeouts import FORKS
from cutover.run.options import RunOptions

ROOT = Path(__file__).parents[2]

# What each option means, worded once; Invoke shows it with `--help`.
HELP = {
    "hosts": "pattern as in Ansible: prod, web*:&prod:!db1 (default: all hosts of the environment, or those of --run)",
    "service": "the service that is meant, by the name of its role (default: that of --run, else cutover_service of the inventory)",
    "inventory": "environment, by directory or name (default: by the pattern, by --run, by CUTOVER_INVENTORY, by the last run here)",
    "i": "short for --inventory",
    "limit": "a second pattern: only hosts in both are meant",
    "forks": f"hosts at work at once (default: {FORKS})",
    "json": "one JSON document on stdout, everything else on stderr",
    "yes": "do not ask; it never answers a person's lines of the checklist",
    "verbose": "a line for every step",
    "serial": "batches of phases 3-5: 1,50%,100% (default: one canary, then the rest)",
    "release": "release artifact to use instead of building one",
    "run": "the run that is meant (default: a new one for `prepare` and `cutover`, else the newest: docs/commands.md)",
    "resume": "resume a run whose controller died: the one of --run, else the last that was left unfinished",
    "steal-lock": "take the hosts from a holder that is dead, by the nonce that `./invokew status` shows",
    "answers": "file with a person's answers to the checklist: {LINE: {answer: yes, by: NAME}}",
    "watch": "when the cutover has ended, run `monitor`",
    "bundle": "sign all evidence of the run into one file",
    "key": "SSH key to sign with (default: ssh-agent's first, ~/.ssh/id_ed25519)",
    "verify": "judge this bundle instead, offline",
    "signers": "allowed_signers file (default: inventory/<env>/allowed_signers)",
    "once": "look a single time, for cron; ends with the verdict, or with 7 while it waits for a person",
    "role": "in which role (people_roles) somebody decides",
    "name": "who decides",
    "decision": "go_on or rollback",
    "point": "the point of the watch that is signed (default: what the watch waits for)",
    "note": "why",
    "event": "the event to announce (default: announcement)",
    "at": "when it begins, with its zone: 2026-11-23T22:00Z",
    "message": "custom text in the notice",
    "check": "show what would be done; change nothing (Invoke's own --dry is the same)",
    "diff": "show rendered files as diffs against what is on the hosts",
    "reason": "why, for the incident record",
    "phase": "name or number of a phase, or rollback",
    "junit": "write the checks' results to this file as JUnit XML",
    "replace": "pin another key in the place of a pinned one",
    "into": "put the program into this directory of this machine; no host is asked",
    "count": "how many hosts",
    "purge": "remove the cached base system too",
    "host": "name of a lab host, such as lab1",
    "leave-mb": "MB left free",
    "rounds": "how often each contender runs",
    "only": "one half of the bench (default: both; an unknown name lists the choices)",
    "against": "a git revision to measure in turn with this code",
    "k": "only tests whose name matches, as in pytest",
    "unit": "only tests that need no lab, no sshd and no service that really runs: the quick loop",
    "faults": "the whole fault suite and the long watches instead, more than an hour; writes docs/faults.md",
    "seed": "of the fault suite, to make the same choices again",
}
LEAST = {"leave_mb": 0}  # of numbers; any other is 1 at least
Body = Callable[..., ExitCode]
Number = int | None  # an option that is a number, and may be omitted
WHOLE = re.compile(r"[0-9]+\Z")


class Command(Task[Body]):
    """A task by its full name. `looks`: it changes no host, and needs no dry run.

    Its options are those of `shared`, which it is given as one RunOptions, and the parameters of its own function. Without shared
    ones that function is given Invoke's context.
    """

    def __init__(self, body: Body, full: str, shared: str, *, looks: bool) -> None:
        self.full, self.looks, self.shared = full, looks, shared.split()
        self.options = {name: _shared(name) for name in self.shared}
        self.options.update(list(inspect.signature(body).parameters.items())[1:])
        words = {name: HELP[name] for name in (option.replace("_", "-") for option in self.options)}
        super().__init__(body, name=full.rpartition(".")[2], auto_shortflags=False, help=words)

    def argspec(self, body: Body) -> inspect.Signature:
        """The options, as Invoke wants to have them."""
        options = [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in self.options.values()]
        return inspect.signature(body).replace(parameters=options)

    def arg_opts(self, name: str, default: object, taken_names: set[str]) -> dict[str, Any]:
        """Invoke's own, but for numbers, which are refused with the option's name where they are none or too small."""
        opts: dict[str, Any] = super().arg_opts(name, default, taken_names)  # type: ignore[arg-type]  # Invoke says str, and passes any
        return opts | {"kind": whole(name)} if self.options[name].annotation in (int, Number) else opts

    def __call__(self, *args: Any, **given: Any) -> Any:
        """Run it, unless a dry run is refused, and end with its exit code."""
        (context,) = args
        dry = context.config.run.dry
        if dry and not self.looks and "check" not in self.options:
            next_ = "read --help; run it without --dry to have it done"
            problem = Problem(f"`{self.full}` has no dry run, and nothing was done", next_, path="--dry")
            code = conclude(Ask(ROOT, self.full, bool(given.get("json"))), UsageError(problem))
        else:
            code = self.run(context, given | ({"check": True} if dry and "check" in self.options else {}))
        if code:
            raise Exit(code=int(code))

    def run(self, context: Context, given: dict[str, Any]) -> ExitCode:
        """Run its function with the options that were given."""
        if not self.shared:
            return ExitCode(self.body(context, **given))
        if short := given.pop("i", ""):
            given["inventory"] = given["inventory"] or short
        shared = {name: value for name in self.shared if (value := given.pop(name, None)) is not None}
        return ExitCode(self.body(RunOptions(ROOT, self.full, **shared), **given))


def command(full: str, shared: str = "", *, looks: bool = False) -> Callable[[Body], Command]:
    """Make a function a command of this full name, such as hosts.list; its parameters are its options."""
    return lambda body: Command(body, full, shared, looks=looks)


def _shared(name: str) -> inspect.Parameter:
    """An option of RunOptions, with its type and default there; a number that is not given is None."""
    option = inspect.signature(RunOptions).parameters["inventory" if name == "i" else name]
    return option.replace(name=name, default=None if option.annotation is int else option.default)


def whole(name: str) -> Callable[[str], int]:
    """Reads the whole number of an option."""
    least = LEAST.get(name, 1)

    def read(written: str) -> int:
        if not WHOLE.match(written) or int(written) < least:
            raise ParseError(f"--{name.replace('_', '-')}: `{written}` is not a whole number of {least} or more")
        return int(written)

    return read
