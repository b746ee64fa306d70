"""Fits the rules to how often a watch looks: a window that holds too few looks could judge nothing."""

from dataclasses import replace

from cutover.decide.watch.rulebook import Limit, RuleBook, Signal

LOOKS = 6  # that a window holds at least: a growth needs five of them, and Prometheus' documentation advises four for a rate
HELD_LOOKS = 2.0  # that a hold time of a hurried watch lasts at least
SLACK = 1.1  # of a look: one may fall just outside the window, and none is quite punctual


def paced(book: RuleBook, look_s: float, *, hurried: bool = False) -> RuleBook:
    """The same rules for looks so far apart (seconds on the watch's clock); they differ where a watch is hurried, or looks seldom.

    A hold time bridges what really takes a moment, such as that between a piece of work and its record; in a hurried watch it
    would be over before that moment is, so there it lasts for some looks at least.
    """

    def wide(signal: Signal) -> Signal:
        if not signal.window:
            return signal
        window = max(signal.window, LOOKS * look_s)
        return replace(signal, window=window, slack=SLACK * look_s, share=signal.window / window)

    def long(limit: Limit) -> Limit:
        return replace(limit, hold=max(limit.hold, HELD_LOOKS * look_s)) if hurried and limit.hold else limit

    return replace(
        book,
        rules=tuple(
            replace(rule, signal=wide(rule.signal), limits=tuple(map(long, rule.limits))) for rule in book.rules
        ),
        metrics=tuple(replace(metric, signal=wide(metric.signal)) for metric in book.metrics),
    )
