"""Declarations, the values of a host, and references between them."""

import dataclasses
import json
from pathlib import Path

import pytest

from cutover.core.errors import UsageError
from cutover.inventory.declarations import TYPES, declarations
from cutover.inventory.variables import resolve_all
from tests.inventory.declaring import ROLE, declared, host, refused, values


def test_defaults_hold_where_nothing_is_set(tmp_path: Path) -> None:
    assert dict(values(tmp_path)) == {
        "inventory_hostname": "h1",
        "ansible_host": "192.0.2.1",
        "group_names": [],
        "abaco_root": "/opt/abaco",
        "abaco_releases": "/opt/abaco/releases",
        "abaco_stop_seconds": 20,
        "abaco_port": 8001,
        "abaco_same_port": 8001,
        "abaco_url": "http://192.0.2.1:8001/",
        "abaco_mode": "fail",
        "abaco_outputs": ["json", "fail"],
        "abaco_labels": {"host": "h1"},
        "abaco_force": False,
        "abaco_retries": 3,
    }


def test_the_inventory_wins_and_references_follow(tmp_path: Path) -> None:
    found = values(tmp_path, abaco_root="/srv", abaco_port=9000)
    assert found["abaco_releases"] == "/srv/releases"
    assert found["abaco_url"] == "http://192.0.2.1:9000/"
    assert found.origins["abaco_root"] == "group_vars/prod.yml:1"
    assert found.origins["abaco_releases"].endswith("role/defaults.yml:3: abaco_releases")


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("abaco_stop_seconds", "20", 'expected a number in s, from 1 to 600, found text "20"'),
        ("abaco_stop_seconds", 0, "from 1 to 600, found the number 0"),
        ("abaco_stop_seconds", float("nan"), "found the number nan"),
        ("abaco_stop_seconds", True, "found the boolean true"),
        ("abaco_retries", 1.5, "expected a whole number, found the number 1.5"),
        ("abaco_port", 65536, "expected a port from 1 to 65535"),
        ("abaco_root", "opt", "expected an absolute path of letters"),
        ("abaco_root", "/opt/../etc", "without `..`, found text"),
        ("abaco_root", "/opt/a b", "expected an absolute path of letters"),
        ("abaco_mode", "skip\n", "expected one of fail, skip"),
        ("abaco_outputs", ["json", "x\ny"], "each of one line"),
        ("abaco_mode", "ignore", 'expected one of fail, skip, found text "ignore"'),
        ("abaco_outputs", ["json", 1], "found the number 1 at [1]"),
        ("abaco_labels", ["x"], "expected a map, found a list"),
        ("abaco_force", "yes", "expected true or false"),
        ("abaco_url", "{{ abaco_prot }}", "refers to `abaco_prot`"),
        ("abaco_url", "{{ abaco_port | int }}", "is more than plain"),
        ("abaco_url", "{{ abaco_port", "is not valid"),
        ("abaco_url", "x {{ abaco_labels }}", "puts a dict into text"),
        ("abaco_stop_secnds", 3, "unknown variable `abaco_stop_secnds`"),
    ],
)
def test_a_wrong_value_is_refused(tmp_path: Path, name: str, value: object, found: str) -> None:
    (problem,) = refused(tmp_path, **{name: value})
    assert (problem.host, problem.path) == ("h1", "group_vars/prod.yml:1")
    assert found in problem.found


HOSTILE = "x\nExecStartPre=/bin/sh -c id"


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("string", ["", "two words: é"], [HOSTILE, "x\x00", "x\u2028y", "x\r"]),
        ("path", ["/", "/opt/a-b_c.d/1"], ["x", "/a/..", "/../x", "/a/../b", f"/{HOSTILE}", "/a b", "/a;b", "/%h", "/$HOME"]),
        ("name", ["1.0.0", "a+b"], ["", "..", ".x", "a/b", "-x", "1.0\n", "a b", "x" * 129]),
        ("user", ["abaco", "_x", "a-1"], ["", "Abaco", "a b", "root:", "1a", "x\n", "../x"]),
        ("unit", ["app.service", "app@1.service"], ["app", "../app.service", "app.service\n", "-.mount", "a b.service"]),
        ("memory", ["512M", "1G", "infinity", "1"], ["1G\nExecStartPre=/bin/id", "1.5G", "-1", "1 G", "0", "lots"]),
        ("url", ["http://127.0.0.1:8001/healthz", "https://[::1]/"], ["ftp://x", "http://a b", "http://x/\n", "file:///x", "http://x/'"]),
    ],
)  # fmt: skip
def test_each_type_takes_what_it_says_and_nothing_else(
    tmp_path: Path, kind: str, good: list[str], bad: list[str]
) -> None:
    role = f"v: {{type: {kind}, required: true, example: {json.dumps(good[-1])}, doc: d}}"
    for value in good:
        assert values(tmp_path, role, v=value)["v"] == value
    for value in bad:
        (problem,) = refused(tmp_path, role, v=value)
        assert f"expected {TYPES[kind][1]}" in problem.found, value


def test_all_wrong_values_come_at_once_and_none_twice(tmp_path: Path) -> None:
    found = refused(tmp_path, abaco_root="opt", abaco_port="x", abaco_mod="fail", abaco_force=0)
    assert [problem.found.split("`")[1] for problem in found] == [
        "abaco_mod",
        "abaco_root",
        "abaco_port",
        "abaco_force",
    ]


def test_the_mistakes_of_all_hosts_come_at_once(tmp_path: Path) -> None:
    one = host(tmp_path, abaco_port="x")
    three = dataclasses.replace(one, name="h3", variables={"abaco_root": "opt"}, origins={})
    with pytest.raises(UsageError) as caught:
        resolve_all([one, dataclasses.replace(one, name="h2"), three], declared(tmp_path, role=ROLE))
    assert [one.host for one in caught.value.problems] == ["h1", "h2", "h3"]


@pytest.mark.parametrize(("default", "found"), [("{{ w }}", "refers to `w`"), ("{{ w | x }}", "more than plain")])
def test_a_reference_in_a_default_is_checked_as_well(tmp_path: Path, default: str, found: str) -> None:
    (problem,) = refused(tmp_path, f'v: {{type: string, default: "{default}", doc: d}}')
    assert problem.path.endswith("role/defaults.yml:1: v")
    assert found in problem.found


def test_a_cycle_is_named_once(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, abaco_root="{{ abaco_releases }}")
    assert "abaco_root -> abaco_releases -> abaco_root" in problem.found


def test_a_required_variable_must_be_set(tmp_path: Path) -> None:
    role = "abaco_release: {type: string, required: true, example: 1.2.3, doc: The release to install.}"
    (problem,) = refused(tmp_path, role)
    assert problem.found == "`abaco_release` is required by the role role and not set: The release to install."
    assert problem.next == "set it in group_vars/prod.yml or below host_vars/: text of one line, for example 1.2.3"
    assert problem.path.endswith("role/defaults.yml:1: abaco_release")
    assert values(tmp_path, role, abaco_release="2")["abaco_release"] == "2"


@pytest.mark.parametrize(
    ("text", "path", "found"),
    [
        ("v: {type: string, default: x}", "v.doc", "`doc` is missing"),
        ("v: {type: strng, default: x, doc: d}", "v.type", "unknown type `strng`"),
        ("v: {type: string, defualt: x, default: x, doc: d}", "v.defualt", "unknown key"),
        ("v: {type: string, doc: d}", "v", "has neither `required: true` nor a `default`"),
        ("v: {type: string, required: true, default: x, example: x, doc: d}", "v", "has both `required: true` and a"),
        ("v: {type: integer, default: 1, example: x, doc: d}", "v.example", "`example`: expected a whole number"),
        ("v: {type: integer, default: 0, min: 1, doc: d}", "v.default", "expected a whole number, at least 1, found"),
        ("v: {type: string, default: x, unit: s, doc: d}", "v.unit", "does not go with the type string"),
        ("v: {type: choice, default: x, doc: d}", "v.choices", "`type: choice` needs `choices`"),
        ("v: {type: map, secret: true, default: {env: X}, doc: d}", "v.secret", "a secret of the type map"),
        ("v: {type: string, secret: true, default: s3cret, doc: d}", "v.default", "written in plain text"),
        ("V: {type: string, default: x, doc: d}", "V", "not a valid name"),
        ("- v", "", "expected a map, found a list"),
    ],
)
def test_a_wrong_declaration_is_refused(tmp_path: Path, text: str, path: str, found: str) -> None:
    with pytest.raises(UsageError) as caught:
        declared(tmp_path, role=text)
    (problem,) = caught.value.problems
    assert problem.path == f"{tmp_path}/role/defaults.yml:1" + (f": {path}" if path else "")
    assert found in problem.found


def test_a_variable_lives_in_one_role(tmp_path: Path) -> None:
    text = "v: {type: string, default: x, doc: d}"
    with pytest.raises(UsageError) as caught:
        declared(tmp_path, one=text, two=text)
    (problem,) = caught.value.problems
    assert "also declared by the role one" in problem.found
    assert "two/defaults.yml:1: v" in problem.path


def test_a_role_may_have_no_variables_but_must_exist(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    assert len(declarations(tmp_path, ["bare"])) == 0
    with pytest.raises(UsageError, match="did you mean bare"):
        declarations(tmp_path, ["bear"])
