"""A small curve of a figure in one line of text."""

import math

from cutover.tell.watching.figures import Series

BARS = "▁▂▃▄▅▆▇█"


def spark(series: Series, width: int) -> str:
    """The series as bars from 0 to its highest value, the oldest first, each the most of its part; a space where nothing was measured."""
    values = list(series.values)
    if not values or width <= 0:
        return ""
    parts = [values[index * len(values) // width : (index + 1) * len(values) // width] for index in range(width)]
    if len(values) < width:
        parts = [[value] for value in values]
    worst = [max((value for value in part if not math.isnan(value)), default=math.nan) for part in parts]
    top = max((value for value in worst if not math.isnan(value)), default=0.0)
    return "".join(
        " " if math.isnan(value) else BARS[min(7, int(value / top * 7.999)) if top > 0 and value > 0 else 0]
        for value in worst
    )
