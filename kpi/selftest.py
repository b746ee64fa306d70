"""Prove that the engine still counts right before anything relies on it: known tapes, known digits."""

from kpi.engine import evaluate
from kpi.findings import Finding, KpiError
from kpi.reading import parse_csv
from kpi.recipes import RECIPES, as_csv, draw


class SelfTestError(KpiError):
    """The code does not compute the digits that it must."""


def self_test(recipe: str = "A") -> dict[str, str]:
    """Run a recipe through reader and engine; its KPIs to six digits, or SelfTestError naming those that differ."""
    evaluation = evaluate(parse_csv(f"recipe {recipe}", as_csv(draw(recipe))))
    seen = {name: format_six(result.value) for name, result in evaluation.headline.items()}
    known = RECIPES[recipe].known
    wrong = [
        Finding(
            "self_test",
            f"recipe {recipe}, {name}",
            f"{seen[name]} instead of {digits}",
            "this release must not be used; build it again from reviewed code",
        )
        for name, digits in known.items()
        if seen[name] != digits
    ]
    if wrong:
        raise SelfTestError(wrong)
    return {name: seen[name] for name in known}


def format_six(value: float | None) -> str:
    """A value as SPEC's cross-checks write it."""
    return "none" if value is None else f"{value:.6f}"
