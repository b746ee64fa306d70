"""What V1 declares to do with a cell, as far as explaining a difference needs it. It computes nothing that is reported:
V1's figures come from V1. What these rules do not explain is told as unexplained, so a V1 that does otherwise is seen.
"""

from kpi.columns import RECEIVABLE

NULL_RECEIVABLE = "null_receivable"
NEGATIVE_RECEIVABLE = "negative_receivable"


def amount(cell: str) -> float:
    """Currency signs and thousands separators are dropped; what is no number counts as zero."""
    cleaned = cell.replace("$", "").replace(",", "").strip()
    try:
        return float(cleaned) if cleaned else 0.0
    except ValueError:
        return 0.0


def refusal(column: str, cell: str) -> str:
    """Why this one cell makes V1 refuse the whole tape; empty when it does not."""
    if column != RECEIVABLE:
        return ""
    if not cell.strip():
        return NULL_RECEIVABLE
    return NEGATIVE_RECEIVABLE if amount(cell) < 0 else ""
