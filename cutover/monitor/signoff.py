"""`signoff`: a person, by name and role, decides what a watch waits for, or signs one of its points. Asks no host."""

from dataclasses import dataclass

from cutover.core.errors import Problem, UsageError
from cutover.inventory.declarations import did_you_mean, listed
from cutover.inventory.targets import Targets
from cutover.journal.journal import head_of, read
from cutover.journal.rundir import RunDir, RunDirs
from cutover.monitor.settings import Settings, settings_of
from cutover.monitor.state import GO_ON, ROLL_BACK, Hold, Signoff, Watched
from cutover.notify.listener import people_of
from cutover.run.leases import holder

DECISIONS = (GO_ON, ROLL_BACK)


@dataclass(frozen=True)
class Signing:
    """What somebody wants to sign; `point` is empty where it is about what the watch waits for."""

    role: str
    name: str
    decision: str
    point: str
    note: str


def watched_run(targets: Targets, runs: RunDirs, run: str) -> tuple[RunDir, Watched]:
    """The run that is meant (the newest of the environment that has a watch here, where none is named), and how its watch stands."""
    if run:
        candidates = [runs.named(run)]
    else:
        every = (RunDir(path) for path in sorted(runs.root.glob("*/"), reverse=True))
        candidates = [one for one in every if one.watch_file.exists() and one.environment() == targets.environment]
    if not candidates or not candidates[0].watch_file.exists():
        where = str(runs.root / run) if run else str(runs.root)
        next_ = "`./invokew monitor` begins a watch; sign off on the machine that has it, or name the run with --run"
        raise UsageError(Problem(path=where, found=f"no watch of {targets.environment} here", next=next_))
    return candidates[0], Watched.of(read(candidates[0].watch_file))


def sign_off(targets: Targets, runs: RunDirs, run: str, signing: Signing) -> tuple[RunDir, Signoff]:
    """Write it into the run's journal, where the watch reads it at its next look. UsageError with all that does not fit."""
    directory, watched = watched_run(targets, runs, run)
    problems = [*_unsuitable(targets, signing, settings_of(targets)), *_untimely(watched, watched.hold, signing)]
    if problems:
        raise UsageError(problems)
    journal = directory.journal()
    try:
        journal.write(
            "signoff", role=signing.role, name=signing.name.strip(), decision=signing.decision, point=signing.point,
            note=signing.note, by=holder(), head=head_of(directory.watch_file),
        )  # fmt: skip
        return directory, Signoff.of(journal.records[-1])
    finally:
        journal.close()


def _unsuitable(targets: Targets, signing: Signing, settings: Settings) -> list[Problem]:
    roles = people_of(targets).contacts.roles
    points = [point.name for point in settings.book.points]
    may = settings.signers.get(signing.point, settings.deciders)
    problems = []
    if signing.role not in roles:
        advice = f"{did_you_mean(signing.role, roles)}roles (people_roles): {listed(roles)}"
        problems.append(Problem(path="--role", found=f"there is no role «{signing.role}»", next=advice))
    elif signing.role not in may:
        about = signing.point or "what a watch waits for"
        where = "watch_points" if signing.point in settings.signers else "watch_hold"
        found = f"{signing.role} does not decide on {about}"
        problems.append(Problem(path="--role", found=found, next=f"one of {listed(may)} does ({where})"))
    elif roles[signing.role].names and signing.name.strip() not in roles[signing.role].names:
        found = f"«{signing.name}» does not hold it: {', '.join(roles[signing.role].names)}"
        problems.append(
            Problem(path=f"--role {signing.role}", found=found, next="have one of them sign, or correct people_roles")
        )
    if not signing.name.strip():
        problems.append(Problem(path="--name", found="nobody signs", next="give the name of who decides"))
    if signing.decision not in DECISIONS:
        found = f"«{signing.decision}»"
        problems.append(Problem(path="--decision", found=found, next=f"one of {', '.join(DECISIONS)}"))
    if signing.point and signing.point not in points:
        found = f"there is no point «{signing.point}»"
        problems.append(Problem(path="--point", found=found, next=f"one of {', '.join(points)}"))
    return problems


def _untimely(watched: Watched, hold: Hold | None, signing: Signing) -> list[Problem]:
    """A decision about nothing, or a signature before its time, is worth nothing to a reviewer."""
    waits_for_it = hold is not None and signing.point in ("", hold.point)
    if signing.decision == ROLL_BACK and not waits_for_it:
        found = "the watch does not wait for that decision"
        return [
            Problem(path="--decision", found=found, next="`./invokew rollback` takes the fleet back to V1 at any time")
        ]
    if not signing.point:
        next_ = "nothing is to be decided; a point that was passed is signed with --point"
        return [] if hold else [Problem(path="--point", found="the watch waits for nobody", next=next_)]
    if signing.point in watched.points:
        return []
    found = f"the watch has come to hour {watched.look_t / 3600:.1f}, and {signing.point} was not judged yet"
    return [Problem(path="--point", found=found, next="sign once it was")]
