"""Secrets: where their values come from, and that they show nowhere."""

import copy
import dataclasses
import json
import pickle
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from cutover.core.secret import Secret
from tests.inventory.declaring import refused, values

SECRETS = """
abaco_token: {type: string, secret: true, default: "", doc: A token.}
abaco_header: {type: string, secret: true, default: "Bearer {{ abaco_token }}", doc: A header.}
"""
SECRET = Secret("hunter2")
MASK = "<secret sha256:f52fbd32>"


def test_a_secret_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABACO_TOKEN", "hunter2")
    found = values(tmp_path, SECRETS, abaco_token={"env": "ABACO_TOKEN"})
    assert found["abaco_token"] == Secret("hunter2")
    assert found["abaco_header"].reveal() == "Bearer hunter2"
    assert "hunter2" not in json.dumps(found.masked()) + repr(found)
    assert found.masked()["abaco_token"] == str(Secret("hunter2"))
    # What is started from here does not inherit it, and every host is given it all the same.
    assert "hunter2" not in subprocess.run(["env"], capture_output=True, text=True, check=True).stdout
    assert values(tmp_path, SECRETS, abaco_token={"env": "ABACO_TOKEN"})["abaco_token"] == Secret("hunter2")


def test_a_secret_comes_from_a_file_beside_the_inventory(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hunter2\n")
    assert values(tmp_path, SECRETS, abaco_token={"file": "token"})["abaco_token"].reveal() == "hunter2"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"env": "ABACO_UNSET"}, "the secret `abaco_token`: the environment variable ABACO_UNSET is unset or empty"),
        ({"file": "none"}, "the secret `abaco_token`: the file none cannot be read: No such file"),
        ({"file": "empty"}, "the secret `abaco_token`: the file empty is empty"),
        ("hunter2", "the secret `abaco_token`: expected {env: NAME} or {file: path}, found a value in plain text"),
        ({"env": "A", "file": "b"}, "the secret `abaco_token`: expected {env: NAME} or {file: path}, found a map"),
        ({"vault": "hunter2"}, "the secret `abaco_token`: expected {env: NAME} or {file: path}, found a map"),
        ("{{ inventory_hostname }}", "the secret `abaco_token`: expected {env: NAME} or {file: path}, found a value"),
    ],
)
def test_a_secret_that_is_missing_or_written_out_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: Mapping[str, str] | str, found: str
) -> None:
    monkeypatch.delenv("ABACO_UNSET", raising=False)
    (tmp_path / "empty").write_text("\n")
    (problem,) = refused(tmp_path, SECRETS, abaco_token=value)
    assert problem.found.startswith(found)
    assert problem.host == "h1"
    assert "hunter2" not in str(problem)


def test_a_plain_variable_may_not_take_in_a_secret(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hunter2")
    role = SECRETS + 'abaco_plain: {type: string, default: "x{{ abaco_token }}", doc: d}\n'
    (problem,) = refused(tmp_path, role, abaco_token={"file": "token"})
    assert "`abaco_plain` refers to a secret" in problem.found


def test_a_map_may_hold_a_secret(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hunter2")
    role = SECRETS + 'abaco_map: {type: map, default: {auth: ["{{ abaco_token }}"]}, doc: d}\n'
    found = values(tmp_path, role, abaco_token={"file": "token"})
    assert found["abaco_map"]["auth"][0].reveal() == "hunter2"
    assert found.masked()["abaco_map"] == {"auth": [str(Secret("hunter2"))]}


def test_a_secret_shows_only_its_digest() -> None:
    assert [str(SECRET), repr(SECRET), f"{SECRET}", f"{SECRET:.3}"] == [MASK] * 4
    assert str([SECRET]) == f"[{MASK}]"


@pytest.mark.parametrize("store", [json.dumps, vars, pickle.dumps])
def test_a_secret_is_not_stored(store: Callable[[object], object]) -> None:
    with pytest.raises(TypeError):
        store(SECRET)


def test_copies_of_a_secret_are_the_secret_itself() -> None:
    @dataclasses.dataclass
    class Holder:
        inner: Any

    assert copy.deepcopy(SECRET) is copy.copy(SECRET) is SECRET
    assert dataclasses.asdict(Holder(SECRET)) == {"inner": SECRET}


def test_a_secret_compares_with_secrets_only() -> None:
    assert Secret("hunter2") == SECRET
    assert hash(SECRET) == hash(Secret("hunter2"))
    assert Secret("hunter3") != SECRET
    assert SECRET.__eq__("hunter2") is NotImplemented
    assert not Secret("")
