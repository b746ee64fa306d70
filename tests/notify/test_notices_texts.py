"""The texts of notices: every event, with much and with little known; nothing made up."""

from pathlib import Path
from shutil import copytree

import pytest

from cutover.core.errors import UsageError
from cutover.notify.channels import Message
from cutover.notify.escalation import EVENTS, NoticeFacts
from cutover.notify.texts import SAMPLE, Texts, utc
from tests.checkout import ROOT
from tests.notify.peopling import known

PEOPLE = known()
BARE = NoticeFacts("prod", "2026-11-23T22:00:00+00:00")


@pytest.fixture(scope="module")
def texts() -> Texts:
    return Texts(ROOT, "abaco")


def meaning(event: str, facts: NoticeFacts) -> str:
    return PEOPLE.severities[PEOPLE.severity(event, facts.verdict)].meaning


def composed(texts: Texts, event: str, facts: NoticeFacts) -> Message:
    return texts(event, facts, meaning(event, facts))


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_has_a_subject_and_a_whole_body(texts: Texts, event: str) -> None:
    for facts in (SAMPLE, BARE):
        text = composed(texts, event, facts)
        assert "\n" not in text.subject
        assert not text.subject.startswith("Subject")
        assert "prod" in text.subject
        assert utc(facts.at) in text.body + text.subject
        assert meaning(event, facts) in text.body
        assert "\n\n\n" not in text.body
        assert not [word for word in ("None", "{{", "()", ": \n") if word in text.body]


def test_a_hold_says_until_when_and_what_happens_then(texts: Texts) -> None:
    facts = NoticeFacts("prod", BARE.at, until="2026-11-23T23:00:00Z", default="roll back", reasons=("web1: 600 MB",))
    body = composed(texts, "hold", facts).body
    assert "Decide by 2026-11-23 23:00 UTC; without a decision: roll back." in body
    assert "- web1: 600 MB" in body
    assert "signoff" in body
    assert "rollback" in body


def test_what_a_host_said_stays_on_one_line_and_cannot_act(texts: Texts) -> None:
    facts = NoticeFacts("prod", BARE.at, reasons=("web1: a\nSubject: b\x1b[31m" + "x" * 1000,), title="x")
    body = composed(texts, "incident", facts).body
    (line,) = [line for line in body.splitlines() if line.startswith("- web1")]
    assert "\x1b" not in line
    assert len(line) < 500


def test_a_template_that_is_wrong_is_refused_before_anything_runs(tmp_path: Path) -> None:
    copytree(ROOT / "templates", tmp_path / "templates")
    (tmp_path / "roles").symlink_to(ROOT / "roles")
    notices = tmp_path / "templates" / "notices"
    (notices / "hold.j2").write_text("Subject: x\n{{ facts.nothing }}\n")
    (notices / "success.j2").write_text("\n")
    (notices / "hourly.j2").unlink()
    with pytest.raises(UsageError) as caught:
        Texts(tmp_path, "abaco")
    assert [problem.path for problem in caught.value.problems] == [
        "templates/notices/success.j2",
        "templates/notices/hold.j2",
        "templates/notices/hourly.j2",
    ]
