"""The fake host can be broken in every way in which a real one breaks, and says what reached it."""

import hashlib
from pathlib import Path

import pytest

from cutover.core.errors import Problem, Unreachable
from cutover.remote.transport import DeadlinePassed, Lost, Transport, UploadFailed
from tests.transports import Call, FakeTransport, says


def test_it_remembers_what_it_was_asked() -> None:
    host: Transport = FakeTransport("web1", lambda call: says(f"{len(call.stdin)}"))
    assert host.run(["cat"], stdin=b"abc", sudo=True, deadline=1).stdout == b"3"
    assert host.shell("echo $X", deadline=1).succeeded
    assert getattr(host, "calls", None) == [Call(("cat",), b"abc", sudo=True), Call(("sh", "-c", "echo $X"))]


def test_a_connection_lost_before_the_effect() -> None:
    host = FakeTransport("web1")
    host.lose()
    with pytest.raises(Lost):
        host.run(["true"], deadline=1)
    assert host.calls == []
    host.heal()
    assert host.run(["true"], deadline=1).succeeded


def test_a_connection_lost_after_the_effect() -> None:
    host = FakeTransport("web1")
    host.lose(after=True)
    with pytest.raises(Lost):
        host.run(["true"], deadline=1)
    assert len(host.calls) == 1


def test_a_hang_ends_at_once_as_a_passed_deadline() -> None:
    host = FakeTransport("web1")
    host.hang()
    with pytest.raises(DeadlinePassed):
        host.run(["true"], deadline=3600)


def test_a_refusal_carries_its_problem() -> None:
    host = FakeTransport("web1")
    host.refuse(Problem(found="wrong key", next="look", host="web1"))
    with pytest.raises(Unreachable) as caught:
        host.run(["true"], deadline=1)
    assert caught.value.problems[0].found == "wrong key"
    assert caught.value.exit_code == 3


def test_a_file_is_kept_only_with_the_right_digest(tmp_path: Path) -> None:
    source = tmp_path / "agent"
    source.write_bytes(b"zip")
    host = FakeTransport("web1")
    with pytest.raises(UploadFailed, match="digest"):
        host.upload(source, "/x", sha256="0" * 64, deadline=1)
    assert host.files == {}
    host.upload(source, "/x", sha256=hashlib.sha256(b"zip").hexdigest(), deadline=1)
    assert host.files == {"/x": b"zip"}
