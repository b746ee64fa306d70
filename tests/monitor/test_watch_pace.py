"""Rules fitted to how often a watch looks: windows hold enough looks, and what is counted in them stands for the rule's own window."""

from cutover.core.samples import Judgement, Sample
from cutover.monitor.rules.judge import HostJudge
from cutover.monitor.rules.rulebook import SAMPLES, paced
from tests.monitor.watch_samples import shipped
from tests.monitor.watches import BEGAN, HOUR, healthy

BOOK = shipped()
DAY = 24 * HOUR


def judged(rule: str, look_s: float, errors_a_look: int, restarts_a_look: int = 0) -> Judgement:
    """What a rule says after a dozen looks so far apart."""
    judge = HostJudge(paced(BOOK, look_s), "web1", look_s)
    said: dict[str, Judgement] = {}
    for number in range(12):
        t = number * look_s
        documents = healthy(t)
        documents["figures"]["tapes"]["failed"] = number * errors_a_look
        documents["unit"]["restarts"] = number * restarts_a_look
        said = {one.rule: one for one in judge.take(Sample("web1", BEGAN + t, t, documents, row=True))}
    return said[rule]


def test_at_the_pace_that_the_rules_were_written_for_nothing_is_widened() -> None:
    windows = {rule.name: rule.signal.window for rule in BOOK.rules}
    close = {rule.name: rule.signal.window for rule in paced(BOOK, 1.0).rules}
    assert close == windows


def test_a_window_holds_enough_looks_however_far_apart_they_are() -> None:
    for rule in paced(BOOK, DAY).rules:
        assert rule.signal.window == 0.0 or rule.signal.window >= SAMPLES * DAY


def test_errors_of_days_are_not_taken_for_errors_of_an_hour() -> None:
    few, many = judged("errors_per_hour", DAY, errors_a_look=24), judged("errors_per_hour", DAY, errors_a_look=24 * 6)
    assert (str(few.verdict), str(many.verdict)) == ("PASS", "WARN")
    assert few.value is not None
    assert 0.8 < few.value <= 1.0


def test_a_restart_a_day_is_no_crash_loop() -> None:
    assert not judged("crash_loop", DAY, 0, restarts_a_look=1).rolls_back
    assert judged("crash_loop", 60.0, 0, restarts_a_look=1).rolls_back
