"""A map of secrets stays a map of places: it is checked, and what is read from there is in no plan."""

from pathlib import Path

import pytest

from cutover.core.errors import UsageError
from tests.inventory.declaring import declared, refused, values

ROLE = 'channels: {type: "map[source]", default: {}, example: {ops: {env: OPS_URL}}, doc: Where people are reported.}\n'


def test_the_places_are_the_value_and_nothing_is_read(tmp_path: Path) -> None:
    places = {"ops": {"env": "NOT_SET_ANYWHERE"}, "chat": {"file": "secrets/chat"}}
    found = values(tmp_path, ROLE, channels=places)
    assert found["channels"] == places
    assert found.masked()["channels"] == places


def test_everything_wrong_is_told_at_once_and_no_secret_is_shown(tmp_path: Path) -> None:
    wrong = {"ops": "slack://hunter2/hunter2", "chat": {"vault": "hunter2"}, "good": {"env": "X"}, "mail": {"env": ""}}
    (problem,) = refused(tmp_path, ROLE, channels=wrong)
    assert problem.found == (
        "`channels`: expected a map of secrets, each {env: NAME} or {file: path}, "
        "found text (not shown) at ops; a map at chat; a map at mail"
    )
    assert "good" not in problem.found
    assert "hunter2" not in str(problem)
    for value in ("slack://hunter2", ["slack://hunter2"]):
        (problem,) = refused(tmp_path, ROLE, channels=value)
        assert "expected a map of secrets" in problem.found
        assert "hunter2" not in str(problem)


def test_a_default_that_is_written_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at ops") as caught:
        declared(tmp_path, role='channels: {type: "map[source]", default: {ops: "json://hunter2"}, doc: d}\n')
    assert "hunter2" not in str(caught.value)
