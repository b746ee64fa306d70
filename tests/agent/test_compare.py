"""What counts as as desired: values, expectations, unknowns, dotted keys."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from cutover.agent.compare import EXPECTATIONS, Difference, differences, dig, meets

SCALARS = some.one_of(some.text(), some.integers(), some.booleans(), some.floats(allow_nan=False))
VALUES = some.recursive(SCALARS, lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner), max_leaves=5)
UNKNOWN = [None, math.nan]


@given(VALUES)
def test_a_value_that_is_no_expectation_meets_itself(value: Any) -> None:
    if not (isinstance(value, dict) and len(value) == 1 and next(iter(value)) in EXPECTATIONS):
        assert meets(value, value)
        assert differences({"key": value}, {"key": value}) == []


@pytest.mark.parametrize("unknown", UNKNOWN)
@pytest.mark.parametrize(
    "desired",
    [
        None, math.nan, 0, "", False, {"at_least": 0}, {"at_most": 9}, {"between": [-1, 1]}, {"one_of": [None, math.nan]},
        {"not": 5}, {"not": None}, {"matches": ".*"},
    ],
)  # fmt: skip
def test_the_unknown_never_meets_anything(unknown: Any, desired: Any) -> None:
    assert not meets(unknown, desired)


def test_what_was_not_observed_is_a_difference_that_says_unknown() -> None:
    found = differences({}, {"gap_s": {"between": [0, 30]}})
    assert found == [Difference("gap_s", None, {"between": [0, 30]})]
    assert str(found[0]) == "gap_s: found unknown, expected between 0 and 30 s"


def test_a_state_that_could_not_be_looked_at_meets_no_desired_key() -> None:
    assert differences({"error": "permission denied"}, {"type": "file"}) != []


@pytest.mark.parametrize(
    ("seen", "desired", "met"),
    [
        (1, True, False), (0, False, False), (True, 1, False), (True, True, True), (False, False, True), (2, 2.0, True),
        (True, {"at_least": 1}, False), (False, {"at_most": 1}, False), (True, {"between": [0, 2]}, False),
        (True, {"one_of": [1, 2]}, False), (1, {"one_of": [True]}, False), (1, {"one_of": [1]}, True), (True, {"not": 1}, True),
        (True, {"not": True}, False), ("b", {"not": "a"}, True), ("a", {"not": "a"}, False),
        (5, {"at_least": 5}, True), (4.999, {"at_least": 5}, False), (5, {"at_most": 5}, True), (5.1, {"at_most": 5}, False),
        (0, {"between": [0, 1]}, True), (1, {"between": [0, 1]}, True), (1.01, {"between": [0, 1]}, False),
        ("text", {"at_least": 5}, False), (None, {"one_of": []}, False), ([], [], True), ({}, {}, True), ([1], [], False),
        ("v2.service", {"matches": r"v\d\.service"}, True), ("v2.service.d", {"matches": r"v\d\.service"}, False),
        (5, {"matches": "5"}, False), ({"at_least": 1}, {"at_least": 1}, False), ({"a": 1, "b": 2}, {"a": 1, "b": 2}, True),
        (math.inf, {"at_least": 5}, True), (math.inf, {"between": [0, 30]}, False),
    ],
)  # fmt: skip
def test_expectations(seen: Any, desired: Any, met: bool) -> None:
    assert meets(seen, desired) is met


@given(some.floats(allow_nan=False, allow_infinity=False), some.floats(allow_nan=False), some.floats(allow_nan=False))
def test_between_is_at_least_and_at_most(seen: float, low: float, high: float) -> None:
    assert meets(seen, {"between": [low, high]}) == (meets(seen, {"at_least": low}) and meets(seen, {"at_most": high}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("document.passed", 29),
        ("document.by_file.test_kpi_base.py.passed", 9),
        ("document.a.b", "a key with a dot of its own"),
        ("document.passed.more", None),
        ("nothing", None),
        ("document.by_file.test_kpi_base.py", {"passed": 9}),
        ("", None),
        ("document.list.-1.a", 2),
        ("document.list.2.a", None),
        ("document.list.x", None),
    ],
)
def test_dotted_keys_lead_into_objects_and_may_have_dots_themselves(key: str, value: Any) -> None:
    document = {"passed": 29, "by_file": {"test_kpi_base.py": {"passed": 9}}, "a.b": "a key with a dot of its own"}
    state = {"document": {**document, "list": [{"a": 1}, {"a": 2}]}}
    assert dig(state, key) == value


@given(some.lists(some.text(alphabet="ab.", min_size=1), min_size=1, max_size=4), some.integers())
def test_whatever_the_keys_a_nested_value_is_found_by_their_dotted_path(keys: list[str], value: int) -> None:
    state: Any = value
    for key in reversed(keys):
        state = {key: state}
    assert dig(state, ".".join(keys)) == value


@pytest.mark.parametrize("state", [None, 5, "text", [1, 2], {}])
def test_nothing_is_found_in_what_is_no_object(state: Any) -> None:
    assert dig(state, "a.b") is None


def test_every_difference_is_listed() -> None:
    lines = [
        str(each)
        for each in differences({"type": "link", "mode": "0644"}, {"type": "file", "mode": "0600", "owner": "root"})
    ]
    assert lines == [
        "type: found link, expected file",
        "mode: found 0644, expected 0600",
        "owner: found unknown, expected root",
    ]


@pytest.mark.parametrize(
    ("key", "seen", "desired", "line"),
    [
        ("on", False, True, "on: found false, expected true"),
        ("free_bytes", 3, {"at_least": 5}, "free_bytes: found 3 bytes, expected at least 5 bytes"),
        ("unreachable", {"db": "no route"}, {}, 'unreachable: found {"db": "no route"}, expected none'),
        ("state", "not found; x", {"one_of": ["a", "b"]}, 'state: found "not found; x", expected one of a, b'),
        ("name", "", {"not": ""}, 'name: found "", expected not ""'),
    ],
)
def test_a_difference_names_key_value_and_expectation(key: str, seen: Any, desired: Any, line: str) -> None:
    assert str(Difference(key, seen, desired)) == line
