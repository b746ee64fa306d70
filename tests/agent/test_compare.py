"""What counts as as desired: values, expectations, unknowns, dotted keys."""

import math
from typing import Any

import pytest

from cutover.agent.compare import differences, dig, meets


@pytest.mark.parametrize("unknown", [None, math.nan])
@pytest.mark.parametrize(
    "desired",
    [
        None, math.nan, 0, "", False, {"at_least": 0}, {"at_most": 9}, {"between": [-1, 1]}, {"one_of": [None, math.nan]},
        {"not": 5}, {"not": None},
    ],
)  # fmt: skip
def test_the_unknown_never_meets_anything(unknown: Any, desired: Any) -> None:
    assert not meets(unknown, desired)


def test_a_state_that_could_not_be_looked_at_meets_no_desired_key() -> None:
    assert differences({"error": "permission denied"}, {"type": "file"}) != []


@pytest.mark.parametrize(
    ("seen", "desired", "met"),
    [
        ("text", "text", True), ("text", "other", False), ([1, {"a": 2}], [1, {"a": 2}], True),
        (1, True, False), (0, False, False), (True, 1, False), (True, True, True), (False, False, True), (2, 2.0, True),
        (True, {"at_least": 1}, False), (False, {"at_most": 1}, False), (True, {"between": [0, 2]}, False),
        (True, {"one_of": [1, 2]}, False), (1, {"one_of": [True]}, False), (1, {"one_of": [1]}, True), (True, {"not": 1}, True),
        (True, {"not": True}, False), ("b", {"not": "a"}, True), ("a", {"not": "a"}, False),
        (5, {"at_least": 5}, True), (4.999, {"at_least": 5}, False), (5, {"at_most": 5}, True), (5.1, {"at_most": 5}, False),
        (0, {"between": [0, 1]}, True), (1, {"between": [0, 1]}, True), (1.01, {"between": [0, 1]}, False),
        ("text", {"at_least": 5}, False), (None, {"one_of": []}, False), ([], [], True), ({}, {}, True), ([1], [], False),
        ({"at_least": 1}, {"at_least": 1}, False), ({"a": 1, "b": 2}, {"a": 1, "b": 2}, True),
        (math.inf, {"at_least": 5}, True), (math.inf, {"between": [0, 30]}, False),
    ],
)  # fmt: skip
def test_expectations(seen: Any, desired: Any, met: bool) -> None:
    assert meets(seen, desired) is met


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("document.passed", 29),
        ("document.by_file.test_kpi_base.py.passed", 9),
        ("document.a.b", "a key with a dot of its own"),
        ("document.passed.more", None),
        ("nothing", None),
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


@pytest.mark.parametrize(
    ("key", "seen", "desired", "line"),
    [
        ("type", "link", "file", "type: found link, expected file"),
        ("gap_s", None, {"between": [0, 30]}, "gap_s: found unknown, expected between 0 and 30 s"),
        ("on", False, True, "on: found false, expected true"),
        ("free_bytes", 3, {"at_least": 5}, "free_bytes: found 3 bytes, expected at least 5 bytes"),
        ("unreachable", {"db": "no route"}, {}, 'unreachable: found {"db": "no route"}, expected none'),
        ("state", "not found; x", {"one_of": ["a", "b"]}, 'state: found "not found; x", expected one of a, b'),
        ("name", "", {"not": ""}, 'name: found "", expected not ""'),
    ],
)
def test_a_difference_names_key_value_and_expectation(key: str, seen: Any, desired: Any, line: str) -> None:
    assert differences({key: seen, "as desired": 1}, {"as desired": 1, key: desired}) == [line]
