"""What a host has heard of a run's journals: the newest record of each."""

from pathlib import Path

from cutover.agent.state_dir import journal_heads, note_head


def head(journal: str, seq: int) -> dict[str, object]:
    return {"journal": journal, "seq": seq, "hash": f"{journal}{seq}"}


def test_the_newest_head_of_each_journal_is_kept(tmp_path: Path) -> None:
    for journal, seq in (("a", 3), ("b", 9), ("a", 7), ("a", 5)):  # the last comes late
        note_head(tmp_path, head(journal, seq))
    note_head(tmp_path, None)
    assert journal_heads(tmp_path) == [head("a", 7), head("b", 9)]


def test_nothing_was_heard(tmp_path: Path) -> None:
    assert journal_heads(tmp_path) == []
