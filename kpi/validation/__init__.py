"""Validate the live service: KPI calculations, data integrity, performance, error handling, audit trail."""

from kpi.config import PipelineConfig
from kpi.validation.report import Report

DEFAULT_TIMEOUT = 30.0


def validate(config: PipelineConfig, timeout: float = DEFAULT_TIMEOUT, *, full: bool = False) -> Report:
    """Send canaries through the live inbox, read what the service wrote, and judge it all.

    `full` follows the whole audit trail record by record, instead of its newest part and the digests of the rest.
    """
    from kpi.validation.trial import (
        judge_live,
    )  # it brings numpy, and who only reads the ledger or /metrics does without

    return judge_live(config, timeout, full=full)
