"""The user of a service swaps files for links while root backs them up and restores them: nothing of others is read or written."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from cutover.core.errors import Refused
from cutover.core.step import Step
from cutover.plan.steps import directory, restore, snapshot
from cutover.remote.agent import HostAgent

if TYPE_CHECKING:
    from tests.realhost import RealHost

pytestmark = pytest.mark.lab
STATE, BACKUPS, DATA = "/var/lib/cutover-adversary", "/var/lib/cutover-adversary/.rollback", "/srv/service"
SECRET = "only root may read this"  # noqa: S105 - what the test looks for
TRIES = 40
ENTRY = {"name": "data", "kind": "tree", "source": f"{DATA}/data", "as": "data"}

# Run as the user of the service: one place is now what it was, now a link to what is root's; as fast as it goes.
SWAPPING = """
import contextlib, os, shutil, sys
place, aside, target = sys.argv[1:]
link = aside + ".link"
while True:
    if not os.path.lexists(link) and not os.path.islink(place):
        os.symlink(target, link)
    for old, new in ((place, aside), (link, place), (place, link), (aside, place)):
        with contextlib.suppress(OSError):  # root has put another one there
            os.rename(old, new)
    if os.path.lexists(aside):
        shutil.rmtree(aside, ignore_errors=True)
"""


@pytest.fixture
def agent(real: "RealHost") -> Iterator[HostAgent]:
    """An agent on a host with a service's data, and with things of root's beside it."""
    real.sh(
        "id attacked >/dev/null 2>&1 || useradd --system attacked\n"
        f"mkdir -p {DATA}/data/inner /root/only\n"
        f"for n in $(seq 40); do echo $n > {DATA}/data/$n; echo $n > {DATA}/data/inner/$n; done\n"
        f"chown -R attacked: {DATA}; chmod 0700 /root/only; umask 077; echo '{SECRET}' > /root/only/1"
    )
    made = real.agent(STATE)
    yield made
    made.close()
    real.sh(f"rm -rf {STATE} {DATA} /root/only /srv/planted")


@contextmanager
def swapping(real: "RealHost", place: str, target: str) -> Iterator[None]:
    """The user of the service swaps a place with a link to a target, for as long as this lasts."""
    real.sh(
        f"cat > /tmp/swapping.py <<'END'\n{SWAPPING}\nEND\nchmod 0644 /tmp/swapping.py\n"
        f"systemd-run -q --collect --unit=swapping --uid=attacked python3 /tmp/swapping.py {place} {DATA}/aside {target}"
    )
    try:
        yield
    finally:
        real.sh("systemctl stop swapping")


def apply(agent: HostAgent, *steps: Step) -> list[dict[str, Any]]:
    """What came of steps, as a run applies them."""
    run = f"adversary{len(agent.status()['runs'])}"
    token = agent.begin(run=run, holder="tests", nonce=run, lease_s=120, plan={})["lease"]["token"]
    try:
        return agent.apply(run=run, batch="b", token=token, steps=steps, files={}, deadline_s=120, keep_going=True)
    finally:
        agent.release(token=token)


def taken(number: int) -> Step:
    return snapshot(f"take.{number}", f"{BACKUPS}/{number}", "r", [ENTRY])


@pytest.mark.parametrize(
    ("place", "target"), [("data/1", "/root/only/1"), ("data/inner", "/root/only"), ("data", "/root/only")]
)
def test_a_backup_holds_nothing_that_the_user_could_not_read(
    agent: HostAgent, real: "RealHost", place: str, target: str
) -> None:
    with swapping(real, f"{DATA}/{place}", target):
        apply(agent, *map(taken, range(TRIES)))
    assert real.sh(f"ls {BACKUPS}") != ""
    real.sh(f"! grep -rl '{SECRET}' {BACKUPS}")


@pytest.mark.parametrize(("place", "target"), [("data/inner", "/root/only"), ("data", "/root/only")])
def test_a_restore_writes_nowhere_else_and_gives_nothing_away(
    agent: HostAgent, real: "RealHost", place: str, target: str
) -> None:
    assert apply(agent, taken(0))[0]["ok"]
    seen = "stat -c '%n %U %a %Y' /root /root/only /root/only/*; cat /root/only/*"
    before = real.sh(seen)
    with swapping(real, f"{DATA}/{place}", target):
        done = apply(agent, *(restore(f"back.{n}", f"{BACKUPS}/0", "r", [ENTRY]) for n in range(TRIES)))
    assert [one["changed"] for one in done].count(True) > 1  # it was at work, whatever came of it
    assert real.sh(seen) == before
    assert real.sh(f"find {DATA} -user root") == ""


def test_a_directory_is_given_to_the_user_only_where_it_was_meant(agent: HostAgent, real: "RealHost") -> None:
    def wanted(number: int) -> Step:
        place = f"{DATA}/data/inner/new{number}"
        return directory(f"made.{number}", place, owner="attacked", group="attacked", mode="0755")

    with swapping(real, f"{DATA}/data/inner", "/root/only"):
        done = apply(agent, *map(wanted, range(10 * TRIES)))
    assert [one["changed"] for one in done].count(True) > TRIES
    assert real.sh("ls /root/only") == "1\n"


def test_what_is_no_file_of_the_users_own_is_left_out_and_named(agent: HostAgent, real: "RealHost") -> None:
    real.sh(f"ln /root/only/1 {DATA}/data/hard; mkfifo {DATA}/data/fifo; chown attacked: {DATA}/data/fifo")
    (outcome,) = apply(agent, taken(0))
    assert outcome["ok"], outcome
    assert outcome["after"]["left_out"] == [f"{DATA}/data/fifo", f"{DATA}/data/hard"]
    real.sh(f"cd {BACKUPS}/0/data; [ ! -e fifo ]; [ ! -e hard ]; ! grep -rl '{SECRET}' .")


def test_a_backup_that_the_user_planted_is_not_restored(agent: HostAgent, real: "RealHost") -> None:
    assert apply(agent, taken(0))[0]["ok"]
    real.sh(f"cp -a {BACKUPS}/0 /srv/planted; chown attacked: /srv/planted")
    back = restore("back", "/srv/planted", "r", [ENTRY])
    real.sh(f"echo changed > {DATA}/data/1")
    (outcome,) = apply(agent, back)
    assert (outcome["ok"], "others than root can write or replace it" in outcome["error"]) == (False, True), outcome
    assert real.sh(f"cat {DATA}/data/1") == "changed\n"


def test_what_a_state_directory_says_is_not_believed_where_others_can_write_it(real: "RealHost") -> None:
    real.sh("install -d -m 0777 /srv/open")
    agent = real.agent("/srv/open/state")
    try:
        with pytest.raises(Refused, match="others than root can write or replace it"):
            agent.status()
    finally:
        agent.close()
        real.sh("rmdir /srv/open")
