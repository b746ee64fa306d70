"""The fast reader: the same blocks through pyarrow, where it is installed; whatever it does not read cleanly is not its business.

It answers None for a block with any cell that is not plainly an amount or a day; the reference reader then says what is
wrong. So both give the same digits and the same findings, and the fast one never has to explain anything.
"""

from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from kpi.amounts import NULL_WORDS
from kpi.columns import AMOUNTS, DATE_COLUMN
from kpi.tapes.batch import Batch, TapePart, aggregate_batch
from kpi.tapes.layout import LOAN_ID, Layout
from kpi.tapes.loans import LoanIds

_NULLS = sorted({spelt for word in NULL_WORDS for spelt in (word, word.upper(), word.title())} | {"NaN"})


@cache
def is_available() -> bool:
    """Whether this installation has pyarrow."""
    return find_spec("pyarrow") is not None


def aggregate_block(block: bytes, layout: Layout) -> TapePart | None:
    """The part that a block comes to, if every cell of it is what it should be."""
    batch = read_block(block, layout)
    if batch is None:
        return None
    part = aggregate_batch(batch)
    return None if part.quarantined else part


def read_block(block: bytes, layout: Layout) -> Batch | None:
    """The rows of a block, if every cell can be converted and no word for a number is among them."""
    if not layout.rules.plain_amounts:
        return None
    import pyarrow as pa
    from pyarrow import csv

    read = csv.ReadOptions(column_names=layout.names, use_threads=False, block_size=len(block) + 1)
    quoted = b'"' in block
    parse = csv.ParseOptions(
        delimiter=layout.rules.separator, quote_char='"' if quoted else False, newlines_in_values=quoted
    )
    try:
        table = csv.read_csv(pa.BufferReader(block), read, parse, _conversion(layout))
    except pa.ArrowInvalid:
        return None
    columns = [table.column(name) for name in AMOUNTS]
    amounts = tuple(numbers(column) for column in columns)
    nulls = [int(np.count_nonzero(np.isnan(values))) for values in amounts]
    days = table.column(DATE_COLUMN)
    if days.null_count or nulls != [column.null_count for column in columns]:
        return None
    loans = loan_ids(table.column(LOAN_ID)) if layout.has_loans else None
    return Batch(amounts, numbers(days.cast(pa.int32())), 1, table.num_rows, loans)


def _conversion(layout: Layout) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    types = {DATE_COLUMN: pa.date32(), **dict.fromkeys(AMOUNTS, pa.float64())}
    if layout.has_loans:
        types[LOAN_ID] = pa.string()
    return csv.ConvertOptions(
        column_types=types,
        include_columns=list(types),
        null_values=_NULLS,
        strings_can_be_null=False,
        check_utf8=False,  # the records were checked
        decimal_point=layout.rules.decimal,
    )


def numbers(column: Any) -> Any:
    """A chunked column of numbers as one array, null as NaN; without a copy where it is one piece without nulls."""
    pieces = [_numbers(chunk) for chunk in column.chunks]
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _numbers(chunk: Any) -> Any:
    """Straight from the buffers: pyarrow's own way to numpy imports pandas, which takes longer than a tape of a million rows."""
    valid, values = chunk.buffers()
    kind = np.dtype(chunk.type.to_pandas_dtype())
    found = np.frombuffer(values, dtype=kind)[chunk.offset : chunk.offset + len(chunk)]
    if not chunk.null_count:
        return found
    bits = np.unpackbits(np.frombuffer(valid, dtype=np.uint8), bitorder="little")
    return np.where(bits[chunk.offset : chunk.offset + len(chunk)], found, np.nan)


def loan_ids(column: Any) -> LoanIds:
    """A chunked column as loan ids; null is an empty id."""
    import pyarrow as pa

    whole = column.cast(pa.large_string()).combine_chunks()
    if whole.null_count:  # pyarrow imports pandas for it, so only where it must be
        whole = whole.fill_null("")
    flat = whole if isinstance(whole, pa.Array) else whole.chunk(0)
    _, offsets, text = flat.buffers()
    starts = np.frombuffer(offsets, dtype=np.int64)[flat.offset : flat.offset + len(flat) + 1]
    return LoanIds(bytes(text) if text is not None else b"", starts)
