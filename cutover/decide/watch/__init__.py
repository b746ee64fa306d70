"""Judges a watch: rules as data over samples, the cadence of its rows, its decision points. Pure; only `rules` reads a file.

book = rules.load(root, thresholds, overrides)      what roles/watch/rules.yml says, checked as a whole
judge = HostJudge(book, host, look_s)               one a host; feed it every sample, in order
judge.take(sample)                                  one Judgement per rule
Cadence, Point, judge_point                         when rows are recorded and when somebody decides
"""

from cutover.decide.watch.cadence import Cadence, cadence
from cutover.decide.watch.judge import HostJudge
from cutover.decide.watch.points import Answer, History, Reason, Standing, judge_point, points_between
from cutover.decide.watch.rulebook import Metric, Point, Rule, RuleBook
from cutover.decide.watch.rules import load, load_for

__all__ = [
    "Answer", "Cadence", "History", "HostJudge", "Metric", "Point", "Reason", "Rule", "RuleBook", "Standing",
    "cadence", "judge_point", "load", "load_for", "points_between",
]  # fmt: skip
