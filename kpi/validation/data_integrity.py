"""Check: every delivered tape is somewhere exactly once; nulls and quarantined rows of the newest tapes."""

from kpi.audit import Record
from kpi.checking import Check
from kpi.config import PipelineConfig
from kpi.outputs import output_paths
from kpi.validation.ledger import Stock
from kpi.validation.live import read_json
from kpi.verdict import Verdict

LAST_RUNS = 10


def data_integrity(config: PipelineConfig, stock: Stock, runs: list[Record]) -> Check:
    """Every delivered tape is somewhere, exactly once; nulls and quarantined rows of the newest tapes."""
    check = Check("data_integrity", n=stock.arrivals)
    check.values |= {
        "arrivals": stock.arrivals,
        "done": stock.done,
        "rejected": stock.rejected,
        "duplicates": stock.duplicates,
        "in_flight": stock.in_flight,
        "lost": len(stock.lost),
        "doubled": len(stock.doubled),
        "late": len(stock.late),
    }
    check.thresholds |= {"lost": 0, "doubled": 0, "late_tape_seconds": config.limits("late_tape_seconds")}
    if not stock.arrivals and not stock.unreadable:
        check.blame(
            Verdict.INCONCLUSIVE,
            "no_arrivals",
            f"no delivery is in {config.arrivals.name}",
            "see that the deliverer runs and writes its ledger",
        )
    check.judge_none(
        Verdict.FAIL,
        "tape_lost",
        "delivered and nowhere to be found",
        stock.lost,
        "stop; find the tapes by their digests, deliver them again",
    )
    check.judge_none(
        Verdict.FAIL,
        "tape_doubled",
        "committed more than once",
        stock.doubled,
        "stop; compare the outputs of both, keep one",
    )
    check.judge_none(
        Verdict.FAIL,
        "ledger_damaged",
        "lines of the ledger that cannot be read",
        stock.unreadable,
        "repair the ledger from the deliverer's own records",
    )
    check.judge_none(Verdict.WARN, "tape_late", "not processed yet", stock.late, "see what the worker is doing")
    check.judge_none(
        Verdict.WARN, "tape_unledgered", "not in the ledger", stock.unledgered, "find out who delivers past the ledger"
    )
    _judge_rows(config, check, runs[-LAST_RUNS:])
    return check


def _judge_rows(config: PipelineConfig, check: Check, runs: list[Record]) -> None:
    read = bad = nulls = 0
    for run in runs:
        path = output_paths(config.paths["metrics"], run["details"]["sha256"], config.outputs)["json"]
        tape = read_json(path).get("tape", {})
        read += tape.get("rows_read", 0)
        bad += sum(tape.get("quarantined", {}).values())
        nulls += sum(tape.get("nulls", {}).values())
    check.values |= {"tapes_read": len(runs), "rows_read": read, "rows_quarantined": bad, "nulls": nulls}
    failed = [run["details"]["tape"] for run in runs if run["event"] == "run_failed"]
    check.judge_none(
        Verdict.WARN,
        "tapes_rejected",
        f"of the last {len(runs)} tapes were rejected",
        failed,
        "read the .reason.json files in rejected/",
    )
    if not read:
        return
    check.judge_limits("quarantined_share", bad / read, config.limits("quarantined_share"))
    check.judge(
        not nulls,
        Verdict.WARN,
        "nulls",
        f"{nulls} null amounts in {read} rows of the last {len(runs)} tapes",
        "notify the owners of the data; a null adds nothing to a sum",
    )
