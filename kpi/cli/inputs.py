"""From options to what is meant: how tapes are read and bad rows treated, which tapes, V2's config where it is there."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from kpi.config import INPUT, PipelineConfig
from kpi.findings import Finding, UsageError
from kpi.personal import Privacy
from kpi.tapes.rules import InputRules, cross_check


@dataclass(frozen=True)
class InputReading:
    """How tapes are read: what a bad row does, how amounts are written, how personal columns are treated."""

    policy: str
    rules: InputRules
    privacy: Privacy


def reading_of(options: argparse.Namespace, config: PipelineConfig | None) -> InputReading:
    """As the options say; what they leave open as the config does; without one strictly."""
    rules = config.input_rules if config and not options.input else input_rules(options.input)
    policy = options.quarantine or (config.quarantine_policy if config else "fail")
    return InputReading(policy, rules, Privacy.of(config.document.get("personal") if config else None))


def named_config(options: argparse.Namespace) -> PipelineConfig | None:
    """The config that `--config` names; none where it names none."""
    return PipelineConfig.load(options.config) if options.config else None


def input_rules(given: Sequence[str]) -> InputRules:
    """The rules that `--input RULE=SIGN` declares; all that is wrong with them at once."""
    numbers = {field.name: field.type for field in fields(InputRules) if field.type is not str}
    section: dict[str, Any] = {}
    findings = []
    for word in given:
        name, is_pair, sign = word.partition("=")
        if not is_pair:
            findings.append(Finding("usage", "--input", repr(word), "write it as RULE=SIGN, such as separator=';'"))
        section[name] = _number(sign) if name in numbers else sign
    findings += [Finding("usage", f"--{one.where}", one.found, one.next) for one in INPUT.check(section, "input")]
    if not findings:
        findings += cross_check(section)
    if findings:
        raise UsageError(findings)
    return InputRules.of(section)


def v2_config(path: Path) -> tuple[PipelineConfig | None, tuple[Finding, ...]]:
    """V2's config, or why there is none there: before a cutover V1's config is there."""
    try:
        return PipelineConfig.load(path), ()
    except UsageError as error:
        return None, error.findings


def tapes_of(given: Sequence[Path], most: int, config: PipelineConfig | None, why_not: Sequence[Finding]) -> list[Path]:
    """The tapes that are named, of each directory its newest; without any, the newest that the config's service has done."""
    from kpi.judging import newest

    if given:
        return newest(given, most)
    if config is None:
        step = "name tapes or a directory of tapes; without V2's config it is not known where done/ is"
        raise UsageError([*why_not, Finding("usage", "TAPE", "no tape is named", step)])
    return newest([config.paths["done"]], most)


def _number(text: str) -> float | int | str:
    try:
        value = float(text)
    except ValueError:
        return text  # the schema says what it must be
    return int(value) if value.is_integer() else value
