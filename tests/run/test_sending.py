"""What a host has already is not sent to it again: the journal says of each upload that there was one."""

import hashlib
import json
from pathlib import Path

import pytest

from cutover.core.errors import Refused
from cutover.plan.steps import release
from cutover.run.cutover import prepare
from cutover.run.leases import held
from cutover.run.session import Session
from tests.run.fakehosts import World, session_of


@pytest.fixture
def session(world: World, tmp_path: Path) -> Session:
    """A run whose phase 2 needs a release; what unpacks it on the host is not the matter here."""
    session = session_of(world, "a", "b")
    session.artifact = tmp_path / "r1.tar.gz"
    session.artifact.write_bytes(b"the release")
    sha256 = hashlib.sha256(session.artifact.read_bytes()).hexdigest()
    plans = {}
    for name, plan in session.plans.items():
        step = release("staging.release", str(world.folder / name / "r1"), "r1", f"/incoming/{name}.tar.gz", sha256)
        plans[name] = plan.model_copy(update={"steps": {**plan.steps, "staging": (step,)}})
    session.plans = plans
    return session


def arrives(world: World, name: str) -> None:
    """The release is unpacked on a host: an empty one, which verifies."""
    root = world.folder / name / "r1"
    root.mkdir()
    (root / "manifest.json").write_text(json.dumps({"id": "r1", "files": {}}))
    (root / "byte_code.json").write_text("{}")


def prepared(session: Session) -> list[str]:
    """Prepare; gives the hosts to which the release was sent so far."""
    with held(session, {name: {"name": name} for name in session.hosts}):
        prepare(session)
    return [record.host for record in session.journal.of("uploaded")]


def test_it_is_sent_to_whom_it_lacks_and_to_nobody_a_second_time(session: Session, world: World) -> None:
    arrives(world, "a")
    with pytest.raises(Refused):  # nothing unpacks it on b here
        prepared(session)
    arrives(world, "b")
    assert prepared(session) == ["b"]


def test_where_it_lacks_and_is_here_no_more_that_is_said_before_anything(session: Session) -> None:
    session.artifact = Path("/nowhere/r1.tar.gz")
    with pytest.raises(Refused, match="is not on this machine any more"):
        prepared(session)
    assert session.journal.of("uploaded") == []
