"""A figure with its unit, as people read it."""

from cutover.timeline.presented import Signal

NOT_MEASURED = "-"


def figure(signal: Signal, value: float | None, *, unit: bool = True) -> str:
    """The value in the signal's own format; a dash where there is none."""
    if value is None:
        return NOT_MEASURED
    if signal.unit == "s" and unit:
        from cutover.console.text import short

        return short(value)
    said = format(value, signal.format)
    return f"{said}{'' if signal.unit == '%' else ' '}{signal.unit}".strip() if unit else said
