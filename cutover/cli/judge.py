"""`status`, `verify`, `validate`, `shadow`: read-only commands."""

from pathlib import Path
from typing import TYPE_CHECKING

from cutover.cli.app import with_ask
from cutover.console.ask import Ask
from cutover.core.errors import ExitCode, Unjudged
from cutover.run.options import RunOptions

if TYPE_CHECKING:
    from cutover.run.verify import Judged


@with_ask
def status(ask: Ask, options: RunOptions) -> ExitCode:
    """Show the state of each host."""
    from cutover.console.status import status_view
    from cutover.console.text import rich_console
    from cutover.monitor.status import host_states, watch_status, watch_status_view
    from cutover.timeline.presentation import presentation

    targets = options.targets()
    states, unasked = host_states(targets)
    watch = watch_status(targets)
    shown = presentation(options.root, targets.service)
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
        place = f" --inventory {options.inventory}" if options.inventory else ""
        out.print(watch_status_view(watch, f"--hosts {targets.environment}{place}"))
    if unasked:
        raise Unjudged(unasked)
    return ExitCode.DONE


@with_ask
def verify(ask: Ask, options: RunOptions, phase: str, junit: str) -> ExitCode:
    """Run the checks of a phase."""
    from cutover.run.verify import verify as judge

    judged = judge(options.targets(), run=options.run, phase=phase, junit=Path(junit).expanduser() if junit else None)
    if junit:
        ask.files["junit"] = junit
    return _show(ask, judged)


@with_ask
def validate(ask: Ask, options: RunOptions) -> ExitCode:
    """Judge the live service on its hosts."""
    from cutover.cli.results import write_validation
    from cutover.run.verify import validate as judge

    targets = options.targets()
    judged = judge(targets)
    code = _show(ask, judged)
    ask.files["report"] = str(write_validation(options.root, targets.service, judged))
    ask.say(f"report: {ask.files['report']}")
    return code


@with_ask
def shadow(ask: Ask, options: RunOptions) -> ExitCode:
    """Run both releases on the same input on their hosts, and compare."""
    from cutover.cli.results import write_comparison
    from cutover.run.verify import shadow as compare

    judged = compare(options.targets(), run=options.run)
    code = _show(ask, judged)
    measured = {host: next(iter(by_step.values()), None) for host, by_step in judged.documents.items()}
    ask.hosts = {host: {**one, "document": measured.get(host)} for host, one in ask.hosts.items()}
    for path in write_comparison(options.root, judged):
        ask.files["report"] = str(path)
        ask.say(f"report: {path}")
    return code


def _show(ask: Ask, judged: "Judged") -> ExitCode:
    """Show what was judged, on the terminal and in `--json`; gives the exit code."""
    from cutover.console.problems import show_judged

    ask.hosts = show_judged(judged.title, judged.findings, judged.verdict, say=ask.say)
    ask.run_id, ask.problems = judged.run, judged.problems
    return ExitCode.of(judged.verdict)
