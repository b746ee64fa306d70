"""One run at a time: the token only rises, and a lower one is refused. And what else a host keeps of runs."""

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cutover.agent import lease
from cutover.agent.__main__ import answered
from cutover.agent.durable import read_json
from cutover.agent.state_dir import Refusal, StateDir, journal_heads, note_head
from tests.full_disk import full


@pytest.fixture
def place(tmp_path: Path) -> StateDir:
    return StateDir(tmp_path / "state")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The host's own time: seconds since boot, and which boot."""
    now: dict[str, Any] = {"seconds": 1000.0, "boot": "boot-1"}
    monkeypatch.setattr(lease, "boot_seconds", lambda: now["seconds"])
    monkeypatch.setattr(lease, "boot_id", lambda: now["boot"])
    return now


def take(place: StateDir, run: str = "run-1", nonce: str = "n1", seconds: float = 60, **claim: object) -> int:
    taken = lease.acquire(place, run=run, holder=f"{run}@here", nonce=nonce, seconds=seconds, claim=claim)
    return int(taken["token"])


def test_a_host_that_nobody_held_is_free(place: StateDir) -> None:
    assert (lease.current(place)["token"], lease.current(place)["held"]) == (0, False)
    assert not place.root.exists()  # looking leaves nothing
    for token in (0, 1, 99):
        with pytest.raises(Refusal):
            lease.check(place, token)


def test_a_lease_is_given_back_where_the_plan_cannot_be_kept(place: StateDir) -> None:
    request = {
        "verb": "begin",
        "state_dir": str(place.root),
        "run": "run-1",
        "holder": "h",
        "nonce": "n",
        "lease_s": 60,
    }
    request |= {"claim": {}, "plan": {}, "approval": None}
    plan = place.run("run-1") / "plan.json"
    plan.mkdir(parents=True)
    assert answered(request)["ok"] is False
    assert (lease.current(place)["token"], lease.current(place)["held"]) == (1, False)
    plan.rmdir()
    assert answered(request)["ok"] is True
    plan.unlink()
    plan.mkdir()
    assert answered(request)["ok"] is False
    assert lease.current(place)["held"] is True  # it was held before: whoever holds it knows its token


def test_another_run_is_locked_out_and_told_by_whom(place: StateDir, clock: dict[str, Any]) -> None:
    assert [take(place), take(place)] == [1, 1]
    assert place.lease.stat().st_mode & 0o777 == 0o600
    clock["seconds"] += 20
    for run, nonce in (("run-2", "n1"), ("run-1", "n2")):  # the same run of another session is another holder
        with pytest.raises(Refusal, match=r"run run-1 of run-1@here holds this host for 40.0 s more") as refused:
            take(place, run, nonce)
        assert refused.value.reason == "locked"
    assert lease.current(place)["run"] == "run-1"


def test_a_lease_that_has_ended_can_be_taken_and_its_holder_is_then_fenced(
    place: StateDir, clock: dict[str, Any]
) -> None:
    first = take(place, seconds=60)
    clock["seconds"] += 60
    assert lease.current(place)["held"] is False
    assert take(place, "run-2") > first
    acts: list[Callable[[], object]] = [
        lambda: lease.renew(place, token=first, seconds=60),
        lambda: lease.release(place, token=first),
        lambda: lease.check(place, first),
    ]
    for act in acts:
        with pytest.raises(Refusal) as refused:
            act()
        assert refused.value.reason == "fenced"
    assert lease.current(place)["run"] == "run-2"


@pytest.mark.parametrize("seconds", [50, 600])
def test_a_renewal_counts_from_now_also_after_the_end_where_nobody_took_it(
    place: StateDir, clock: dict[str, Any], seconds: float
) -> None:
    token = take(place, seconds=60)
    clock["seconds"] += seconds
    renewed = lease.renew(place, token=token, seconds=60)
    assert (renewed["held"], renewed["seconds_left"]) == (True, 60)


def test_a_lease_of_another_boot_has_ended(place: StateDir, clock: dict[str, Any]) -> None:
    take(place, seconds=3600)
    clock.update(boot="boot-2", seconds=5.0)
    assert lease.current(place)["held"] is False
    assert take(place, "run-2") == 2


def test_a_released_lease_rules_nothing_any_more(place: StateDir) -> None:
    token = take(place)
    assert lease.release(place, token=token)["held"] is False
    with pytest.raises(Refusal, match="no longer holds"):
        lease.check(place, token)
    assert take(place) == token + 1  # even the same holder begins anew


def test_a_host_that_acts_by_itself_locks_its_holder_out(place: StateDir) -> None:
    token = take(place)
    assert lease.raise_token(place, by="the host") == token + 1
    with pytest.raises(Refusal, match=f"now {token + 1}"):
        lease.renew(place, token=token, seconds=60)
    assert take(place) == token + 2


def test_only_one_of_many_at_once_gets_it(place: StateDir) -> None:
    got: list[object] = []

    def attempt(number: int) -> None:
        try:
            got.append(take(place, f"run-{number}"))
        except Refusal as refused:
            got.append(refused.reason)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, got)) == ["1", *["locked"] * 7]


def test_a_renewal_does_not_wait_for_a_long_step_but_who_would_change_something_does(place: StateDir) -> None:
    token = take(place)
    with place.host_lock():  # as a step of two minutes does
        lease.renew(place, token=token, seconds=600)
        with pytest.raises(Refusal, match="has not ended") as refused, place.host_lock(0.02):
            pass
    assert refused.value.reason == "busy"
    assert lease.current(place)["seconds_left"] > 500
    with place.host_lock(0.02):
        assert place.root.is_dir()


def test_a_state_directory_of_a_newer_version_is_refused(place: StateDir) -> None:
    take(place)
    (place.root / "schema").write_text("2\n")
    with pytest.raises(Refusal) as refused:
        take(place)
    assert refused.value.reason == "schema"


def test_a_dead_holder_is_named_by_its_nonce_and_loses_the_lease(place: StateDir) -> None:
    first = take(place)
    assert take(place, nonce="n2", instead_of="n1") == first + 1
    with pytest.raises(Refusal, match="no longer holds"):
        lease.check(place, first)
    for nonce in ("n1", "", "n3"):  # n1: somebody else was quicker
        with pytest.raises(Refusal, match="holds this host"):
            take(place, nonce="n4", instead_of=nonce)


def test_who_had_it_before_gets_it_again_only_where_nobody_else_has_had_it(place: StateDir) -> None:
    first = take(place)
    lease.raise_token(place, by="the host's own revert")
    again = take(place, again=True)
    assert again > first
    lease.release(place, token=again)
    lease.release(place, token=take(place, nonce="n2"))
    with pytest.raises(Refusal, match="has had this host since") as refused:
        take(place, again=True)
    assert refused.value.reason == "fenced"


def test_a_lease_is_given_back_on_a_full_disk(place: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    token = take(place)
    size = place.lease.stat().st_size
    monkeypatch.setattr(lease, "write_json", full)
    assert lease.release(place, token=token)["held"] is False
    assert (place.lease.stat().st_size, read_json(place.lease)["token"]) == (size, token)
    with pytest.raises(OSError, match="No space left"):
        take(place, "run-2")  # which would have to write more
    with pytest.raises(Refusal, match="no longer holds"):
        lease.check(place, token)


def test_what_a_killed_upload_left_is_swept_away_and_one_under_way_is_not(place: StateDir) -> None:
    place.incoming.mkdir(parents=True)
    gone = subprocess.Popen(["true"])
    gone.wait()
    left, under_way = (place.incoming / f"r1.tar.gz.part-{pid}" for pid in (gone.pid, os.getpid()))
    whole = place.incoming / "r1.tar.gz"
    for file in (left, under_way, whole):
        file.write_bytes(b"half")
    place.remove_partial_uploads()
    assert sorted(place.incoming.iterdir()) == sorted([under_way, whole])


def test_the_newest_head_of_each_journal_is_kept(tmp_path: Path) -> None:
    def head(journal: str, seq: int) -> dict[str, object]:
        return {"journal": journal, "seq": seq, "hash": f"{journal}{seq}"}

    assert journal_heads(tmp_path) == []
    for journal, seq in (("a", 3), ("b", 9), ("a", 7), ("a", 5)):  # the last comes late
        note_head(tmp_path, head(journal, seq))
    note_head(tmp_path, None)
    assert journal_heads(tmp_path) == [head("a", 7), head("b", 9)]
