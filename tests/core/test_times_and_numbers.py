"""Times as journals write them, names made of them, and what counts as a number."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest

from cutover.agent.compare import is_number
from cutover.core.times import between, moment, written
from cutover.journal.journal import utc_now, utc_stamp


def test_a_moment_is_written_in_utc_and_read_back() -> None:
    here = datetime(2026, 1, 2, 5, 4, 5, 678_000, tzinfo=timezone(timedelta(hours=2)))
    assert written(here) == "2026-01-02T03:04:05.678Z"
    assert moment(written(here)) == here
    assert between(written(here), "2026-01-02T03:05:05.678Z") == 60


def test_now_is_in_utc_and_a_stamp_of_it_can_be_the_name_of_a_file() -> None:
    assert moment(utc_now()).tzinfo == UTC
    assert re.fullmatch(r"\d{8}T\d{6}\.\d{3}Z", utc_stamp())


@pytest.mark.parametrize(
    ("value", "is_one"), [(0, True), (1.5, True), (float("nan"), True), (True, False), ("1", False), (None, False)]
)
def test_true_and_text_are_no_numbers(value: object, is_one: bool) -> None:
    assert is_number(value) is is_one
