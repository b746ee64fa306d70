"""Tables of measured values, as templates/report.yml asks for them: one row a value and host, out of the steps' documents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from cutover.core.numbers import is_number
from cutover.timeline.presentation import Column, ValueTable
from cutover.timeline.timeline import Story

MISSING = "not measured"


@dataclass(frozen=True)
class Cell:
    """A value as it is printed; `exact` is all its digits, for those who want them."""

    text: str
    exact: str = ""
    verdict: bool = False
    number: bool = False


@dataclass(frozen=True)
class Table:
    """A table of values: a caption, column titles, and rows that begin with the host (or nothing) and the value's name."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[Cell, ...]], ...]

    @property
    def numbers(self) -> tuple[bool, ...]:
        """Which of the columns hold numbers, whose heads stand to the right as well."""
        return tuple(any(cells[index].number for _, _, cells in self.rows) for index in range(len(self.columns)))


def fleet_table(story: Story, spec: ValueTable, hosts: Sequence[str]) -> Table:
    """One row for each host and value; a host that has no such document has one row that says so."""
    rows: list[tuple[str, str, tuple[Cell, ...]]] = []
    spec = _without_empty(story, spec, hosts)
    for host in hosts:
        names = _names(story, host, spec)
        rows += [
            (
                host,
                _label(story, host, spec, name),
                tuple(_cell(story, host, spec, column, name) for column in spec.columns),
            )
            for name in names
        ]
        if not names and document(story, host, spec.step) is not None:
            rows.append((host, MISSING, tuple(Cell(MISSING) for _ in spec.columns)))
    return Table(spec.title, tuple(column.title for column in spec.columns), tuple(rows))


def _without_empty(story: Story, spec: ValueTable, hosts: Sequence[str]) -> ValueTable:
    """The table without its optional columns that no host has a document for."""
    kept = tuple(
        column
        for column in spec.columns
        if not column.optional or any(document(story, host, column.step or spec.step) is not None for host in hosts)
    )
    return spec.model_copy(update={"columns": kept})


def step_tables(story: Story, specs: Sequence[ValueTable], host: str, step: str) -> list[Table]:
    """The tables of one step's document on one host: one for each item of the list that the spec names."""
    found = document(story, host, step)
    tables: list[Table] = []
    for spec in (spec for spec in specs if spec.step == step):
        items = follow(found, spec.each.split(".")) if spec.each else [found]
        for item in items if isinstance(items, list) else []:
            names = follow(item, spec.rows.split("."))
            rows = [
                (
                    "",
                    _with_unit(name, follow(item, _path(spec.unit, name)) if spec.unit else None),
                    tuple(_printed(follow(item, _path(column.at, name)), column) for column in spec.columns),
                )
                for name in (names if isinstance(names, Mapping) else {})
            ]
            title = PurePosixPath(str(follow(item, [spec.name]))).name if spec.name else spec.title
            tables.append(
                Table(
                    f"{spec.title}: {title}" if spec.name else title,
                    tuple(column.title for column in spec.columns),
                    tuple(rows),
                )
            )
    return tables


def document(story: Story, host: str, step: str) -> Any:
    """The JSON document that a step measured on a host; None where it did not."""
    outcome = story.outcomes.get((host, step))
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


def _names(story: Story, host: str, spec: ValueTable) -> list[str]:
    found = follow(document(story, host, spec.step), spec.rows.split("."))
    return list(found) if isinstance(found, Mapping) else []


def _label(story: Story, host: str, spec: ValueTable, name: str) -> str:
    return _with_unit(name, follow(document(story, host, spec.step), _path(spec.unit, name)) if spec.unit else None)


def _with_unit(name: str, unit: Any) -> str:
    return f"{name} ({unit})" if isinstance(unit, str) and unit else name


def _cell(story: Story, host: str, spec: ValueTable, column: Column, name: str) -> Cell:
    return _printed(follow(document(story, host, column.step or spec.step), _path(column.at, name)), column)


def _path(at: str, row: str) -> list[str]:
    """A path with the row's name put in; the name may have dots itself."""
    return [part.replace("{row}", row) for part in at.split(".")]


def _printed(value: Any, column: Column) -> Cell:
    if value is None:
        return Cell(column.missing)
    if is_number(value):
        return Cell(
            format(value, column.format) if column.format else f"{value:,}".replace(",", " "), repr(value), number=True
        )
    if isinstance(value, list):
        return Cell(
            " to ".join(str(item) for item in value) if len(value) == 2 else ", ".join(str(item) for item in value)
        )
    return Cell(str(value), verdict=column.verdict)
