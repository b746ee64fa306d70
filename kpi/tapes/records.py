"""Cut a stream of bytes into blocks of whole CSV records: UTF-8 without BOM, lines ended by a line feed.

A record ends at a line end outside of quotes. Quotes are strict: one opens a field or closes it, and inside a field it is
doubled. So the state at any point follows from counting quotes, and where the stream is cut makes no difference.
"""

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kpi.findings import Finding, RefusedTapeError

_NEXT = "have the tape delivered as UTF-8 CSV or as Parquet"
_QUOTE, _LINE_FEED = 34, 10


@dataclass(frozen=True)
class _Place:
    """Which tape, how its fields are separated, and where in it (line ends as one byte) a text begins."""

    source: str
    separator: str
    begin: int


def record_blocks(
    chunks: Iterable[bytes], source: str, separator: str, longest: int, offset: int = 0
) -> Iterator[bytes]:
    """Blocks of whole records; only the last may lack its line end. `offset` is where the first chunk begins."""
    carry, at = b"", offset
    for chunk in _line_feeds(_checked(chunks, source, offset)):
        block, carry = _cut(carry, chunk, _Place(source, separator, at))
        if _too_long(block, longest) or len(carry) > longest:
            found = f"a record of more than {longest} bytes, near byte {at}"
            step = "this is not a loan tape, or a quote never closes"
            raise RefusedTapeError(Finding("line_too_long", source, found, step))
        if block:
            yield block
            at += len(block)
    if carry.count(b'"') % 2:
        found = f"the file ends inside a quoted field, in the record near byte {at}"
        raise RefusedTapeError(Finding("truncated", source, found, "have the tape delivered again, whole"))
    if carry:
        _end_of_records(carry + b"\n", _Place(source, separator, at))
        yield carry


def _checked(chunks: Iterable[bytes], source: str, offset: int) -> Iterator[bytes]:
    """The chunks without the byte order mark; refuses what is not UTF-8 text, by offset."""
    decoder, waiting = codecs.getincrementaldecoder("utf-8")(), 0
    for chunk, last in _with_last(chunks):
        if b"\x00" in chunk:
            hint = "; it looks like UTF-16" if offset == 0 and chunk[:2] in (b"\xff\xfe", b"\xfe\xff") else ""
            found = f"a NUL byte at offset {offset + chunk.index(0)}; this is not CSV{hint}"
            raise RefusedTapeError(Finding("unreadable", source, found, _NEXT))
        if waiting or not chunk.isascii():
            try:
                decoder.decode(chunk, last)
            except UnicodeDecodeError as error:
                found = f"not UTF-8 at byte {offset - waiting + error.start}"
                raise RefusedTapeError(Finding("unreadable", source, found, _NEXT)) from error
            waiting = len(decoder.getstate()[0])
        yield chunk.removeprefix(codecs.BOM_UTF8) if offset == 0 else chunk
        offset += len(chunk)


def _with_last(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each chunk, and whether it is the last one."""
    stream = iter(chunks)
    for chunk in stream:
        current = chunk
        for following in stream:
            yield current, False
            current = following
        yield current, True


def _line_feeds(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The chunks with CRLF and lone CR as line feeds."""
    held = b""
    for chunk in chunks:
        text = held + chunk
        held = b"\r" if text.endswith(b"\r") else b""
        text = text.removesuffix(b"\r")
        yield text.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in text else text
    if held:
        yield b"\n"


def _cut(carry: bytes, chunk: bytes, place: _Place) -> tuple[bytes, bytes]:
    """What there is of whole records, and the rest."""
    if b'"' in chunk or b'"' in carry:
        text = carry + chunk
        end = _end_of_records(text, place)
        return text[:end], text[end:]
    end = chunk.rfind(b"\n") + 1
    if not end:
        return b"", carry + chunk
    return b"".join((carry, memoryview(chunk)[:end])), chunk[end:]


def _end_of_records(text: bytes, place: _Place) -> int:
    """Behind the last line end that is outside of quotes."""
    found = np.frombuffer(text, dtype=np.uint8)
    quotes = np.flatnonzero(found == _QUOTE)
    ends = np.flatnonzero(found == _LINE_FEED)
    outside = ends[np.searchsorted(quotes, ends) % 2 == 0]
    end = int(outside[-1]) + 1 if len(outside) else 0
    stray = _stray_quote(found[:end], quotes[quotes < end], place.separator)
    if stray is not None:
        message = f"not CSV: a quote inside a field, near byte {place.begin + stray}"
        raise RefusedTapeError(Finding("unreadable", place.source, message, _NEXT))
    return end


def _too_long(text: bytes, longest: int) -> bool:
    """Whether a line is longer than allowed."""
    begin = 0
    while len(text) - begin > longest:
        feed = text.rfind(b"\n", begin, begin + longest + 1)
        if feed < 0:
            return True
        begin = feed + 1
    return False


def _stray_quote(found: NDArray[np.uint8], quotes: NDArray[np.intp], separator: str) -> int | None:
    if not len(quotes):
        return None
    border = np.zeros(256, dtype=bool)
    border[[_QUOTE, _LINE_FEED, ord(separator)]] = True
    opening, closing = quotes[0::2], quotes[1::2]
    wrong_open = opening[~border[found[np.maximum(opening - 1, 0)]] & (opening > 0)]
    wrong_close = closing[~border[found[closing + 1]]]
    wrong = np.concatenate([wrong_open, wrong_close])
    return int(wrong.min()) if len(wrong) else None
