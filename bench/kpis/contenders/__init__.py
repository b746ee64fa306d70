"""The same aggregates by five means. Each module has `memory`, which prepares columns and gives what is timed, and `csv` and `parquet`.

`with_numpy` has `memory` alone: plain sums, so that it is seen what exact ones cost.
"""
