"""KPIs of a loan book, the pipeline that computes them, and the judgement of both; travels to hosts as it is.

Imports the standard library and numpy; pyarrow where it is installed, for Parquet and for large tapes.
"""

VERSION = "2.0.0"
