"""Read a tape, count it, and say what is wrong with it: one pass in constant memory, a second one only for suspects."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from kpi.columns import extra_columns
from kpi.findings import Finding, RefusedTapeError
from kpi.tape import LoanFacts, Tape
from kpi.tapes.batch import Batch, TapePart, day_text
from kpi.tapes.content import Content, no_sign
from kpi.tapes.duplicates import CONFIRMED, LoanKeys, Repeated, confirmed, finding
from kpi.tapes.loans import Keys
from kpi.tapes.rules import InputRules
from kpi.tapes.stream import Source, opened
from kpi.tapes.thread_pool import in_order

STRICT = InputRules()


def read_tape(
    source: Source,
    name: str = "",
    rules: InputRules = STRICT,
    sha256: str = "",
    alive: Callable[[], None] = no_sign,
) -> Tape:
    """The tape in a file, in bytes, or in named columns; `sha256` is what its bytes must digest to, where that is known.

    A path that cannot be read is a UsageError, a content that cannot is a RefusedTapeError. Bad rows are neither: they
    are in the tape's quarantine.
    """
    name = name or (source.name if isinstance(source, Path) else "tape")
    with LoanKeys() as loans_seen:
        try:
            with opened(name, source, rules, sha256, alive) as stream:
                total = _counted(in_order(stream.aggregate, stream.shares), loans_seen, alive)
        except RefusedTapeError:
            if isinstance(source, bytes | Path):
                Content(name, source, sha256).compare(alive)  # what is wrong with other bytes is not worth reporting
            raise
        repeated, found = _duplicates(name, source, rules, loans_seen, alive)
    return _tape(name, stream.names, total, LoanFacts(loans_seen.loans, total.without_id, repeated), found)


def combine(source: Source, name: str, parts: Iterable[TapePart], rules: InputRules = STRICT) -> Tape:
    """The tape whose parts were counted elsewhere (`kpi.tapes.pieces`), given in the order of the tape."""
    with LoanKeys() as loans_seen:
        total = _counted(parts, loans_seen, no_sign)
        repeated, found = _duplicates(name, source, rules, loans_seen, no_sign)
    with opened(name, source, rules) as stream:
        names = stream.names
    return _tape(name, names, total, LoanFacts(loans_seen.loans, total.without_id, repeated), found)


def _counted(parts: Iterable[TapePart], loans_seen: LoanKeys, alive: Callable[[], None]) -> TapePart:
    total = TapePart()
    for part in parts:
        alive()
        loans_seen.add(part.keys)
        total += replace(part, keys=())
    return total


def _tape(name: str, names: tuple[str, ...], total: TapePart, facts: LoanFacts, found: tuple[Finding, ...]) -> Tape:
    aggregates = {day_text(day): total.aggregates[day] for day in sorted(total.aggregates)}
    return Tape(name, total.rows_read, aggregates, total.quarantined, tuple(extra_columns(names)), facts, found)


def _duplicates(
    name: str, source: Source, rules: InputRules, loans_seen: LoanKeys, alive: Callable[[], None]
) -> tuple[int, tuple[Finding, ...]]:
    """Rows that repeat a loan of their date: suspected by key, confirmed by reading the tape again."""
    repeats, suspects = loans_seen.suspects()
    if not repeats:
        return 0, ()
    loans = _confirmed(name, source, rules, suspects, alive)
    if len(suspects) < CONFIRMED:
        repeats = sum(one.count - 1 for one in loans.values())
    return repeats, (finding(name, repeats, loans),) if loans else ()


def _confirmed(
    name: str, source: Source, rules: InputRules, suspects: Keys, alive: Callable[[], None]
) -> dict[tuple[str, str], Repeated]:
    with opened(name, source, rules) as stream:
        return confirmed(_signed(in_order(stream.read, stream.pieces), alive), suspects)


def _signed(batches: Iterable[Batch], alive: Callable[[], None]) -> Iterator[Batch]:
    for batch in batches:
        alive()
        yield batch
