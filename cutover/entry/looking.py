"""`status`, `verify`, `validate`, `shadow`, `report`: they look and judge, and change nothing."""

from pathlib import Path

from cutover.entry.app import Ask, end
from cutover.entry.where import Where
from cutover.words.errors import ExitCode, Unjudged


def status(where: Where) -> ExitCode:
    """Where the hosts are."""
    return end(where.ask(), lambda ask: _status(where, ask))


def verify(where: Where, phase: str, junit: str) -> ExitCode:
    """A phase's checks, alone."""
    return end(where.ask(), lambda ask: _verify(where, ask, phase, junit))


def validate(where: Where) -> ExitCode:
    """The live service, judged on its hosts."""
    return end(where.ask(), lambda ask: _validate(where, ask))


def shadow(where: Where) -> ExitCode:
    """Both versions on the same input, compared on their hosts."""
    return end(where.ask(), lambda ask: _shadow(where, ask))


def report(where: Where) -> ExitCode:
    """Draw the report of a run anew."""
    return end(where.ask(), lambda ask: _report(where, ask))


def _status(where: Where, ask: Ask) -> ExitCode:
    from cutover.conduct.judging.status import look_at_state
    from cutover.tell.paper import paper
    from cutover.tell.presentation import presentation
    from cutover.tell.realtime import real_time
    from cutover.tell.views.status import status_view

    states, unasked = look_at_state(where.targets())
    declared = presentation(where.root).real_time
    ask.hosts = {
        host: {**state, "real_time": real_time(declared, state.pop("looks"))} for host, state in states.items()
    }
    paper(ask.stream).print(status_view(states))
    if unasked:
        raise Unjudged(unasked)
    return ExitCode.DONE


def _verify(where: Where, ask: Ask, phase: str, junit: str) -> ExitCode:
    from cutover.conduct.judging.alone import verify as judge
    from cutover.tell.views.judged import show_judged

    judged = judge(where.targets(), run=where.run, phase=phase, junit=Path(junit) if junit else None)
    ask.run_id = judged.run
    ask.hosts = show_judged(judged.phase.label, judged.findings, judged.verdict, say=ask.say)
    if junit:
        ask.files["junit"] = junit
    return judged.verdict.exit_code


def _validate(where: Where, ask: Ask) -> ExitCode:
    from cutover.conduct.judging.alone import validate as judge
    from cutover.entry.written import write_validation
    from cutover.tell.views.judged import show_judged

    judged = judge(where.targets())
    ask.hosts = show_judged(judged.phase.label, judged.findings, judged.verdict, say=ask.say)
    ask.files["report"] = str(write_validation(where.root, judged.documents))
    ask.say(f"report: {ask.files['report']}")
    return judged.verdict.exit_code


def _shadow(where: Where, ask: Ask) -> ExitCode:
    from cutover.conduct.judging.shadow import shadow as compare
    from cutover.entry.written import write_comparison
    from cutover.tell.views.judged import show_judged

    judged = compare(where.targets(), run=where.run)
    ask.run_id = judged.run
    told = show_judged("V1 and V2 on the same input", judged.findings, judged.verdict, say=ask.say)
    measured = {host: next(iter(by_step.values()), None) for host, by_step in judged.documents.items()}
    ask.hosts = {host: {**one, "document": measured.get(host)} for host, one in told.items()}
    ask.files["report"] = str(write_comparison(where.root, judged.documents))
    ask.say(f"report: {ask.files['report']}")
    return judged.verdict.exit_code


def _report(where: Where, ask: Ask) -> ExitCode:
    from cutover.entry.written import write_all

    directory = where.the_run()
    ask.run_id = directory.id
    ask.files.update(write_all(where.root, directory).files)
    ask.say(str(directory.report))
    return ExitCode.DONE
