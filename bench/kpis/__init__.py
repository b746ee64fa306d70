"""The KPIs' speed, beside pandas, polars and duckdb doing the same aggregates on the same tapes, and against the aims.

The driver needs the standard library alone; whatever is measured runs in processes of its own, in .venv-bench.
"""
