"""Go through a tape row by row and see what V1 and what V2 make of each: the amounts of both, and why they differ."""

import csv
import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kpi.amounts import parse_column
from kpi.columns import AMOUNTS, BUCKETS, DATE_COLUMN, RECEIVABLE, REQUIRED
from kpi.shadow import v1_rules
from kpi.tally import BUCKET_TOLERANCE, BUCKET_TOLERANCE_USD
from kpi.tapes.plain import is_iso_day
from kpi.tapes.rules import InputRules

_PLAIN = re.compile(r"\d{1,15}(\.\d*)?")
_BUCKET_LIKE = re.compile(r"\s*dpd[_\W]", re.IGNORECASE)
WHY = {
    "null_amount": "V1 counts an empty cell as 0, V2 as missing",
    "nan_word": "V1 reads the word as NaN, which makes its whole sum NaN; V2 counts it as missing",
    "read_by_v1": "V1 drops signs and separators and reads a number; V2 puts the row aside",
    "zero_by_v1": "V1 cannot read the cell and counts 0; V2 puts the row aside",
    "read_otherwise": "V1 reads another number than V2 does by its input rules",
    "negative_amount": "V1 adds the negative amount; V2 puts the row aside",
    "infinite_amount": "V1 adds infinity; V2 puts the row aside",
    "bad_date": "V1 reads no dates; V2 puts a row without a real one aside",
    "other_date": "V1 adds up all dates of a tape; V2's headline is of the latest alone",
    "field_count": "V1 takes the fields that are there; V2 puts the row aside",
    "unknown_bucket": "V1 leaves out an ageing column that it does not know; V2 refuses the tape",
    "missing_column": "V1 counts a column that is not there as 0; V2 refuses the tape",
    "buckets_exceed_receivable": "V1 takes buckets that exceed the receivable; V2 refuses the tape",
    "repeated_loan": "V1 counts a loan as often as it stands there; V2 refuses a tape that repeats one",
    "null_receivable": "V1 refuses a tape with an empty receivable; V2 counts it as missing",
    "negative_receivable": "V1 refuses a tape with a negative receivable; V2 puts the row aside",
}


@dataclass
class Seen:
    """One row as both see it: amounts by column; `put_aside` when V2 leaves the row out."""

    row: int
    loan_id: str
    date: str
    v1: dict[str, float]
    v2: dict[str, float]
    why: list[str] = field(default_factory=list)
    cells: dict[str, str] = field(default_factory=dict)
    put_aside: bool = False

    def note(self, why: str, column: str, cell: str) -> None:
        """Remember a reason and the cell that it comes from."""
        if why not in self.why:
            self.why.append(why)
        self.cells[column] = cell


def see_rows(tape: Path, rules: InputRules) -> Iterator[Seen]:
    """Every row of a CSV tape, V2's side by its input rules; UnicodeDecodeError, csv.Error where it is none."""
    text = io.StringIO(tape.read_bytes().decode("utf-8-sig"), newline="")
    lines = (line for line in csv.reader(text, delimiter=rules.separator) if line)
    header = next(lines, [])
    names = [name.strip() for name in header]
    absent = [name for name in REQUIRED if name not in names]
    unknown = [name for name in names if _BUCKET_LIKE.match(name) and name not in BUCKETS]
    loans: set[int] = set()
    for number, line in enumerate(lines, 1):
        seen = _see(number, dict(zip(names, line, strict=False)), len(line) - len(names), rules)
        for column in absent:
            seen.note("missing_column", column, "")
        for column, cell in zip(names, line, strict=False):
            if column in unknown and v1_rules.amount(cell) != 0.0:
                seen.note("unknown_bucket", column, cell)
        _see_loan(seen, loans)
        yield seen


def _see(number: int, cells: dict[str, str], surplus: int, rules: InputRules) -> Seen:
    date = cells.get(DATE_COLUMN, "").strip()
    seen = Seen(number, cells.get("loan_id", ""), date, {}, {})
    if surplus:
        seen.note("field_count", "(row)", f"{abs(surplus)} fields too {'many' if surplus > 0 else 'few'}")
        seen.put_aside = True
    elif DATE_COLUMN in cells and not is_iso_day(date):
        seen.note("bad_date", DATE_COLUMN, date)
        seen.put_aside = True
    for column in AMOUNTS:
        cell = cells.get(column, "")
        if rules.decimal == "." and not rules.thousands and _PLAIN.fullmatch(cell):
            seen.v1[column] = seen.v2[column] = float(cell)
        else:
            _see_special(seen, column, cell, rules)
    _see_buckets(seen)
    return seen


def _see_special(seen: Seen, column: str, cell: str, rules: InputRules) -> None:
    theirs = v1_rules.amount(cell)
    values, faults = parse_column([cell], rules)
    seen.v1[column], seen.v2[column] = theirs, 0.0 if math.isnan(values[0]) else float(values[0])
    if refused := v1_rules.refusal(column, cell):
        seen.note(refused, column, cell)
    if faults:
        reason = faults[0][1]
        unread = "read_by_v1" if theirs != 0.0 else "zero_by_v1"
        seen.note(unread if reason == "unparsable_amount" else reason, column, cell)
        seen.put_aside = True
    elif math.isnan(theirs):
        seen.note("nan_word", column, cell)
    elif math.isnan(values[0]):
        seen.note("null_amount", column, cell)
    elif theirs != values[0]:
        seen.note("read_otherwise", column, cell)


def _see_loan(seen: Seen, loans: set[int]) -> None:
    """Hashes, not ids: of a large tape only so much is kept."""
    if seen.put_aside or not seen.loan_id:
        return
    key = hash((seen.date, seen.loan_id))
    if key in loans:
        seen.note("repeated_loan", "(row)", "this loan stands there more than once")
    loans.add(key)


def _see_buckets(seen: Seen) -> None:
    if RECEIVABLE in seen.cells:  # missing, or no amount: nothing to hold the buckets against
        return
    late, receivable = sum(seen.v2[name] for name in BUCKETS), seen.v2[RECEIVABLE]
    if not seen.put_aside and late > receivable + BUCKET_TOLERANCE_USD + BUCKET_TOLERANCE * abs(receivable):
        seen.note("buckets_exceed_receivable", "(row)", f"{late:.2f} in buckets of {receivable:.2f}")
