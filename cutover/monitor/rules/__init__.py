"""Judges a watch: rules as data over samples, the cadence of its rows, its decision points. Pure; only `rules` reads a file.

book = rules.load(file, thresholds, overrides)      what rules.yml of a service says, checked as a whole
judge = HostJudge(book, host, look_s)               one a host; feed it every sample, in order
judge.take(sample)                                  one Judgement per rule
Cadence, Point, judge_point                         when rows are recorded and when somebody decides
"""

from cutover.monitor.rules.judge import HostJudge
from cutover.monitor.rules.points import Answer, History, Reason, Standing, judge_point, points_between
from cutover.monitor.rules.rulebook import Cadence, Metric, Point, Rule, RuleBook, cadence
from cutover.monitor.rules.rules import load, load_for

__all__ = [
    "Answer", "Cadence", "History", "HostJudge", "Metric", "Point", "Reason", "Rule", "RuleBook", "Standing",
    "cadence", "judge_point", "load", "load_for", "points_between",
]  # fmt: skip
