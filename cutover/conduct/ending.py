"""How a run's end comes into its journal, whatever ends it."""

from collections.abc import Iterator
from contextlib import contextmanager

from cutover.words.errors import CutoverError
from cutover.world.journal import Journal


@contextmanager
def end_recorded(journal: Journal) -> Iterator[None]:
    """Write an end that is not success as the run's last record, with its exit code and its problems."""
    try:
        yield
    except CutoverError as end:
        problems = [problem.as_json() for problem in end.problems]
        journal.write("run.finished", exit_code=int(end.exit_code), status=type(end).__name__, problems=problems)
        raise
