"""How far the journals of a run had come, as their controllers said it: a journal that lost its end is found out by this."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cutover.agent.durable import read_json, write_json

FILE = "journal-heads.json"


def note(folder: Path, head: Mapping[str, Any] | None) -> None:
    """Keep the newest head (journal, seq, hash) of each journal; one that is older than what is known changes nothing."""
    if head is None:
        return
    known: dict[str, dict[str, Any]] = {one["journal"]: one for one in kept(folder)}
    if head["journal"] in known and known[head["journal"]]["seq"] >= head["seq"]:
        return
    write_json(folder / FILE, [*(known | {head["journal"]: dict(head)}).values()])


def kept(folder: Path) -> list[dict[str, Any]]:
    """The heads that are known of a run: one for each machine that wrote a journal of it."""
    heads: list[dict[str, Any]] = read_json(folder / FILE) or []
    return heads
