"""The A/A run of the watch: V1 judged against itself, thousands of simulated days; and regressions planted on purpose.

python -m bench.watch [--watches N] [--seed S]     writes docs/watch.md
"""
