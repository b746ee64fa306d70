"""The table of measured values that report.yml of a service asks for: one row a host and value, out of the steps' documents."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cutover.agent.compare import dig
from cutover.core.numbers import is_number
from cutover.timeline.presentation import Column, ValueTable
from cutover.timeline.timeline import Timeline

MISSING = "not measured"


@dataclass(frozen=True)
class ValueCell:
    """A value as it is printed; of a number `exact` is all its digits, for those who want them."""

    text: str
    exact: str = ""
    verdict: bool = False


Row = tuple[str, str, tuple[ValueCell, ...]]  # host, name of the value, a cell for each column


def fleet_table(timeline: Timeline, spec: ValueTable, hosts: Sequence[str]) -> tuple[list[Column], list[Row]]:
    """Columns and values of all hosts, without the optional columns that no host has a document for.

    A host that has a document without such values has one row that says so.
    """
    steps = {spec.step, *(column.step or spec.step for column in spec.columns)}
    documents = {host: {step: timeline.document(host, step) for step in steps} for host in hosts}
    columns = [
        one
        for one in spec.columns
        if not one.optional or any(found[one.step or spec.step] is not None for found in documents.values())
    ]
    rows: list[Row] = []
    for host, found in documents.items():
        measured = list(_rows(host, found, spec, columns))
        if not measured and found[spec.step] is not None:
            measured = [(host, MISSING, tuple(ValueCell(MISSING) for _ in columns))]
        rows += measured
    return columns, rows


def _rows(host: str, documents: Mapping[str, Any], spec: ValueTable, columns: Sequence[Column]) -> Iterator[Row]:
    found = documents[spec.step]
    names = dig(found, spec.rows)
    for name in names if isinstance(names, Mapping) else ():
        unit = dig(found, spec.unit.replace("{row}", name)) if spec.unit else None
        cells = (_cell(dig(documents[one.step or spec.step], one.at.replace("{row}", name)), one) for one in columns)
        yield host, f"{name} ({unit})" if isinstance(unit, str) and unit else name, tuple(cells)


def _cell(value: Any, column: Column) -> ValueCell:
    if value is None:
        return ValueCell(MISSING)
    if is_number(value):
        printed = format(value, column.format) if column.format else f"{value:,}".replace(",", " ")
        return ValueCell(printed, repr(value))
    return ValueCell(str(value), verdict=column.verdict)
