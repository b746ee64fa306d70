"""Fits the rules to how often a watch looks: a window that holds too few looks could judge nothing."""

from dataclasses import replace

from cutover.decide.watch.rulebook import RuleBook, Signal

LOOKS = 6  # that a window holds at least: a growth needs five of them, and Prometheus' documentation advises four for a rate

SLACK = 1.1  # of a look: one may fall just outside the window, and none is quite punctual


def paced(book: RuleBook, look_s: float) -> RuleBook:
    """The same rules for looks so far apart (seconds on the watch's clock); they differ where a watch is hurried, or looks seldom."""

    def wide(signal: Signal) -> Signal:
        if not signal.window:
            return signal
        window = max(signal.window, LOOKS * look_s)
        return replace(signal, window=window, slack=SLACK * look_s, share=signal.window / window)

    return replace(
        book,
        rules=tuple(replace(rule, signal=wide(rule.signal)) for rule in book.rules),
        metrics=tuple(replace(metric, signal=wide(metric.signal)) for metric in book.metrics),
    )
