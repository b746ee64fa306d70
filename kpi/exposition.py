"""Metrics in Prometheus' text format."""

from collections.abc import Mapping, Sequence


class Exposition:
    """Collects metrics; each with its help, its type and its samples by label."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def counter(self, name: str, words: str, values: Mapping[str, float] | float) -> None:
        """What only grows since the start."""
        self._metric(name, "counter", words, values)

    def gauge(self, name: str, words: str, values: Mapping[str, float] | float | None) -> None:
        """What goes up and down; what could not be measured has no sample, so that it is missed and not taken for 0."""
        self._metric(name, "gauge", words, {} if values is None else values)

    def histogram(self, name: str, words: str, bounds: Sequence[float], counts: Sequence[int], total: float) -> None:
        """How many were at most each bound; the last count is that of all."""
        self._lines += [f"# HELP {name} {words}", f"# TYPE {name} histogram"]
        for bound, count in zip((*(f"{bound:g}" for bound in bounds), "+Inf"), counts, strict=True):
            self._lines.append(f'{name}_bucket{{le="{bound}"}} {count}')
        self._lines += [f"{name}_sum {total!r}", f"{name}_count {counts[-1]}"]

    def text(self) -> str:
        """All of it."""
        return "\n".join(self._lines) + "\n"

    def _metric(self, name: str, kind: str, words: str, values: Mapping[str, float] | float) -> None:
        self._lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
        samples = values if isinstance(values, Mapping) else {"": values}
        self._lines += [f"{name}{'{' + at + '}' if at else ''} {value!r}" for at, value in samples.items()]


def label(**names: str) -> str:
    """Labels of one sample."""
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in names.items())


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
