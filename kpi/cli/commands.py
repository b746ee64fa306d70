"""What each command does: options in, verdict and document out. Imports are where they are used, so that help is quick."""

import argparse
import sys
from typing import Any

from kpi.findings import Finding, UsageError
from kpi.release import release_id
from kpi.verdict import Verdict, worst

Ended = tuple[Verdict, dict[str, Any]]


def serve(options: argparse.Namespace) -> int:
    """The service, until SIGTERM."""
    from kpi.config import PipelineConfig
    from kpi.service import PipelineService

    return PipelineService(PipelineConfig.load(options.config)).run()


def generate(options: argparse.Namespace) -> int:
    """A synthetic tape."""
    from kpi.synthetic import as_csv, draw

    _at_least("--rows", options.rows, 1)
    content = as_csv(draw(options.recipe, options.rows, options.seed), measured_on=options.date)
    if options.out is None:
        sys.stdout.buffer.write(content)
        return 0
    try:
        options.out.write_bytes(content)
    except OSError as error:
        step = "give a path that can be written"
        raise UsageError(Finding("unwritable", str(options.out), f"{error.strerror}", step)) from error
    return 0


def compute(options: argparse.Namespace) -> Ended:
    """The KPIs of one tape."""
    from kpi.cli.inputs import named_config, reading_of
    from kpi.judging import judge_tape
    from kpi.personal import publishing
    from kpi.series import of_dates
    from kpi.series import series as series_of

    reading = reading_of(options, named_config(options))
    with publishing(reading.privacy):
        judged = judge_tape(options.tape, reading.policy, rules=reading.rules, cluster=options.cluster)
    document = {name: value for name, value in judged.as_json().items() if name not in ("against_v1", "problems")}
    if len(document["by_date"]) > 1:
        document["series"] = series_of(of_dates(document["by_date"], options.tape.name))
    return judged.verdict, {"release": release_id(), **document}


def judge(options: argparse.Namespace) -> Ended:
    """Some tapes, alone or against what V1 recorded."""
    from kpi.cli.inputs import named_config, reading_of
    from kpi.judging import judge_tape, newest
    from kpi.personal import publishing

    if options.against and len(options.tapes) > 1 and not options.against.is_dir():
        step = "give V1's metrics directory, or one tape"
        raise UsageError(Finding("usage", "--against", "one metrics file cannot be of several tapes", step))
    tapes = newest(options.tapes, options.newest)
    reading = reading_of(options, named_config(options))
    with publishing(reading.privacy):
        judged = [judge_tape(tape, reading.policy, options.against, reading.rules) for tape in tapes]
    verdict = worst(one.verdict for one in judged)
    issues = [issue for one in judged for issue in one.issues]
    if not judged:
        places = ", ".join(map(str, options.tapes))
        none = Finding("no_tapes", places, "there is not one tape to judge", "name tapes, or a directory that has some")
        issues.append(none.as_issue(verdict))
    return verdict, {
        "release": release_id(),
        "verdict": str(verdict),
        "n": len(judged),
        "issues": issues,
        "tapes": [one.as_json() for one in judged],
    }


def validate(options: argparse.Namespace) -> Ended:
    """The live service, by the five checks."""
    from kpi.config import PipelineConfig
    from kpi.validation import validate as judge_live

    report = judge_live(PipelineConfig.load(options.config), options.timeout, full=options.full)
    return report.status, report.as_json()


def health(options: argparse.Namespace) -> Ended:
    """The deployed code, part by part."""
    from kpi import probes

    chosen = {
        "engine": probes.engine,
        "orchestrator": probes.orchestrator,
        "config": lambda: probes.config(options.config),
    }
    if unknown := [name for name in options.probes if name not in chosen]:
        raise UsageError(
            Finding("usage", "health", f"no probe {', '.join(unknown)}", f"name some of {', '.join(chosen)}")
        )
    seen = {name: probes.probe(chosen[name]) for name in options.probes or chosen}
    verdict = worst(Verdict(one["verdict"]) for one in seen.values())
    issues = [issue for one in seen.values() for issue in one.get("issues", [])]
    return verdict, {"verdict": str(verdict), "release": release_id(), "issues": issues, "probes": seen}


def log_review(options: argparse.Namespace) -> Ended:
    """The audit trail since a moment."""
    from kpi import clock
    from kpi.config import PipelineConfig
    from kpi.logreview import review

    try:
        since = clock.parse(options.since)
    except ValueError as error:
        step = "write it as 2026-01-31T12:00:00Z"
        raise UsageError(Finding("usage", "--since", str(error), step)) from error
    document = review(PipelineConfig.load(options.config), since)
    return Verdict(document["status"]), document


def vitals(options: argparse.Namespace) -> Ended:
    """Measure the live service once; others judge."""
    from kpi.config import PipelineConfig
    from kpi.snapshot import snapshot

    return snapshot(PipelineConfig.load(options.config))


def shadow(options: argparse.Namespace) -> Ended:
    """V1 and V2 on the same frozen tapes."""
    from kpi.cli.inputs import reading_of, tapes_of, v2_config
    from kpi.personal import publishing
    from kpi.shadow import Terms
    from kpi.shadow import shadow as run_both
    from kpi.shadow.unit import become, find_v1

    config, why_not = v2_config(options.config)
    reading = reading_of(options, config)
    v1 = find_v1(options.v1, options.v1_config, options.v1_python, options.v1_unit, options.backups)
    become(v1.user)
    terms = Terms(
        v1,
        policy=reading.policy,
        rules=reading.rules,
        v2_config=options.config if config else None,
        timeout=options.timeout,
        scratch=options.scratch,
    )
    with publishing(reading.privacy):
        return run_both(tapes_of(options.tapes, options.newest, config, why_not), terms)


def series(options: argparse.Namespace) -> Ended:
    """The KPIs of all accepted tapes by day, week and month; a period without a tape is a gap, never a number."""
    from kpi.config import PipelineConfig
    from kpi.series import series_of_history

    document = series_of_history(PipelineConfig.load(options.config).paths["metrics"])
    verdict = Verdict.WARN if document["problems"] else Verdict.PASS
    verdict = verdict if document["dates"] else Verdict.INCONCLUSIVE
    return verdict, {"release": release_id(), "status": str(verdict), "verdict": str(verdict), **document}


def stress(options: argparse.Namespace) -> Ended:
    """The real service under a stream of tapes."""
    from kpi.stress import Load
    from kpi.stress import stress as put_under_load

    for name in ("iterations", "seconds", "rows", "sample_every", "growth_limit"):
        _at_least(f"--{name.replace('_', '-')}", getattr(options, name), 0.01 if name != "rows" else 5)
    load = Load(
        iterations=options.iterations,
        seconds=options.seconds,
        rows=options.rows,
        seed=options.seed,
        sample_every=options.sample_every,
        growth_limit_mb=options.growth_limit,
    )
    return put_under_load(load, options.root)


def _at_least(option: str, value: float | None, least: float) -> None:
    if value is not None and value < least:
        raise UsageError(Finding("usage", option, f"{value:g} is too little", f"give at least {least:g}"))
