"""Unpack a gzip tape as a stream, and stop as soon as it grows beyond what a tape can."""

import zlib
from collections.abc import Iterable, Iterator

from kpi.findings import Finding, RefusedTapeError
from kpi.tapes.rules import InputRules

_PIECE = 1 << 20
_GZIP = 31  # zlib's word for: with a gzip header
_RATIO_FROM = 1 << 20  # a few kilobytes of zeros are not a bomb


def unpacked(chunks: Iterable[bytes], source: str, rules: InputRules) -> Iterator[bytes]:
    """The content of these gzip chunks (one member or several), in pieces of bounded size."""
    machine = zlib.decompressobj(_GZIP)
    read = grown = 0
    for chunk in chunks:
        read += len(chunk)
        rest = chunk
        while rest:
            if machine.eof:
                machine = zlib.decompressobj(_GZIP)
            piece = _piece(machine, rest, source)
            grown += len(piece)
            _judge_growth(read, grown, source, rules)
            if piece:
                yield piece
            rest = machine.unused_data if machine.eof else machine.unconsumed_tail
    if not machine.eof:
        raise RefusedTapeError(
            Finding("truncated", source, "the gzip stream ends in the middle", "have the tape delivered again")
        )


def _piece(machine: "zlib._Decompress", rest: bytes, source: str) -> bytes:
    try:
        return machine.decompress(rest, _PIECE)
    except zlib.error as error:
        step = "have the tape delivered again"
        raise RefusedTapeError(Finding("unreadable", source, f"not gzip: {error}", step)) from error


def _judge_growth(read: int, grown: int, source: str, rules: InputRules) -> None:
    found = ""
    if grown > rules.expanded_bytes:
        found = f"its content is larger than {rules.expanded_bytes} bytes (input.expanded_bytes)"
    elif grown > _RATIO_FROM and grown > read * rules.expansion_ratio:
        found = (
            f"{read} bytes grew to {grown} already, more than {rules.expansion_ratio:g} times (input.expansion_ratio)"
        )
    if found:
        step = "a gzip bomb, or no loan tape; find out what was sent, deliver it unpacked if it is right"
        raise RefusedTapeError(Finding("gzip_bomb", source, found, step))
