"""What all commands share on their way in: what their options mean, whole numbers that are checked, and `--dry`, which is `--check`.

Invoke's own `--dry` promises that nothing is done, and a task that knows nothing of it would break that promise. So a command
says what it is: it has a `--check`, which `--dry` then sets; or it only looks, and runs as it is; any other is refused.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from invoke.exceptions import Exit
from invoke.tasks import Task

from cutover.entry.options import LEAST, help_of
from cutover.words.errors import Problem, UsageError

Body = Callable[..., None]
Number = int | None  # an option that is a number, and may be left away
WHOLE = re.compile(r"-?[0-9]+\Z")


class Command(Task[Body]):
    """A task by its full name. `looks`: it changes no host, and needs no dry run."""

    def __init__(self, body: Body, full: str, *, looks: bool) -> None:
        self.full, self.looks = full, looks
        self.options = dict(list(inspect.signature(body).parameters.items())[1:])
        words = help_of(*(name.replace("_", "-") for name in self.options))
        super().__init__(body, name=full.rpartition(".")[2], auto_shortflags=False, help=words)

    def arg_opts(self, name: str, default: object, taken_names: set[str]) -> dict[str, Any]:
        """Invoke's own, but for numbers: what is none is kept as it was written, for us to refuse rather than for Invoke to break at."""
        opts: dict[str, Any] = super().arg_opts(name, default, taken_names)  # type: ignore[arg-type]  # Invoke says str, and passes any
        return opts | {"kind": number} if name in self._numbers else opts

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it, unless its numbers or its dry run are refused."""
        wrong = [*self._no_numbers(kwargs)]
        if args and args[0].config.run.dry:
            if "check" in self.options:
                kwargs["check"] = True
            elif not self.looks:
                next_ = "see what it does with --help; leave --dry away to have it done"
                wrong.append(Problem(f"`{self.full}` has no dry run, and nothing was done", next_, path="--dry"))
        if wrong:
            self._refuse(wrong, json=bool(kwargs.get("json")))
        return super().__call__(*args, **kwargs)

    @property
    def _numbers(self) -> list[str]:
        return [name for name, option in self.options.items() if option.annotation in (int, Number)]

    def _no_numbers(self, given: Mapping[str, object]) -> Iterator[Problem]:
        for name in self._numbers:
            value, least = given.get(name), LEAST.get(name, 1)
            if isinstance(value, str) or (isinstance(value, int) and value < least):
                option = f"--{name.replace('_', '-')}"
                yield Problem(
                    f"«{value}» is no number that it can have", f"give a whole number from {least} on", path=option
                )

    def _refuse(self, wrong: list[Problem], *, json: bool) -> NoReturn:
        from cutover.entry.app import Ask, end

        def refused(_ask: Ask) -> NoReturn:
            raise UsageError(wrong)

        raise Exit(code=int(end(Ask(Path(), self.full, json), refused)))


def command(full: str, *, looks: bool = False) -> Callable[[Body], Command]:
    """Make a function a command of this full name, such as hosts.list; its parameters are its options."""
    return lambda body: Command(body, full, looks=looks)


def end_with(code: int) -> None:
    """End with a code from the one table (cutover/words/errors.py)."""
    if code:
        raise Exit(code=int(code))


def number(written: str) -> int | str:
    """A whole number; anything else stays as it is."""
    return int(written) if WHOLE.match(written) else written
