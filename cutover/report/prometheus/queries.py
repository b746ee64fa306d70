"""What Prometheus records: each signal of the watch under its own name, and what the rules hold against their limits."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from string import Template
from typing import Any

from cutover.monitor.rules.rulebook import COUNTED, UNITS, Rule, RuleBook, Signal
from cutover.report.prometheus import mapping as written

PARTS = ("of", "n", "lower")


@dataclass(frozen=True)
class Queries:
    """A book and its mapping; hosts are scraped every `look_s` seconds."""

    book: RuleBook
    mapping: written.PromQL
    look_s: float

    @property
    def signals(self) -> dict[str, list[Signal]]:
        """The signals that Prometheus sees, as the rules use them."""
        known = written.signals_of(self.book)
        return {name: known[name] for name in self.mapping.signals}

    @property
    def rules(self) -> list[Rule]:
        """The rules that Prometheus can judge."""
        return [rule for rule in self.book.rules if rule.signal.name in self.mapping.signals]

    @property
    def others(self) -> list[tuple[Rule, str]]:
        """The rules that it cannot judge, and why."""
        unseen = self.mapping.unseen
        return [(rule, unseen[rule.signal.name]) for rule in self.book.rules if rule.signal.name in unseen]

    def series(self, signal: Signal, part: str = "") -> str:
        """The name under which a signal is recorded: `name:latency:9m`; what it rests on is `name:latency:n_9m`."""
        ends = [part, duration(signal.window) if signal.window else ""]
        return ":".join(filter(None, [self.mapping.name, signal.name, "_".join(filter(None, ends))]))

    def judged(self, rule: Rule) -> str:
        """The name of what a rule holds against its limits."""
        return self.series(rule.signal, "lower" if rule.bound else "")

    def records(self) -> Iterator[tuple[str, str]]:
        """Name and PromQL of everything that is recorded, in an order in which each needs only earlier ones."""
        for name, text in self.mapping.helpers.items():
            yield f"{self.mapping.name}:{name}", self._filled(text, {})
        bounded = {rule.signal.key for rule in self.rules if rule.bound}
        for name, uses in self.signals.items():
            for signal in uses:
                yield from self._of(self.mapping.signals[name], signal, bound=signal.key in bounded)

    def _of(self, query: written.Query, signal: Signal, *, bound: bool) -> Iterator[tuple[str, str]]:
        known = {"window": duration(signal.window), "floor": f"{signal.floor:g}"}
        known["scrapes"] = f"{signal.window / self.look_s:g}"
        of, n, times = self.series(signal, "of"), self.series(signal, "n"), signal.entry.scale
        scaled = "" if times == 1.0 else f" * {times:g}"
        if query.of:
            yield of, self._filled(query.of, known)
            yield n, self._filled(query.per, known)
            yield self.series(signal), f"{of} / {n}{scaled}"
        else:
            value = self._filled(query.value, known)
            yield self.series(signal), f"({value}){scaled}" if scaled else value
            if signal.kind in COUNTED:
                yield n, self._filled(query.n, known)
        if bound:
            yield self.series(signal, "lower"), Template(self.mapping.lower).substitute(of=of, per=n)

    def _filled(self, text: str, known: Mapping[str, Any]) -> str:
        helpers = {name: f"{self.mapping.name}:{name}" for name in self.mapping.helpers}
        return Template(text).substitute({**helpers, "job": self.mapping.job, **known})


def duration(seconds: float) -> str:
    """A duration as Prometheus writes it: 9m, 1h30m, 500ms; 0s for none."""
    left, text = round(seconds * 1000), ""
    for unit, size in [*sorted(UNITS.items(), key=lambda entry: -entry[1]), ("ms", 0.001)]:
        whole, left = divmod(left, round(size * 1000))
        text += f"{whole}{unit}" if whole else ""
    return text or "0s"
