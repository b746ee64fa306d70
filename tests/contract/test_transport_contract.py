"""One contract for every way to a host: what holds for the fake in the tests must hold for real SSH in production."""

import hashlib
import os
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cutover.remote.transport import DeadlinePassed, ProgramEnded, Transport, UploadFailed
from tests.transports import FakeTransport

NASTY = [
    "$(id)",
    "`id`",
    "a b",
    "it's",
    '"',
    "\\",
    "*",
    "~",
    "line\nfeed",
    "tab\t",
    "ünïcode",
    "",
    "-n",
    ";",
    "&& false",
    "!x",
]


def test_an_exit_status_comes_back_as_it_is(transport: Transport) -> None:
    assert transport.run(["sh", "-c", "exit 3"], deadline=20).exit_code == 3
    assert transport.run(["true"], deadline=20).succeeded
    assert not transport.run(["false"], deadline=20).succeeded


def test_both_outputs_are_kept_apart(transport: Transport) -> None:
    result = transport.shell("echo out; echo err >&2", deadline=20)
    assert (result.stdout, result.stderr) == (b"out\n", b"err\n")
    assert result.seconds > 0


@pytest.mark.parametrize("sudo", [False, True])
def test_arguments_arrive_as_they_are(transport: Transport, *, sudo: bool) -> None:
    result = transport.run(["printf", "%s\\0", *NASTY], sudo=sudo, deadline=20)
    assert result.stdout.decode().split("\0")[:-1] == NASTY


def test_sudo_is_used_where_asked_and_only_there(transport: Transport) -> None:
    ask = 'echo "${BY_SUDO:-no} $(id -u)"'
    with_it = transport.shell(ask, sudo=True, deadline=20).stdout.decode().split()
    without = transport.shell(ask, deadline=20).stdout.decode().split()
    assert with_it[0] == "yes" or with_it[1] == "0"
    assert without[0] == "no"


def test_input_of_ten_megabytes_passes_while_output_comes_back(transport: Transport) -> None:
    data = os.urandom(10 * 1024 * 1024)
    assert transport.run(["cat"], stdin=data, deadline=60).stdout == data


def test_input_that_is_not_read_does_no_harm(transport: Transport) -> None:
    result = transport.run(["true"], stdin=b"x" * 4 * 1024 * 1024, deadline=60)
    assert result.succeeded


def test_a_small_input_ends(transport: Transport) -> None:
    assert transport.run(["wc", "-c"], stdin=b"secret", deadline=20).stdout.split() == [b"6"]
    assert transport.run(["wc", "-c"], deadline=20).stdout.split() == [b"0"]


def test_output_comes_back_as_it_is_on_both_streams(transport: Transport) -> None:
    result = transport.shell("head -c 8388608 /dev/zero; head -c 8388608 /dev/zero >&2", deadline=60)
    assert (len(result.stdout), len(result.stderr)) == (8388608, 8388608)
    assert transport.run(["printf", "\\377\\000\\376"], deadline=20).stdout == b"\xff\x00\xfe"


def test_a_signal_is_no_exit_status_and_no_success(transport: Transport) -> None:
    result = transport.shell("echo before; kill -KILL $$", deadline=20)
    assert (result.exit_code, result.signal, result.stdout) == (None, "KILL", b"before\n")
    assert not result.succeeded


def test_eight_threads_at_once_get_their_own_answers(transport: Transport) -> None:
    answers: dict[int, bytes] = {}

    def ask(number: int) -> None:
        answers[number] = transport.shell(f"echo {number}; cat", stdin=b"%d" % number, deadline=60).stdout

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: b"%d\n%d" % (number, number) for number in range(8)}


def test_no_time_is_no_success(transport: Transport) -> None:
    with pytest.raises(DeadlinePassed):
        transport.run(["true"], deadline=0)


def test_a_command_that_cannot_be_said_is_refused(transport: Transport) -> None:
    with pytest.raises(ValueError, match="no command"):
        transport.run([], deadline=20)
    with pytest.raises(ValueError, match="NUL"):
        transport.run(["echo", "a\0b"], deadline=20)


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
    assert left_over(transport, target) == []


def test_a_connection_that_was_closed_opens_again(transport: Transport) -> None:
    assert transport.run(["true"], deadline=20).succeeded
    transport.close()
    assert transport.run(["echo", "again"], deadline=20).stdout == b"again\n"


@pytest.fixture
def target(transport: Transport) -> Iterator[str]:
    """A path to upload to, with characters that a careless script stumbles over."""
    directory = f"/tmp/contract {uuid.uuid4()}"
    assert transport.run(["mkdir", directory], deadline=20).succeeded
    yield f"{directory}/it's $HOME.bin"
    assert transport.run(["rm", "-r", directory], deadline=20).succeeded


def content(transport: Transport, path: str) -> bytes:
    """What the host has there now."""
    kept: dict[str, bytes] | None = getattr(transport, "files", None)
    return kept[path] if kept is not None else transport.run(["cat", path], deadline=60).stdout


def left_over(transport: Transport, target: str) -> list[str]:
    """Names beside the target that are not the target."""
    directory, _, name = target.rpartition("/")
    there = transport.run(["ls", "-A", directory], deadline=20).stdout.decode().splitlines()
    return [other for other in there if other != name]


ECHO = ["sh", "-c", 'while read -r line; do [ "$line" != end ] || exit 7; echo "got $line"; done']
GREETED = ["sh", "-c", 'read -r name; while read -r line; do echo "$name $line"; done']
BACK = "import sys\nfor line in sys.stdin: sys.stdout.write(line); sys.stdout.flush()"


def test_a_program_answers_line_by_line(transport: Transport) -> None:
    channel = transport.open_channel(ECHO, deadline=20)
    answers = [channel.ask(f"line {number}".encode(), deadline=20) for number in range(3)]
    assert answers == [b"got line 0", b"got line 1", b"got line 2"]
    assert channel.alive
    channel.close()


def test_the_opening_is_read_before_any_line(transport: Transport) -> None:
    channel = transport.open_channel(GREETED, opening=b"hello\n", deadline=20)
    assert channel.ask(b"you", deadline=20) == b"hello you"
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


def test_many_channels_one_after_another_leave_room_for_more(transport: Transport) -> None:
    for _ in range(12):
        channel = transport.open_channel(ECHO, deadline=20)
        assert channel.ask(b"a", deadline=20) == b"got a"
        channel.close()
    assert transport.run(["true"], deadline=20).succeeded
