"""watch.sqlite says what watch.jsonl says, is made of it at any time, and is never in the way of the watch."""

import sqlite3
from pathlib import Path

import pytest

from cutover.journal.record import BrokenChain
from cutover.monitor.index import VERSION, follow, numbers, rebuild
from tests.monitor.watch_journals import HOUR, Watching, rolled_back


def ask(path: Path, query: str) -> list[tuple[object, ...]]:
    database = sqlite3.connect(path)
    try:
        return database.execute(query).fetchall()
    finally:
        database.close()


def everything(path: Path) -> list[tuple[object, ...]]:
    tables = ("samples", "looks", "judgements", "events", "meta")
    return [row for table in tables for row in sorted(ask(path, f"SELECT * FROM {table}"), key=repr)]  # noqa: S608


def test_the_index_has_every_number_of_every_sample(tmp_path: Path) -> None:
    watch = rolled_back(look_s=300)
    index = tmp_path / "watch.sqlite"
    assert rebuild(watch.save(tmp_path), index) == len(watch.records)
    samples = [record for record in watch.records if record.kind == "sample"]
    assert ask(index, "SELECT count(*) FROM looks") == [(len(samples),)]
    assert ask(index, "PRAGMA user_version") == [(VERSION,)]
    last = samples[-1].data
    found = ask(index, f"SELECT signal, value FROM samples WHERE host = '{last['host']}' AND t = {last['t']}")  # noqa: S608
    assert sorted(found) == sorted(numbers(last["documents"]))
    assert ("figures.kpis.PAR30", last["documents"]["figures"]["kpis"]["PAR30"]) in found
    worst = ask(index, 'SELECT host, rule, value, "limit" FROM judgements WHERE rolls_back ORDER BY seq')
    assert worst[0] == ("web2", "error_rate", 0.3, 0.05)
    assert [kind for (kind,) in ask(index, "SELECT kind FROM events ORDER BY seq")][-4:] == [
        "notice", "rollback.finished", "notice", "watch.finished",
    ]  # fmt: skip


def test_following_gives_what_rebuilding_gives(tmp_path: Path) -> None:
    watch = Watching("web1", "web2").look(row=True)
    journal = watch.save(tmp_path)
    index = follow(journal, tmp_path / "followed.sqlite")
    known = len(watch.records)
    for record in watch.until(1200).records[known:]:
        index(record)
    index.close()
    rebuild(watch.save(tmp_path), tmp_path / "made.sqlite")
    assert everything(tmp_path / "followed.sqlite") == everything(tmp_path / "made.sqlite")


def test_one_that_is_up_to_date_is_kept_and_any_other_is_made_anew(tmp_path: Path) -> None:
    watch = Watching("web1").look(row=True)
    journal, path = watch.save(tmp_path), tmp_path / "watch.sqlite"
    follow(journal, path).close()
    inode = path.stat().st_ino
    follow(journal, path).close()
    assert path.stat().st_ino == inode
    path.write_text("this is no database, and never was one; it is only a text that lies here")
    follow(journal, path).close()
    assert ask(path, "SELECT count(*) FROM looks") == [(1,)]
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    follow(journal, path).close()
    assert ask(path, "PRAGMA user_version") == [(VERSION,)]
    follow(watch.until(600).save(tmp_path), path).close()
    assert ask(path, "SELECT count(*) FROM looks") == [(6,)]


def test_records_that_were_not_heard_are_taken_from_the_journal(tmp_path: Path) -> None:
    watch = Watching("web1").look(row=True)
    index = follow(watch.save(tmp_path), tmp_path / "watch.sqlite")
    watch.until(600).save(tmp_path)
    index(watch.records[-1])
    index(watch.records[-1])  # heard twice, kept once
    assert ask(tmp_path / "watch.sqlite", "SELECT count(*) FROM looks") == [(6,)]
    index.close()


def test_an_altered_journal_is_refused_and_the_index_stays(tmp_path: Path) -> None:
    watch = Watching("web1").look(row=True).until(HOUR)
    journal, path = watch.save(tmp_path), tmp_path / "watch.sqlite"
    rebuild(journal, path)
    before = everything(path)
    journal.write_text(journal.read_text().replace('"latency"', '"delay"', 1))
    with pytest.raises(BrokenChain, match="the chain is broken"):
        rebuild(journal, path)
    assert everything(path) == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["watch.jsonl", "watch.sqlite"]


def test_what_sqlite_cannot_do_is_an_oserror_which_the_journal_survives(tmp_path: Path) -> None:
    watch = Watching("web1").look(row=True)
    index = follow(watch.save(tmp_path), tmp_path / "watch.sqlite")
    index.close()
    with pytest.raises(OSError, match=r"watch\.sqlite: Cannot operate on a closed database"):
        index(watch.until(120).records[-2])


def test_what_is_not_measured_is_not_in_the_index() -> None:
    document = {"a": None, "b": float("nan"), "c": True, "d": {"e": 2, "f": "text", "g": [1, 2]}, "h": float("inf")}
    assert list(numbers(document)) == [("c", 1.0), ("d.e", 2.0)]
