"""Writes docs/watch.md: how the rules read, how often they cry wolf, and how soon they see what is wrong."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from bench.page import table
from bench.watch.counting import LOOKS_RULE, Alarms, Detection
from bench.watch.day import GRAVITY
from bench.watch.parameters import Parameters
from cutover.inventory.schema import words
from cutover.monitor.rules import bounds
from cutover.monitor.rules.rulebook import RuleBook

TEMPLATE = Path(__file__).with_name("page.md")
REASONS = 4  # that are named at a point
SAYS = {"warn": "WARN", "hold": "FAIL: hold", "rollback": "FAIL: roll back"}


def page(book: RuleBook, alarms: Alarms, detections: Sequence[Detection], seed: int, origins: dict[str, str]) -> str:
    """The whole page."""
    return TEMPLATE.read_text(encoding="utf-8").format(
        watches=alarms.watches,
        seed=seed,
        planted=detections[0].watches if detections else 0,
        looks=f"{alarms.looks:,}".replace(",", " "),
        inconclusive=f"{alarms.inconclusive / max(1, alarms.looks * len(book.rules)) * 100:.3f} %",
        rules=len(book.rules),
        digest=book.digest[:16],
        overall=_overall(alarms),
        by_rule=_by_rule(book, alarms),
        points=_points(alarms),
        detections=_detections(detections),
        parameters=_parameters(origins),
    )


def _overall(alarms: Alarms) -> str:
    rows = [(SAYS[said], str(alarms.overall[said]), *_rate(alarms.overall[said], alarms.watches)) for said in GRAVITY]
    return table(("some rule said, in a watch", "watches", "rate", "95 % interval"), rows)


def _by_rule(book: RuleBook, alarms: Alarms) -> str:
    rows = []
    for rule in book.rules:
        counts = [alarms.by_rule[rule.name, said] for said in GRAVITY]
        gravest = next((count for count in reversed(counts) if count), 0)
        name = f"`{rule.name}`{' (samples that did fail)' if rule.name == LOOKS_RULE else ''}"
        rows.append((name, *map(str, counts), _interval(gravest, alarms.watches)))
    return table(("rule", *SAYS.values(), "95 % interval of the gravest"), rows)


def _points(alarms: Alarms) -> str:
    rows = []
    for name in sorted({name for name, _ in alarms.points}, key=lambda name: int(name.rpartition("_")[2])):
        on = alarms.points[name, "go_on"]
        reasons = [(rule, verdict, count) for (point, rule, verdict), count in alarms.reasons.items() if point == name]
        ordered = sorted(reasons, key=lambda one: (-one[2], one))
        why = [f"{rule} {verdict} ({count})" for rule, verdict, count in ordered[:REASONS]]
        why += [f"and {len(ordered) - REASONS} more"] if len(ordered) > REASONS else []
        rows.append((f"`{name}`", str(on), str(alarms.watches - on), ", ".join(why) or "-"))
    return table(("point", "went on", "held or extended", "because of"), rows)


def _detections(detections: Sequence[Detection]) -> str:
    rows = []
    for one in detections:
        held = str(one.held_at_points) if one.regression.at_points else ""
        delays = (words(round(delay)) if delay is not None else "-" for delay in (one.median, one.p95))
        seen = f"{len(one.delays)} of {one.watches}"
        rows.append((one.regression.name, SAYS[one.regression.expected], seen, *delays, str(one.wrong), held))
    heads = "what went wrong|right answer|seen|median delay|95 % within|rolled back without need|held at a point"
    return table(heads.split("|"), rows)


def _parameters(origins: dict[str, str]) -> str:
    rows = [(one.name.replace("_", " "), f"{one.default:g}", origins.get(one.name, "")) for one in fields(Parameters)]
    return table(("parameter", "value", "measured (M) or assumed (A)"), rows)


def origins_of(source: str) -> dict[str, str]:
    """The words behind each parameter in parameters.py, which is the one place where they are documented."""
    found = {}
    for line in source.splitlines():
        name, colon, rest = line.strip().partition(":")
        if colon and "#" in rest and "=" in rest.partition("#")[0]:
            found[name] = rest.partition("#")[2].strip()
    return found


def _rate(count: int, of: int) -> tuple[str, str]:
    return f"{count / of * 100:.2f} %", _interval(count, of)


def _interval(count: int, of: int) -> str:
    low, high = bounds.lower(count, of, 0.975), bounds.upper(count, of, 0.975)  # two-sided, of 95 %
    return f"{low * 100:.2f} - {high * 100:.2f} %"
