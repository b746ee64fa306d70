"""KPIs of a loan book, the pipeline that computes them, and the judgement of both; travels to hosts as it is.

Imports the standard library and numpy; pandas only where Parquet is read or written.
"""

VERSION = "2.0.0"
