"""The Invoke surface: names, help and options. What each does is in cutover/entry; nothing heavy is imported before it is asked for."""

from pathlib import Path
from typing import TYPE_CHECKING

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from cutover.entry.options import WHERE, help_of
from rehearsal.tasks import LAB, end_with

if TYPE_CHECKING:
    from cutover.entry.where import Where

ROOT = Path(__file__).parent


def _where(command: str, hosts: str, inventory: str, limit: str = "", forks: int = 0, *, json: bool = False) -> "Where":
    """The options that nearly every command has."""
    from cutover.entry.where import Where

    return Where(ROOT, command, hosts, inventory, limit, forks, json)


@task(auto_shortflags=False, help=help_of(*WHERE, "serial", "release", "diff", "verbose"))
def plan(
    _c: Context, hosts: str = "", inventory: str = "", i: str = "", limit: str = "", forks: int = 0, json: bool = False, serial: str = "",
    release: str = "", diff: bool = False, verbose: bool = False,
) -> None:  # fmt: skip
    """Show what a cutover would do, host by host; makes a run and prints its id and fingerprint. Changes no host."""
    from cutover.entry.cutting import Cutting

    where = _where("plan", hosts, inventory or i, limit, forks, json=json)
    end_with(Cutting(where, serial, release, diff=diff, verbose=verbose).plan())


@task(auto_shortflags=False, help=help_of(*WHERE, "serial", "release", "run", "resume", "yes", "diff", "verbose"))
def prepare(
    _c: Context, hosts: str = "", inventory: str = "", i: str = "", limit: str = "", forks: int = 0, json: bool = False, serial: str = "",
    release: str = "", run: str = "", resume: bool = False, yes: bool = False, diff: bool = False, verbose: bool = False,
) -> None:  # fmt: skip
    """Phases 0-2 on all hosts: validate, back up, stage. V1 is not touched."""
    from cutover.entry.cutting import Cutting

    where = _where("prepare", hosts, inventory or i, limit, forks, json=json)
    end_with(Cutting(where, serial, release, run, yes, diff, verbose, resume).cutover(only_prepare=True))


@task(
    auto_shortflags=False,
    help=help_of(*WHERE, "serial", "release", "run", "resume", "check", "diff", "yes", "verbose", "answers", "watch"),
)
def cutover(
    c: Context, hosts: str = "", inventory: str = "", i: str = "", limit: str = "", forks: int = 0, json: bool = False, serial: str = "",
    release: str = "", run: str = "", resume: bool = False, check: bool = False, diff: bool = False, yes: bool = False,
    verbose: bool = False, answers: str = "", watch: bool = False,
) -> None:  # fmt: skip
    """All six phases on every host of a pattern: prepare everywhere, then V1 to V2 batch by batch, or back."""
    from cutover.entry.cutting import Cutting

    where = _where("cutover", hosts, inventory or i, limit, forks, json=json)
    cutting = Cutting(where, serial, release, run, yes, diff, verbose, resume, answers, watch)
    end_with(cutting.plan() if check or c.config.run.dry else cutting.cutover(only_prepare=False))


@task(auto_shortflags=False, help=help_of(*WHERE, "run", "resume", "reason", "yes", "verbose"))
def rollback(
    _c: Context, hosts: str = "", inventory: str = "", i: str = "", limit: str = "", forks: int = 0, json: bool = False, run: str = "",
    resume: bool = False, reason: str = "", yes: bool = False, verbose: bool = False,
) -> None:  # fmt: skip
    """Back to V1, verified, with nothing lost: any time after a cutover, also from another machine."""
    from cutover.entry.back import Back

    where = _where("rollback", hosts, inventory or i, limit, forks, json=json)
    end_with(Back(where, run, reason or Back.reason, yes, verbose, resume=resume).rollback())


@task(auto_shortflags=False, help=help_of(*WHERE, "run", "steal-lock", "yes", "verbose"))
def abort(
    _c: Context, hosts: str = "", inventory: str = "", i: str = "", limit: str = "", forks: int = 0, json: bool = False, run: str = "",
    steal_lock: str = "", yes: bool = False, verbose: bool = False,
) -> None:  # fmt: skip
    """End a run: before phase 3 it is given up, after that it is rolled back. Idle: says so."""
    from cutover.entry.back import Back

    where = _where("abort", hosts, inventory or i, limit, forks, json=json)
    end_with(Back(where, run, "aborted by a person", yes, verbose, steal=steal_lock).abort())


@task(auto_shortflags=False, help=help_of(*WHERE))
def status(
    _c: Context, hosts: str = "", inventory: str = "", i: str = "", limit: str = "", forks: int = 0, json: bool = False
) -> None:
    """What each host is running, who holds it, and whether a revert is armed."""
    from cutover.entry.looking import status as look

    end_with(look(_where("status", hosts, inventory or i, limit, forks, json=json)))


@task(auto_shortflags=False, help=help_of(*WHERE, "run", "phase", "junit"))
def verify(
    _c: Context, hosts: str = "", inventory: str = "", i: str = "", limit: str = "", forks: int = 0, json: bool = False, run: str = "",
    phase: str = "", junit: str = "",
) -> None:  # fmt: skip
    """Run the testinfra checks of a phase against the hosts, alone."""
    from cutover.entry.looking import verify as judge

    end_with(judge(_where("verify", hosts, inventory or i, limit, forks, json=json), run, phase, junit))


@task(auto_shortflags=False, help=help_of(*WHERE))
def validate(
    _c: Context, hosts: str = "", inventory: str = "", i: str = "", limit: str = "", forks: int = 0, json: bool = False
) -> None:
    """The five checks on the live service, through its deployed entry point."""
    from cutover.entry.looking import validate as judge

    end_with(judge(_where("validate", hosts, inventory or i, limit, forks, json=json)))


@task(auto_shortflags=False, help=help_of(*WHERE, "run"))
def shadow(
    _c: Context, hosts: str = "", inventory: str = "", i: str = "", limit: str = "", forks: int = 0, json: bool = False, run: str = ""
) -> None:  # fmt: skip
    """V1 and V2 both run on each host's own newest input, frozen; every difference with what explains it. Changes nothing."""
    from cutover.entry.looking import shadow as compare

    end_with(compare(_where("shadow", hosts, inventory or i, limit, forks, json=json), run))


@task(
    auto_shortflags=False, help=help_of("hosts", "inventory", "i", "json", "run", "bundle", "key", "verify", "signers")
)
def report(
    _c: Context, hosts: str = "", inventory: str = "", i: str = "", json: bool = False, run: str = "", bundle: bool = False, key: str = "",
    verify: str = "", signers: str = "",
) -> None:  # fmt: skip
    """Draw the report of a run anew; with --bundle sign all its evidence into one file, with --verify judge such a file, offline."""
    from cutover.entry.evidence import EvidenceOptions
    from cutover.entry.evidence import report as write

    where = _where("report", hosts, inventory or i, json=json)
    end_with(write(where, run, EvidenceOptions(bundle, key, verify, signers)))


@task(auto_shortflags=False, help=help_of(*WHERE, "run", "once"))
def monitor(
    _c: Context, hosts: str = "", inventory: str = "", i: str = "", limit: str = "", forks: int = 0, json: bool = False, run: str = "",
    once: bool = False,
) -> None:  # fmt: skip
    """Watch V2 for 24 hours: look, judge, tell, hold, and go back by itself where a rule says so. Goes on where it was left."""
    from cutover.entry.watching import monitor as watch

    end_with(watch(_where("monitor", hosts, inventory or i, limit, forks, json=json), run, once=once))


@task(
    auto_shortflags=False,
    help=help_of("hosts", "inventory", "i", "json", "run", "role", "name", "decision", "point", "note"),
)
def signoff(
    _c: Context, hosts: str = "", inventory: str = "", i: str = "", json: bool = False, run: str = "", role: str = "", name: str = "",
    decision: str = "go_on", point: str = "", note: str = "",
) -> None:  # fmt: skip
    """Decide, by name and role, what a watch waits for; or sign one of its points (hour 24, day 7, day 28)."""
    from cutover.entry.watching import signoff as sign

    end_with(sign(_where("signoff", hosts, inventory or i, json=json), run, role, name, decision, point, note))


@task(auto_shortflags=False, help=help_of("hosts", "inventory", "i", "json", "event", "at", "message", "check", "yes"))
def announce(
    c: Context, hosts: str = "", inventory: str = "", i: str = "", json: bool = False, event: str = "", at: str = "", message: str = "",
    check: bool = False, yes: bool = False,
) -> None:  # fmt: skip
    """Tell people of a cutover or of how one stands: shows text and receivers, asks, sends, tells what came of it."""
    from cutover.entry.announcing import announce as tell

    where = _where("announce", hosts, inventory or i, json=json)
    end_with(tell(where, event, at, message, yes, check or c.config.run.dry))


@task(auto_shortflags=False, name="list", help=help_of("hosts", "inventory", "i", "limit", "json"))
def hosts_list(
    _c: Context, hosts: str = "", inventory: str = "", i: str = "", limit: str = "", json: bool = False
) -> None:
    """The hosts of a pattern, with their groups and addresses. Asks no host."""
    from cutover.entry.hosts import listing

    end_with(listing(_where("hosts.list", hosts, inventory or i, limit, json=json)))


@task(auto_shortflags=False, help=help_of(*WHERE))
def ping(
    _c: Context, hosts: str = "", inventory: str = "", i: str = "", limit: str = "", forks: int = 0, json: bool = False
) -> None:
    """Reach every host: login, sudo, Python."""
    from cutover.entry.hosts import ping as reach

    end_with(reach(_where("hosts.ping", hosts, inventory or i, limit, forks, json=json)))


@task(auto_shortflags=False, help=help_of(*WHERE, "replace", "yes"))
def trust(
    _c: Context, hosts: str = "", inventory: str = "", i: str = "", limit: str = "", forks: int = 0, json: bool = False,
    replace: bool = False, yes: bool = False,
) -> None:  # fmt: skip
    """Show the hosts' key fingerprints and pin them in the environment's known_hosts after a yes."""
    from cutover.entry.trusting import trust as pin

    end_with(pin(_where("hosts.trust", hosts, inventory or i, limit, forks, json=json), replace=replace, yes=yes))


@task(auto_shortflags=False, help=help_of("count", "json", "verbose"))
def rehearse(_c: Context, count: int = 3, json: bool = False, verbose: bool = False) -> None:
    """On fresh test hosts (a lab that is up is taken down first): V1 in service, cutover, rollback, cutover again; prints outage, rollback
    time and where the report is, and leaves the hosts up, on V2.
    """
    from rehearsal.rehearse import rehearse as run

    end_with(run(ROOT, count, json=json, verbose=verbose))


@task(auto_shortflags=False, help=help_of("k", "faults", "seed"))
def test(c: Context, k: str = "", faults: bool = False, seed: int = 0) -> None:
    """All tests, those on real test hosts included (root)."""
    from cutover.entry import developing

    end_with(developing.faults(c, ROOT, seed) if faults else developing.test(c, ROOT, k))


@task(auto_shortflags=False)
def check(c: Context) -> None:
    """Format, lint, types and architecture."""
    from cutover.entry.developing import check as run

    end_with(run(c, ROOT))


@task(auto_shortflags=False, help=help_of("rounds", "only"))
def bench(_c: Context, rounds: int = 3, only: str = "") -> None:
    """Time the same job beside Ansible, pyinfra and plain shell on test hosts of its own (root), and the KPIs; writes docs/bench.md."""
    from rehearsal.benching import bench as run

    end_with(run(ROOT, rounds, only))


@task(auto_shortflags=False)
def runbook(_c: Context) -> None:
    """Write docs/runbook.md anew from the phases, the roles and their checks."""
    from cutover.entry.developing import runbook as run

    end_with(run(ROOT))


@task(auto_shortflags=False)
def prometheus(_c: Context) -> None:
    """Write prometheus/ anew: alerts and a Grafana dashboard from the rules of the watch."""
    from cutover.entry.developing import prometheus as run

    end_with(run(ROOT))


namespace = Collection(
    plan, prepare, cutover, rollback, abort, status, verify, validate, shadow, monitor, signoff, announce, report, rehearse, test, check,
    bench, runbook, prometheus,
)  # fmt: skip
namespace.add_collection(Collection("hosts", hosts_list, ping, trust))
namespace.add_collection(LAB)
