"""What a tape may look like, by declaration: separator, decimal and thousands signs, currency sign, and limits.

Nothing is guessed. A tape that would be read by other rules is refused, and the refusal names the rule.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import product
from typing import Any

from kpi.findings import Finding

SEPARATORS = (",", ";", "\t", "|")
DECIMALS = (".", ",")
THOUSANDS = (",", ".", "'", " ", "_")
CURRENCIES = ("$", "USD", "US$")
_WRITTEN = ((".", ""), (".", ","), (",", ""), (",", "."), (".", "'"), (".", " "), (",", " "), (".", "_"))
_POINT = ("input.decimal", ".")


@dataclass(frozen=True)
class InputRules:
    """How amounts and fields are written. The defaults are the strict ones, and this is the one place that has them."""

    separator: str = ","
    decimal: str = "."
    thousands: str = ""
    currency: str = ""
    longest_record_bytes: int = 1 << 20  # a longer line is not a row of a loan tape
    expansion_ratio: float = 100.0  # gzip: how many times larger than the file its content may be
    expanded_bytes: int = 64 << 30  # gzip: and how large at most

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> "InputRules":
        """The rules of a config's checked `input` section; what it leaves out is as above."""
        return cls(**{field.name: section[field.name] for field in fields(cls) if field.name in section})

    @property
    def plain_amounts(self) -> bool:
        """Whether amounts are written as a program writes them, but perhaps for the decimal sign."""
        return not self.thousands and not self.currency

    @cached_property
    def _amount(self) -> re.Pattern[str]:
        # Sign, currency, digits (in threes where groups are declared), decimals, exponent.
        currency = rf"(?:{re.escape(self.currency)} ?)?" if self.currency else ""
        group = rf"[0-9]{{1,3}}(?:{re.escape(self.thousands)}[0-9]{{3}})+|" if self.thousands else ""
        digits = rf"({group}[0-9]*)(?:{re.escape(self.decimal)}([0-9]*))?"
        return re.compile(rf"([+-]?){currency}{digits}([eE][+-]?[0-9]+)?")

    def plain(self, text: str) -> str | None:
        """An amount by these rules as Python writes it; None when it is none."""
        match = self._amount.fullmatch(text)
        if match is None or not (match[2] or match[3]):
            return None
        whole = match[2].replace(self.thousands, "") if self.thousands else match[2]
        return f"{match[1]}{whole}.{match[3] or ''}{match[4] or ''}"


def cross_check(section: Mapping[str, Any]) -> list[Finding]:
    """Signs that cannot be distinguished."""
    rules = InputRules.of(section)
    same = {"input.thousands": rules.thousands, "input.separator": rules.separator}
    step = "give each a sign of its own"
    return [
        Finding("config", name, "the same as input.decimal", step)
        for name, sign in same.items()
        if sign == rules.decimal
    ]


def rule_for(cell: str) -> str:
    """The rules that would accept a cell, in words; empty when none would."""
    for currency, (decimal, thousands) in product(("", *CURRENCIES), _WRITTEN):
        if InputRules(decimal=decimal, thousands=thousands, currency=currency).plain(cell) is not None:
            named = (("input.currency", currency), ("input.thousands", thousands), ("input.decimal", decimal))
            return " with ".join(f"{name} {sign!r}" for name, sign in named if sign and (name, sign) != _POINT)
    return ""
