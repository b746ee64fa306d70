"""Notices reach a real receiver, and whatever goes wrong is an outcome that shows no part of an address."""

import logging
import threading
from pathlib import Path

import pytest

from cutover.core.secret import Secret
from cutover.notify.channels import DeliveryOutcome, Message, Sender, redacted, unusable
from tests.notify.receivers import web_server

TOKEN = "3ccdd113474722377935511fc85d3dd4"  # noqa: S105 - made up for these tests
MESSAGE = Message("Under way", "Phase: 1, Backup\nNothing to do.", "info")
DEAD = "127.0.0.1:9"


def sent(address: str, deadline_s: float = 20) -> DeliveryOutcome:
    """What comes of one message."""
    return Sender(deadline_s).send("ops", Secret(address), MESSAGE).wait()


def test_a_webhook_gets_subject_and_body_and_nothing_is_kept_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    with web_server() as server:
        outcome = sent(f"json://{server.place}/notices/{TOKEN}")
    assert outcome.ok, outcome
    ((path, said),) = server.posts
    assert path == f"/notices/{TOKEN}"
    assert (said["title"], said["message"]) == (MESSAGE.subject, MESSAGE.body)
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize(
    "address",
    [
        f"json://someone:hunter2secret@{DEAD}/{TOKEN}?x={TOKEN}",
        f"mmost://{DEAD}/{TOKEN}",
        f"mailto://someone:hunter2secret@{DEAD}?from=cutover@example.org&to=ops@example.org&mode=insecure",
        f"nosuch://someone:hunter2secret@{DEAD}/{TOKEN}",
        f"hunter2secret{TOKEN}",
    ],
)
def test_a_dead_receiver_is_an_outcome_without_a_secret(address: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        outcome = sent(address)
    assert not outcome.ok
    assert outcome.why
    assert not [word for word in (TOKEN, "hunter2secret", "someone") if word in outcome.why]
    assert not [word for word in (TOKEN, "hunter2secret") if word in caplog.text]


def test_a_refusal_is_an_outcome_and_a_redirect_is_not_followed_with_the_token() -> None:
    with web_server() as server:
        server.status = 500
        outcome = sent(f"json://{server.place}/{TOKEN}")
        assert "500" in outcome.why
        assert TOKEN not in outcome.why
        server.status = 302
        assert not sent(f"json://{server.place}/{TOKEN}").ok
    assert len(server.posts) == 2


def test_a_stuck_channel_keeps_no_other_and_what_was_given_up_in_its_queue_is_not_sent_later() -> None:
    stuck, taken, seen = threading.Event(), threading.Event(), []

    def deliver(address: Secret, _message: Message) -> str:
        seen.append(address.reveal())
        if address.reveal() == "first":
            taken.set()
            stuck.wait(30)
        return ""

    sender = Sender(0.2, deliver)
    first = sender.send("slow", Secret("first"), MESSAGE)
    assert taken.wait(30)
    assert "it was not sent" in sender.send("slow", Secret("late"), MESSAGE).wait().why
    assert sender.send("quick", Secret("other"), MESSAGE).wait().ok
    assert "it may still arrive" in first.wait().why
    stuck.set()
    assert sender.send("slow", Secret("next"), MESSAGE).wait().ok
    assert seen == ["first", "other", "next"]


def test_a_notifier_that_breaks_is_an_outcome() -> None:
    def deliver(_address: Secret, _message: Message) -> str:
        raise ValueError(f"cannot speak to https://example.org/{TOKEN}")

    outcome = Sender(30, deliver).send("ops", Secret(f"json://example.org/{TOKEN}"), MESSAGE).wait()
    assert outcome.why == "ValueError: cannot speak to https://example.org/***"


def test_every_part_of_an_address_is_redacted_but_its_host() -> None:
    address = Secret(f"slack://bot:p%40ssword@example.org:8080/{TOKEN}/abcdefgh?to=team#fragment")
    words = f"no {address.reveal()}, p@ssword, {TOKEN}, abcdefgh, team, fragment at example.org"
    assert redacted(words, address) == "no ***, ***, ***, ***, ***, *** at example.org"
    assert redacted("T1JJ3T3L2 is not allowed", Secret("slack://T1JJ3T3L2/A1BRTD4JD")) == "*** is not allowed"


def test_an_address_that_cannot_be_used_is_known_without_sending() -> None:
    assert unusable(Secret(f"json://{DEAD}/{TOKEN}")) == ""
    assert unusable(Secret(f"nosuch://{TOKEN}")) == "the address is not usable (nosuch://...)"
    assert TOKEN not in unusable(Secret(TOKEN))
