"""The worst of several verdicts, and that nothing judged is nothing proved."""

from itertools import product

from cutover.core.verdict import Verdict, worst


def test_nothing_judged_is_inconclusive() -> None:
    assert worst([]) is Verdict.INCONCLUSIVE


def test_one_that_does_not_pass_keeps_the_whole_from_passing() -> None:
    for verdicts in product(Verdict, repeat=3):
        assert worst(verdicts).lets_pass == all(verdict.lets_pass for verdict in verdicts)
        assert worst(verdicts) in verdicts


def test_a_failure_outweighs_what_could_not_be_judged() -> None:
    assert worst([Verdict.ERROR, Verdict.FAIL, Verdict.INCONCLUSIVE]) is Verdict.FAIL
    assert [verdict.severity for verdict in Verdict] == [0, 1, 2, 3, 4]
