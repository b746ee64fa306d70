"""Tapes and metrics in Parquet, through pandas and pyarrow where the release contains them."""

import io
from importlib.util import find_spec
from typing import Any

from kpi.columns import judge_header
from kpi.findings import Finding, RefusedTapeError
from kpi.reading import assemble
from kpi.tape import Tape


def is_available() -> bool:
    """Whether this installation can read and write Parquet."""
    return find_spec("pyarrow") is not None


def parse_parquet(source: str, content: bytes) -> Tape:
    """The tape in these bytes of Parquet."""
    if not is_available():
        found = "a Parquet tape, and this release contains no pyarrow"
        raise RefusedTapeError(Finding("unsupported_format", source, found, "deliver CSV, or a release with pyarrow"))
    import pandas as pd

    try:
        frame = pd.read_parquet(io.BytesIO(content))
    except (OSError, ValueError) as error:
        step = "have the tape delivered again"
        raise RefusedTapeError(Finding("unreadable", source, f"not Parquet: {error}", step)) from error
    return tape_from_frame(source, frame)


def tape_from_frame(source: str, frame: Any) -> Tape:
    """The tape in a pandas data frame; the same rules as for a file."""
    names = [str(name) for name in frame.columns]
    findings = judge_header(source, names)
    if findings:
        raise RefusedTapeError(findings)
    if frame.empty:
        found = "the tape has columns and no rows"
        raise RefusedTapeError(Finding("empty_tape", source, found, "have the tape delivered again"))
    cells = {name: tuple(_texts(frame[name])) for name in names}
    return assemble(source, names, cells, range(1, len(frame) + 1), len(frame), [])


def frame_bytes(records: list[dict[str, Any]]) -> bytes:
    """These records as one Parquet file."""
    import pandas as pd

    buffer = io.BytesIO()
    pd.DataFrame(records).to_parquet(buffer, index=False)
    return buffer.getvalue()


def _texts(series: Any) -> list[str]:
    missing = series.isna()
    if series.dtype.kind == "M":
        series = series.dt.strftime("%Y-%m-%d")
    return ["" if absent else str(value) for value, absent in zip(series.tolist(), missing, strict=True)]
