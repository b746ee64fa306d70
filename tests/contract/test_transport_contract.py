"""One contract for every way to a host: what holds for the fake in the tests must hold for real SSH in production."""

import base64
import hashlib
import json
import os
import shlex
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cutover.remote.transport import DeadlinePassed, ProgramEnded, Transport, UploadFailed
from tests.transports import FakeTransport, answer, reaches

NASTY = [
    "$(id)", "`id`", "a b", "it's", '"', "\\", "*", "~", "line\nfeed", "tab\t", "ünïcode", "", "-n", ";", "&& false", "!x",
]  # fmt: skip

ARRIVED = """import json, sys
count = int(sys.argv[1])
opening = sys.stdin.buffer.read(count)
sys.stdin.buffer.readline()
print(json.dumps([sys.argv[2:], opening.count(b"x")]), flush=True)
"""


@pytest.mark.parametrize("size", [0, 3_000_000])
def test_arguments_and_opening_arrive_as_they_are(transport: Transport, size: int) -> None:
    channel = transport.open_channel(["python3", "-c", ARRIVED, str(size), *NASTY], opening=b"x" * size, deadline=60)
    assert json.loads(channel.ask(b"what came?", deadline=60)) == [NASTY, size]
    channel.close()


def test_a_program_runs_as_root(transport: Transport) -> None:
    by_sudo, user = answer(transport, 'echo "${BY_SUDO:-no} $(id -u)"').split()
    assert by_sudo == b"yes" or user == b"0"


def test_an_opening_that_is_not_read_does_no_harm(transport: Transport) -> None:
    with pytest.raises(ProgramEnded) as ended:
        transport.open_channel(["true"], opening=b"x" * 4 * 1024 * 1024, deadline=60).ask(b"anybody", deadline=20)
    assert ended.value.result.exit_code == 0


def test_a_signal_is_no_exit_status_and_no_success(transport: Transport) -> None:
    with pytest.raises(ProgramEnded, match="signal KILL") as ended:
        answer(transport, "kill -KILL $$")
    assert ended.value.result.exit_code is None


def test_eight_threads_at_once_get_their_own_answers(transport: Transport) -> None:
    answers: dict[int, bytes] = {}

    def ask(number: int) -> None:
        answers[number] = answer(transport, f"echo {number}", deadline=60)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: b"%d" % number for number in range(8)}


def test_no_time_is_no_success(transport: Transport) -> None:
    with pytest.raises(DeadlinePassed):
        transport.open_channel(["true"], deadline=0)


def a_file(tmp_path: Path, size: int = 3_000_000) -> tuple[Path, str]:
    path = tmp_path / "source"
    path.write_bytes(os.urandom(size))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("size", [3_000_000, 0])
def test_a_file_arrives_whole(transport: Transport, tmp_path: Path, target: str, size: int) -> None:
    source, digest = a_file(tmp_path, size)
    transport.upload(source, target, sha256=digest, deadline=60)
    assert content(transport, target) == source.read_bytes()


def test_a_file_with_another_digest_does_not_arrive(transport: Transport, tmp_path: Path, target: str) -> None:
    source, digest = a_file(tmp_path)
    transport.upload(source, target, sha256=digest, deadline=60)
    other = tmp_path / "other"
    other.write_bytes(b"not what was said")
    with pytest.raises(UploadFailed, match="digest"):
        transport.upload(other, target, sha256=digest, deadline=60)
    assert content(transport, target) == source.read_bytes()
    directory, _, name = target.rpartition("/")
    there = answer(transport, f"ls -A '{directory}' | paste -sd /")
    assert there in (b"", name.encode())  # nothing beside the target, which the fake holds in memory


def test_a_connection_that_was_closed_opens_again(transport: Transport) -> None:
    assert reaches(transport)
    transport.close()
    assert reaches(transport)


@pytest.fixture
def target(transport: Transport) -> Iterator[str]:
    """A path to upload to, with characters that a careless script stumbles over; whoever logs in may write there."""
    directory = f"/tmp/contract {uuid.uuid4()}"
    assert answer(transport, f"mkdir -m 777 '{directory}'; echo made") == b"made"
    yield f"{directory}/it's $HOME.bin"
    assert answer(transport, f"rm -r '{directory}'; echo gone") == b"gone"


def content(transport: Transport, path: str) -> bytes:
    """What the host has there now."""
    if isinstance(transport, FakeTransport):
        return transport.files[path]
    return base64.b64decode(answer(transport, f"base64 -w0 {shlex.quote(path)}; echo", deadline=60))


ECHO = ["sh", "-c", 'while read -r line; do [ "$line" != end ] || exit 7; echo "got $line"; done']
BACK = "import sys\nfor line in sys.stdin: sys.stdout.write(line); sys.stdout.flush()"


def test_a_program_answers_line_by_line(transport: Transport) -> None:
    channel = transport.open_channel(ECHO, deadline=20)
    answers = [channel.ask(f"line {number}".encode(), deadline=20) for number in range(3)]
    assert answers == [b"got line 0", b"got line 1", b"got line 2"]
    assert channel.alive
    channel.close()


def test_a_long_line_and_a_long_answer_pass(transport: Transport) -> None:
    channel = transport.open_channel(["python3", "-c", BACK], deadline=20)
    assert channel.ask(b"x" * 3_000_000, deadline=60) == b"x" * 3_000_000
    channel.close()


def test_a_program_that_ends_instead_of_answering_is_reported_with_its_exit_status(transport: Transport) -> None:
    channel = transport.open_channel(ECHO, deadline=20)
    with pytest.raises(ProgramEnded) as ended:
        channel.ask(b"end", deadline=20)
    assert ended.value.result.exit_code == 7
    channel.close()
    assert not channel.alive


def test_a_program_that_does_not_answer_in_time_is_reported(transport: Transport) -> None:
    channel = transport.open_channel(["sleep", "30"], deadline=20)
    with pytest.raises(DeadlinePassed):
        channel.ask(b"anybody", deadline=0.3 if not isinstance(transport, FakeTransport) else 0)
    channel.close()
