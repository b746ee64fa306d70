"""The real-time figures of `status --json`: the seeds' names, measured; null where nothing could be."""

from typing import Any

from cutover.timeline.presentation import presentation
from tests.checkout import ROOT
from tests.monitor.watches import healthy


def figures(first: dict[str, Any], last: dict[str, Any], seconds: float = 2.0) -> dict[str, float | str | None]:
    return presentation(ROOT, "abaco").real_time_of({"first": first, "last": last, "seconds": seconds})


def test_a_service_at_work_has_all_six_of_the_seeds() -> None:
    first, last = healthy(3600.0), healthy(3602.0)
    last["resources"]["cpu_seconds"] = first["resources"]["cpu_seconds"] + 0.1
    assert figures(first, last) == {
        "kpi_latency_ms": 20.0,
        "error_count": 0,
        "memory_mb": 46.0,
        "cpu_percent": 5.0,
        "pipeline_status": "operational",
        "audit_trail_events": 4 * 1201,
    }


def test_what_could_not_be_measured_is_null_and_never_0() -> None:
    nothing: dict[str, Any] = {
        "figures": {"error": "no such file"},
        "resources": {"memory_mb": None, "cpu_seconds": None},
    }
    said = figures(nothing, nothing)
    assert said.pop("pipeline_status") == "down"
    assert set(said.values()) == {None}


def test_a_service_that_was_started_anew_between_the_looks_is_not_negatively_busy() -> None:
    first, last = healthy(3600.0), healthy(0.0)
    assert figures(first, last)["cpu_percent"] is None
