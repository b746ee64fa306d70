"""Tapes and metrics in Parquet, straight through pyarrow, where the release contains it."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from kpi.columns import AMOUNTS, DATE_COLUMN
from kpi.findings import Finding, RefusedTapeError
from kpi.personal import SAMPLES
from kpi.tapes import arrow
from kpi.tapes.batch import Batch, TapePart, aggregate_batch, day_number
from kpi.tapes.layout import LOAN_ID, judge_names
from kpi.tapes.plain import assemble
from kpi.tapes.rules import InputRules

BATCH_ROWS = 1 << 16
_AGAIN = "have the tape delivered again"


def opened(source: str, stream: IO[bytes]) -> Any:
    """The Parquet file in a stream, its columns judged; refuses what is none, and one without rows."""
    if not arrow.is_available():
        found = "a Parquet tape, and this release contains no pyarrow"
        raise RefusedTapeError(Finding("unsupported_format", source, found, "deliver CSV, or a release with pyarrow"))
    import pyarrow as pa

    try:
        file = _file(stream)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(source, error) from error
    judge_names(source, tuple(file.schema_arrow.names), rows=_first_rows(source, file))
    if not file.metadata.num_rows:
        raise RefusedTapeError(Finding("empty_tape", source, "the tape has columns and no rows", _AGAIN))
    return file


@dataclass(frozen=True)
class Groups:
    """The row groups of a tape, each to be decoded and counted by a thread of its own, through a file of its own."""

    source: str
    held: bytes | Path
    metadata: Any

    def __iter__(self) -> Iterator[int]:
        """The numbers of the row groups."""
        return iter(range(self.metadata.num_row_groups))

    def aggregate(self, group: int) -> TapePart:
        """The part that a row group comes to, a batch at a time: it may be larger than what may be held."""
        total = TapePart()
        with io.BytesIO(self.held) if isinstance(self.held, bytes) else self.held.open("rb", buffering=0) as stream:
            for batch in batches(self.source, _file(stream, self.metadata), [group]):
                total += aggregate_batch(read_batch(batch))
        return total


def _file(stream: IO[bytes], metadata: Any = None) -> Any:
    from pyarrow import parquet

    return parquet.ParquetFile(stream, metadata=metadata, read_dictionary=[DATE_COLUMN])  # few days, many rows


def batches(source: str, file: Any, groups: Sequence[int] | None = None) -> Iterator[Any]:
    """The record batches of a file, or of some of its row groups; only the columns that count."""
    import pyarrow as pa

    wanted = [DATE_COLUMN, *AMOUNTS, *([LOAN_ID] if LOAN_ID in file.schema_arrow.names else [])]
    chosen = range(file.metadata.num_row_groups) if groups is None else groups
    try:
        yield from file.iter_batches(BATCH_ROWS, row_groups=list(chosen), columns=wanted, use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(source, error) from error


def read_batch(batch: Any) -> Batch:
    """One record batch as columns; what is not plain numbers and days goes the way of text, cell by cell."""
    import pyarrow as pa

    names = batch.schema.names
    days = _days(batch.column(DATE_COLUMN))
    amounts = [batch.column(name) for name in AMOUNTS]
    plain = all(pa.types.is_floating(column.type) or _small_whole(column.type) for column in amounts)
    if days is not None and plain:
        columns = tuple(arrow.numbers(pa.chunked_array([column])).astype(np.float64, copy=False) for column in amounts)
        loans = arrow.loan_ids(pa.chunked_array([batch.column(LOAN_ID)])) if LOAN_ID in names else None
        return Batch(columns, days, 1, len(batch), loans)
    cells = {name: _texts(batch.column(name)) for name in names}
    return assemble(cells, np.arange(1, len(batch) + 1), len(batch), [], InputRules())


def frame_bytes(records: list[dict[str, Any]]) -> bytes:
    """These records as one Parquet file."""
    import pyarrow as pa
    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(records), buffer)
    return buffer.getvalue()


def _first_rows(source: str, file: Any) -> Iterator[tuple[str, ...]]:
    """Some rows as text, for the judgement whether they are about people; amounts are not, and stay out."""
    import pyarrow as pa

    names = file.schema_arrow.names
    others = [name for name in names if name not in AMOUNTS]
    try:
        groups = list(range(min(1, file.metadata.num_row_groups)))
        for batch in islice(file.iter_batches(SAMPLES, row_groups=groups, columns=others, use_threads=False), 1):
            cells = dict(zip(batch.schema.names, map(_texts, batch.columns), strict=True))
            yield from zip(*(cells.get(name, [""] * len(batch)) for name in names), strict=True)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(source, error) from error


def _small_whole(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) and kind.bit_width <= 32)


def _days(column: Any) -> Any:
    """Days since 1970 where the column has a day for each row, else None; one number when all rows have one day."""
    import pyarrow as pa
    from pyarrow import compute

    kind = column.type
    if column.null_count:
        return None
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        column, kind = column.dictionary_encode(), pa.dictionary(pa.int32(), kind)
    if pa.types.is_dictionary(kind):
        known = [_day(str(cell)) for cell in column.dictionary.to_pylist()]
        if None in known or not known:
            return None
        return (
            known[0]
            if len(known) == 1
            else np.array(known, np.int32)[arrow.numbers(pa.chunked_array([column.indices]))]
        )
    if pa.types.is_timestamp(kind) and kind.tz is None:
        column = column.cast(pa.date32(), safe=False)
    elif not pa.types.is_date32(kind):
        return None
    days = column.cast(pa.int32())
    in_range = compute.min(days).as_py() >= _day("0001-01-01") and compute.max(days).as_py() <= _day("9999-12-31")
    return arrow.numbers(pa.chunked_array([days])) if in_range else None


def _day(cell: str) -> int | None:
    from datetime import date

    from kpi.tapes.plain import is_iso_day

    return day_number(date.fromisoformat(cell.strip())) if is_iso_day(cell.strip()) else None


def _texts(column: Any) -> list[str]:
    from datetime import date

    return [
        "" if cell is None else cell.isoformat()[:10] if isinstance(cell, date) else str(cell)
        for cell in column.to_pylist()
    ]


def _unreadable(source: str, error: Exception) -> RefusedTapeError:
    return RefusedTapeError(Finding("unreadable", source, f"not Parquet: {error}", _AGAIN))
