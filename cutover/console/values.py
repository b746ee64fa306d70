"""Tables of measured values, as templates/report.yml asks for them: one row a value and host, out of the steps' documents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from cutover.core.numbers import is_number
from cutover.timeline.presentation import Column, ValueTable
from cutover.timeline.timeline import Timeline

MISSING = "not measured"


@dataclass(frozen=True)
class ValueCell:
    """A value as it is printed; `exact` is all its digits, for those who want them."""

    text: str
    exact: str = ""
    verdict: bool = False
    number: bool = False


Row = tuple[str, str, tuple[ValueCell, ...]]  # host (or nothing), name of the value, a cell for each column


@dataclass(frozen=True)
class ValuesTable:
    """A table of values: a caption, column titles, and rows."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def numbers(self) -> tuple[bool, ...]:
        """Which of the columns hold numbers, whose heads stand to the right as well."""
        return tuple(any(cells[index].number for _, _, cells in self.rows) for index in range(len(self.columns)))


def fleet_table(timeline: Timeline, spec: ValueTable, hosts: Sequence[str]) -> ValuesTable:
    """One row for each host and value, without the optional columns that no host has a document for.

    A host that has a document without such values has one row that says so.
    """
    steps = {spec.step, *(column.step or spec.step for column in spec.columns)}
    documents = {host: {step: document(timeline, host, step) for step in steps} for host in hosts}
    columns = [
        one
        for one in spec.columns
        if not one.optional or any(found[one.step or spec.step] is not None for found in documents.values())
    ]
    rows: list[Row] = []
    for host, found in documents.items():
        measured = _rows(host, found, spec, columns)
        if not measured and found[spec.step] is not None:
            measured = [(host, MISSING, tuple(ValueCell(MISSING) for _ in columns))]
        rows += measured
    return ValuesTable(spec.title, tuple(column.title for column in columns), tuple(rows))


def step_tables(timeline: Timeline, specs: Sequence[ValueTable], host: str, step: str) -> list[ValuesTable]:
    """The tables of one step's document on one host: one for each item of the list that the spec names."""
    found = document(timeline, host, step)
    tables: list[ValuesTable] = []
    for spec in (spec for spec in specs if spec.step == step):
        items = follow(found, spec.each.split(".")) if spec.each else [found]
        for item in items if isinstance(items, list) else []:
            name = PurePosixPath(str(follow(item, [spec.name]))).name if spec.name else ""
            rows = _rows("", dict.fromkeys((spec.step, *(one.step for one in spec.columns)), item), spec, spec.columns)
            heads = tuple(column.title for column in spec.columns)
            tables.append(ValuesTable(f"{spec.title}: {name}" if name else spec.title, heads, tuple(rows)))
    return tables


def _rows(host: str, documents: Mapping[str, Any], spec: ValueTable, columns: Sequence[Column]) -> list[Row]:
    found = documents.get(spec.step)
    names = follow(found, spec.rows.split("."))
    rows = []
    for name in names if isinstance(names, Mapping) else ():
        unit = follow(found, _path(spec.unit, name)) if spec.unit else None
        label = f"{name} ({unit})" if isinstance(unit, str) and unit else name
        cells = (_cell(follow(documents[one.step or spec.step], _path(one.at, name)), one) for one in columns)
        rows.append((host, label, tuple(cells)))
    return rows


def document(timeline: Timeline, host: str, step: str) -> Any:
    """The JSON document that a step measured on a host; None where it did not."""
    outcome = timeline.outcomes.get((host, step))
    return (outcome["after"] or {}).get("document") if outcome else None


def follow(value: Any, path: Sequence[str]) -> Any:
    """What a path leads to; None where it leads nowhere."""
    for part in path:
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.lstrip("-").isdigit() and -len(value) <= int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def _path(at: str, row: str) -> list[str]:
    """A path with the row's name put in; the name may have dots itself."""
    return [part.replace("{row}", row) for part in at.split(".")]


def _cell(value: Any, column: Column) -> ValueCell:
    if value is None:
        return ValueCell(column.missing)
    if is_number(value):
        printed = format(value, column.format) if column.format else f"{value:,}".replace(",", " ")
        return ValueCell(printed, repr(value), number=True)
    if isinstance(value, list):
        return ValueCell((" to " if len(value) == 2 else ", ").join(map(str, value)))
    return ValueCell(str(value), verdict=column.verdict)
