"""What is written and shown when a run has ended: reports, incident record, summary."""

from pathlib import Path

from cutover.console.ask import Ask
from cutover.console.summary import hosts_as_json, summary
from cutover.core.errors import Problem, UsageError
from cutover.inventory.yamlfile import shown as shown_path
from cutover.journal.journal import utc_stamp
from cutover.journal.rundir import RunDir, runs_of
from cutover.report.page import write_report
from cutover.report.validation import COMPARISON, completed, judging, write_reports, write_validation_reports
from cutover.run.session import Session
from cutover.run.verify import Judged
from cutover.timeline.presentation import presentation
from cutover.timeline.view import RunView, view_of


def write_all(view: RunView) -> dict[str, str]:
    """Write what stays of a run anew from plan, journal and evidence; gives the files, by what they are. Safe to repeat."""
    written: dict[str, Path | None] = {"report": write_report(view)}
    if view.timeline.last("rollback.started"):
        from cutover.report.incident import write_incident

        written["incident_record"] = write_incident(view)
    written["validation"] = write_validation_reports(view)
    return {name: str(path) for name, path in written.items() if path is not None}


def write_validation(root: Path, service: str, judged: Judged) -> Path:
    """The reports of a validation outside any run: fleet and hosts, in a directory named by the time."""
    shown = presentation(root, service).validation
    given = {host: judging(by_step.get(shown.step)) for host, by_step in judged.documents.items()}
    documents = completed(given, shown.checks, {host: judged.why(host) for host in given})
    return write_reports(root / ".cutover" / "validations" / utc_stamp(), documents, {})


def write_comparison(root: Path, judged: Judged) -> list[Path]:
    """The reports of a comparison of both versions: fleet and hosts, in a directory named by the time.

    Where the run whose release compared has its directory here, they are part of its evidence too, and its report is drawn anew.
    """
    given = {host: judging(next(iter(by_step.values()), None)) for host, by_step in judged.documents.items()}
    documents = completed(given, (), {host: judged.why(host) for host in given})
    stamp = utc_stamp()
    about = {"run": judged.run} if judged.run else {}
    written = [write_reports(root / ".cutover" / "shadows" / stamp, documents, about, COMPARISON)]
    if judged.run and (run := runs_of(root).path_of(judged.run)).journal_file.is_file():
        written.append(write_reports(run.evidence / "shadows" / stamp, documents, about, COMPARISON))
        write_report(view_of(run, root))
    return written


def show_end(session: Session) -> None:
    """Write what stays of the run, and show how it ended; nothing where the run was never begun here.

    What cannot be read or written meanwhile is said, and changes nothing of how the run ended.
    """
    console, ask = session.console, session.ask
    if console is None:
        return
    run = session.directory
    if not run.plan_file.exists():  # it ended before there was a plan: its problems say all there is to say
        return
    try:
        view = view_of(run, ask.root, session.journal)
    except (OSError, UsageError) as unread:
        say_problem(ask, f"how the run ended is not shown: {unread}", run)
        return
    if unwritten := len(session.journal.unwritten):
        say_problem(ask, f"{unwritten} records could not be written; the hosts are as they are shown here", run)
    ask.hosts = hosts_as_json(view)
    ask.fingerprint = view.plan.fingerprint if view.plan else ""
    ask.files = {**written_if_possible(ask, view), "log": str(session.log.path)}
    places = {name.replace("_", " "): shown_path(Path(path)) for name, path in ask.files.items()}
    console.show(summary(view, places))
    ask.shown = True


def written_if_possible(ask: Ask, view: RunView) -> dict[str, str]:
    """What stays of the run, as far as it can be written."""
    try:
        return write_all(view)
    except Exception as unwritten:  # noqa: BLE001 - whatever it is, it must not hide how the run ended
        say_problem(ask, f"the reports were not written: {type(unwritten).__name__}: {unwritten}", view.run)
        return {}


def say_problem(ask: Ask, found: str, run: RunDir) -> None:
    """Say what went wrong in keeping and showing a run; it is in the document of `--json` too."""
    problem = Problem(found, f"see why, then `./invokew report --run {run.id}`", path=str(run.journal_file))
    ask.problems = (*ask.problems, problem)
    ask.say(str(problem))


def show_finished(session: Session) -> None:
    """Show that the run was done before; its journal and report are left as they are."""
    run, ask = session.directory, session.ask
    view, plan = view_of(run, ask.root), run.plan()
    ask.hosts = hosts_as_json(view)
    on = f"{', '.join(plan.hosts)}: on {plan.release.id} ({plan.service.new}), healthy"
    ask.say(f"nothing to do: run {plan.run} was confirmed, and its hosts are as it left them ({on})")
