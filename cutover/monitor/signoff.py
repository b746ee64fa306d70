"""`signoff`: a person, by name and role, decides what a watch waits for, or signs one of its points. It connects to no host."""

from cutover.core.errors import Problem, UsageError
from cutover.inventory.schema import did_you_mean, listed
from cutover.inventory.targets import Targets
from cutover.journal.journal import head_of, read
from cutover.journal.rundir import RunDir, RunDirs
from cutover.monitor.settings import Settings, settings_of
from cutover.monitor.state import GO_ON, HOUR, ROLL_BACK, Signoff, WatchState, newest_watched
from cutover.notify.listener import people_of
from cutover.run.leases import holder

DECISIONS = (GO_ON, ROLL_BACK)


def sign_off(targets: Targets, runs: RunDirs, run: str, request: Signoff) -> RunDir:
    """Write it into the journal of the run (where none is named, of the newest with a watch), which the watch reads with its next sample.

    UsageError with all that does not fit.
    """
    directory = runs.named(run) if run else newest_watched(runs, targets.environment, targets.service)
    if directory is None or not directory.watch_file.exists():
        found = f"no watch of {targets.service} in {targets.environment} here"
        next_ = "`./invokew monitor` begins a watch; sign off on the machine that has it, or name the run with --run"
        raise UsageError(Problem(path=str(runs.root / run), found=found, next=next_))
    state = WatchState.of(read(directory.watch_file))
    problems = [*_unsuitable(targets, request, settings_of(targets)), *_untimely(state, request)]
    if problems:
        raise UsageError(problems)
    journal = directory.journal()
    try:
        journal.write("signoff", **request.as_json(), by=holder(), head=head_of(directory.watch_file))
    finally:
        journal.close()
    return directory


def _unsuitable(targets: Targets, request: Signoff, settings: Settings) -> list[Problem]:
    roles = people_of(targets).roles
    points = [point.name for point in settings.book.points]
    deciders = settings.signers.get(request.point, settings.deciders)
    problems = []
    if request.role not in roles:
        advice = f"{did_you_mean(request.role, roles)}roles (people_roles): {listed(roles)}"
        problems.append(Problem(path="--role", found=f"there is no role `{request.role}`", next=advice))
    elif request.role not in deciders:
        about = request.point or "what a watch waits for"
        where = "watch_points" if request.point in settings.signers else "watch_hold"
        found = f"{request.role} does not decide on {about}"
        problems.append(Problem(path="--role", found=found, next=f"one of {listed(deciders)} does ({where})"))
    elif roles[request.role].names and request.name not in roles[request.role].names:
        found = f"`{request.name}` does not have this role: {', '.join(roles[request.role].names)}"
        problems.append(
            Problem(path=f"--role {request.role}", found=found, next="have one of them sign, or correct people_roles")
        )
    if not request.name:
        problems.append(Problem(path="--name", found="it is empty", next="give the name of the person who decides"))
    if request.decision not in DECISIONS:
        found = f"`{request.decision}` is not a decision"
        problems.append(Problem(path="--decision", found=found, next=f"one of {', '.join(DECISIONS)}"))
    if request.point and request.point not in points:
        found = f"there is no point `{request.point}`"
        problems.append(Problem(path="--point", found=found, next=f"one of {', '.join(points)}"))
    return problems


def _untimely(state: WatchState, request: Signoff) -> list[Problem]:
    """A decision about nothing, or a signature before its time, is worth nothing to a reviewer."""
    waits = state.hold is not None and request.point in ("", state.hold.point)
    if request.decision == ROLL_BACK and not waits:
        found = "the watch does not wait for that decision"
        return [Problem(path="--decision", found=found, next="`./invokew rollback` rolls the fleet back at any time")]
    if not request.point:
        next_ = "nothing is to be decided; sign a point that was passed with --point"
        return [] if state.hold else [Problem(path="--point", found="the watch waits for nobody", next=next_)]
    if request.point in state.points:
        return []
    found = f"the watch has come to hour {state.look_t / HOUR:.1f}, and {request.point} was not judged yet"
    return [Problem(path="--point", found=found, next="sign it once it was")]
