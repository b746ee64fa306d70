"""The worst of several verdicts, and that nothing judged is nothing proved."""

from hypothesis import given
from hypothesis import strategies as some

from cutover.core.verdict import Verdict, worst


def test_nothing_judged_is_inconclusive() -> None:
    assert worst([]) is Verdict.INCONCLUSIVE


@given(some.lists(some.sampled_from(Verdict), min_size=1))
def test_one_that_does_not_pass_keeps_the_whole_from_passing(verdicts: list[Verdict]) -> None:
    assert worst(verdicts).lets_pass == all(verdict.lets_pass for verdict in verdicts)
    assert worst(verdicts) in verdicts


def test_a_failure_outweighs_what_could_not_be_judged() -> None:
    assert worst([Verdict.ERROR, Verdict.FAIL, Verdict.INCONCLUSIVE]) is Verdict.FAIL
    assert [verdict.severity for verdict in Verdict] == [0, 1, 2, 3, 4]
