"""`plan`, `prepare` and `cutover`."""

from dataclasses import replace
from pathlib import Path

from cutover.cli.announce import announcer_for
from cutover.cli.app import end, with_ask
from cutover.console.ask import Ask
from cutover.console.plan import plan_view
from cutover.console.text import rich_console
from cutover.core.errors import ExitCode, Problem, Refused, UsageError
from cutover.inventory.targets import Targets
from cutover.plan.gate import said_no
from cutover.plan.plan import batches
from cutover.release.artifact import inspect
from cutover.run import cutover as story
from cutover.run.checklist import polling
from cutover.run.options import RunOptions
from cutover.run.session import Session
from cutover.run.verify import is_finished

NOTHING_TO_DO = "nothing to do: every host runs this release already, healthy"
NOTHING_TO_RESUME = "nothing to resume: no run of these hosts was left in the middle"


@with_ask
def plan(ask: Ask, options: RunOptions) -> ExitCode:
    """Make a plan (or take that of `--run`) and show it: `plan`, and `--check`, which ends there."""
    session = _session(options, ask)
    if options.run:
        session.plan = story.plan_of(session)
    else:
        story.plan(session)
    _show_plan(session)
    return ExitCode.DONE


def cutover(options: RunOptions) -> ExitCode:
    """Prepare, or prepare and commit; with `--watch`, go on as `monitor`."""
    if options.check:
        return plan(options)
    code = end(ask := options.ask(), lambda ask: _cutover(ask, options))
    return _watch(options, ask.run_id) if options.watch and code is ExitCode.DONE else code


def _cutover(ask: Ask, options: RunOptions) -> ExitCode:
    session = _session(options, ask)
    if options.run and not options.resume and is_finished(session.targets, session.directory):
        from cutover.cli.results import show_finished

        show_finished(session)
    else:
        _run(session)
    return ExitCode.DONE


def _session(options: RunOptions, ask: Ask) -> Session:
    """What a run begins with. What is wrong with options, hosts, people or the watch is found here, before any host is asked."""
    from cutover.monitor.settings import settings_of

    if wrong := options.contradictions():
        raise UsageError(wrong)
    targets = options.targets()
    _refuse_wrong_batches_or_release(targets)
    session = Session(ask, options, targets, announcer_for(targets, ask.progress))
    if options.command == "cutover" and not options.check:
        session.poll = polling(targets, options.answers, yes=options.yes)
    if not options.resume:
        settings_of(targets)
        session.directory = options.runs.named(options.run) if options.run else options.runs.create()
        ask.run_id = session.run
    return session


def _refuse_wrong_batches_or_release(targets: Targets) -> None:
    wrong: list[Problem] = []
    try:
        batches(targets.names, targets.serial)
    except UsageError as refused:
        wrong += refused.problems
    try:
        inspect(Path(targets.options.release)) if targets.options.release else None
    except UsageError as refused:
        wrong += refused.problems
    if wrong:
        raise UsageError(wrong)


def _run(session: Session) -> None:
    """Follow the story, then write and show how it ended. What writes reports is not loaded before there is one to write."""
    try:
        with session.stop.watching():
            if session.options.resume:
                from cutover.run.resume import resume

                resume(session)
            else:
                story.cutover(session)
    finally:
        from cutover.cli.results import show_end

        show_end(session)
    if session.options.resume and not session.status:
        session.ask.say(NOTHING_TO_RESUME)


def _show_plan(session: Session) -> None:
    """Show the plan and how to apply it; Refused where phase 0 would say no to it."""
    plan, ask = session.plan, session.ask
    if not plan.hosts:
        ask.say(NOTHING_TO_DO)
        return
    rich_console(ask.stream).print(plan_view(plan, diff=session.options.diff))
    ask.fingerprint = plan.fingerprint
    ask.files["plan"] = str(session.directory.plan_file)
    ask.hosts = {
        name: {"changes": [change.model_dump() for change in host.changes if change.differences]}
        for name, host in plan.hosts.items()
    }
    ask.say(f"\nrun {plan.run}, fingerprint {plan.fingerprint}")
    ask.say(f"to apply just this: ./invokew cutover --run {plan.run}")
    if no := said_no(plan):
        raise Refused(no)


def _watch(options: RunOptions, run: str) -> ExitCode:
    """Go on as `monitor`. A run that had nothing to do has no plan: the last one that is on the new release is watched then."""
    from cutover.cli.monitor import monitor

    watched = run if run and options.directory(run).plan_file.exists() else ""
    return monitor(replace(options, command="monitor", run=watched), once=False)
