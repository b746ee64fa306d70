"""The header of a CSV tape: judged, and turned into the place of each column."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from kpi.columns import DATE_COLUMN, REQUIRED, judge_header
from kpi.findings import Finding, RefusedTapeError
from kpi.personal import judge_columns
from kpi.tapes.rules import SEPARATORS, InputRules

LOAN_ID = "loan_id"
LARGE_BYTES = 1 << 19
_LOOK_BYTES = 1 << 15  # of the first rows, to see whether they are about people
_AGAIN = "have the tape delivered again"


@dataclass(frozen=True)
class Layout:
    """What the header says, and the rules by which the rest is read."""

    source: str
    names: tuple[str, ...]
    rules: InputRules
    large: bool = False  # large enough to be worth what the fast reader costs to import

    @property
    def has_loans(self) -> bool:
        """Whether rows name their loans."""
        return LOAN_ID in self.names


def split_header(blocks: Iterator[bytes], source: str, rules: InputRules) -> tuple[Layout, Iterator[bytes]]:
    """The layout, and the blocks of records behind the header; refuses a tape whose columns are wrong or without rows."""
    first = next(_not_blank(blocks), b"")
    if not first:
        raise RefusedTapeError(Finding("empty_tape", source, "the file is empty", _AGAIN))
    line, _, rest = first.partition(b"\n")
    if line.count(b'"') % 2:
        raise RefusedTapeError(Finding("unreadable", source, "a line end inside the header's quotes", _AGAIN))
    names = tuple(name.strip() for name in next(csv.reader(io.StringIO(line.decode()), delimiter=rules.separator)))
    judge_names(source, names, rules, _rows(rest, rules))
    behind = _not_blank(chain([rest], blocks))
    first = next(behind, b"")
    if not first:
        raise RefusedTapeError(Finding("empty_tape", source, "the tape has a header and no rows", _AGAIN))
    return Layout(source, names, rules, len(first) >= LARGE_BYTES), chain([first], behind)


def judge_names(
    source: str, names: tuple[str, ...], rules: InputRules | None = None, rows: Iterable[Sequence[str]] = ()
) -> None:
    """Refuse a tape whose columns are wrong or personal, by their names and some rows.

    Where another separator would make them right, that is what is said.
    """
    findings = [*judge_header(source, names), *judge_columns(source, names, rows)]
    if not findings:
        return
    other = _other_separator(names, rules) if rules else ""
    if rules and other:
        found = f"the header seems to be separated by {other!r}, and the rules say {rules.separator!r}"
        step = f"declare input.separator {other!r}, or have the tape delivered with {rules.separator!r}"
        raise RefusedTapeError(Finding("wrong_separator", source, found, step))
    raise RefusedTapeError(findings)


def _rows(rest: bytes, rules: InputRules) -> Iterator[list[str]]:
    text = rest[:_LOOK_BYTES].decode(errors="replace")  # the last sign may be cut
    return csv.reader(io.StringIO(text, newline=""), delimiter=rules.separator)


def _other_separator(names: tuple[str, ...], rules: InputRules) -> str:
    line = rules.separator.join(names)
    for other in SEPARATORS:
        parts = {part.strip().strip('"') for part in line.split(other)}
        if other != rules.separator and DATE_COLUMN in parts and len(parts.intersection(REQUIRED)) > len(REQUIRED) // 2:
            return other
    return ""


def _not_blank(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The blocks without line feeds in front; none that is empty then."""
    return (bare for block in blocks if (bare := block.lstrip(b"\n")))
