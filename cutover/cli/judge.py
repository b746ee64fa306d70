"""`status`, `verify`, `validate`, `shadow`, `report`: read-only commands."""

from pathlib import Path
from typing import TYPE_CHECKING

from cutover.cli.app import end
from cutover.console.ask import Ask
from cutover.core.errors import ExitCode, Unjudged
from cutover.run.options import Where

if TYPE_CHECKING:
    from cutover.run.verify import Judged


def status(where: Where) -> ExitCode:
    """Show the state of each host."""
    return end(where.ask(), lambda ask: _status(where, ask))


def verify(where: Where, phase: str, junit: str) -> ExitCode:
    """Run the checks of a phase."""
    return end(where.ask(), lambda ask: _verify(where, ask, phase, junit))


def validate(where: Where) -> ExitCode:
    """Judge the live service on its hosts."""
    return end(where.ask(), lambda ask: _validate(where, ask))


def shadow(where: Where) -> ExitCode:
    """Run both releases on the same input on their hosts, and compare."""
    return end(where.ask(), lambda ask: _shadow(where, ask))


def report(where: Where) -> ExitCode:
    """Write the report of a run again."""
    return end(where.ask(), lambda ask: _report(where, ask))


def _status(where: Where, ask: Ask) -> ExitCode:
    from cutover.console.status import status_view
    from cutover.console.text import rich_console
    from cutover.monitor.status import host_states, watch_status, watch_status_view
    from cutover.timeline.presentation import presentation

    targets = where.targets()
    states, unasked = host_states(targets)
    watch = watch_status(targets)
    shown = presentation(where.root, targets.service)
    ask.hosts = {
        host: {"reached": True, **state, "real_time": shown.real_time_of(state.pop("looks"))}
        for host, state in states.items()
    }
    silent = tuple(dict.fromkeys(problem.host for problem in unasked if problem.host not in states))
    ask.hosts |= {host: {"reached": False} for host in silent}
    for host, document in ask.hosts.items():
        document["watch"] = watch.as_json(host) if watch else None
    out = rich_console(ask.stream)
    out.print(status_view(states, silent))
    if watch:
        place = f" --inventory {where.inventory}" if where.inventory else ""
        out.print(watch_status_view(watch, f"--hosts {targets.environment}{place}"))
    if unasked:
        raise Unjudged(unasked)
    return ExitCode.DONE


def _verify(where: Where, ask: Ask, phase: str, junit: str) -> ExitCode:
    from cutover.run.verify import verify as judge

    judged = judge(where.targets(), run=where.run, phase=phase, junit=Path(junit).expanduser() if junit else None)
    if junit:
        ask.files["junit"] = junit
    return _show(ask, judged)


def _validate(where: Where, ask: Ask) -> ExitCode:
    from cutover.cli.results import write_validation
    from cutover.run.verify import validate as judge

    targets = where.targets()
    judged = judge(targets)
    code = _show(ask, judged)
    ask.files["report"] = str(write_validation(where.root, targets.service, judged))
    ask.say(f"report: {ask.files['report']}")
    return code


def _shadow(where: Where, ask: Ask) -> ExitCode:
    from cutover.cli.results import write_comparison
    from cutover.run.verify import shadow as compare

    judged = compare(where.targets(), run=where.run)
    code = _show(ask, judged)
    measured = {host: next(iter(by_step.values()), None) for host, by_step in judged.documents.items()}
    ask.hosts = {host: {**one, "document": measured.get(host)} for host, one in ask.hosts.items()}
    for path in write_comparison(where.root, judged):
        ask.files["report"] = str(path)
        ask.say(f"report: {path}")
    return code


def _show(ask: Ask, judged: "Judged") -> ExitCode:
    """Show what was judged, on the terminal and in `--json`; gives the exit code."""
    from cutover.console.problems import show_judged

    ask.hosts = show_judged(judged.title, judged.findings, judged.verdict, say=ask.say)
    ask.run_id, ask.problems = judged.run, judged.problems
    return ExitCode.of(judged.verdict)


def _report(where: Where, ask: Ask) -> ExitCode:
    from cutover.cli.results import write_all

    directory = where.the_run()
    ask.run_id = directory.id
    ask.files.update(write_all(where.root, directory).files)
    ask.say(str(directory.report))
    return ExitCode.DONE
