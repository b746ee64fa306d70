"""The jobs that contenders share: which tape, who takes part, which aim, and their names on the page."""

from dataclasses import dataclass

OURS = "ours"
PEERS = ("with_pandas", "with_polars", "with_duckdb")
PLAIN, READ = FLOORS = ("with_numpy", "with_pyarrow")  # what this project is built on, without what it adds
NAMES = {
    OURS: "this project",
    "with_pandas": "pandas",
    "with_polars": "polars",
    "with_duckdb": "duckdb",
    PLAIN: "numpy, plain sums alone",
    READ: "pyarrow, plain sums alone",
}
SMALL_ROWS = 1000


@dataclass(frozen=True)
class Job:
    """One job: what the worker calls it, its tape without suffix, and its aim: seconds, rows a second, or times the fastest peer."""

    words: str
    work: str
    tape: str
    suffix: str
    rows: int
    contenders: tuple[str, ...]
    most_seconds: float | None = None
    least_rows_a_second: float | None = None
    most_ratio: float | None = None


def jobs(file_rows: int, memory_rows: int) -> list[Job]:
    """All of them, smallest first."""
    small, many = (
        f"{SMALL_ROWS:,} rows in memory".replace(",", " "),
        f"{memory_rows:,} rows in memory".replace(",", " "),
    )
    in_memory = (OURS, *PEERS, PLAIN)
    files = [
        Job(f"{kind}, {words}", f"{work}{variant}", tape, f".{work}", file_rows, (OURS, *PEERS, READ), most_ratio=1.2)
        for work, kind in (("csv", "CSV"), ("parquet", "Parquet"))
        for variant, tape, words in (("", "bare", "no loan ids"), ("-loans", "loans", "repeated loans found"))
    ]
    return [
        Job(small, "memory", f"memory-{SMALL_ROWS}", ".npy", SMALL_ROWS, in_memory, most_seconds=0.0003),
        Job(
            f"{small}, repeated loans found",
            "memory-loans",
            f"memory-{SMALL_ROWS}",
            ".npy",
            SMALL_ROWS,
            in_memory,
        ),
        Job(many, "memory", f"memory-{memory_rows}", ".npy", memory_rows, in_memory, least_rows_a_second=20e6),
        *files,
    ]
