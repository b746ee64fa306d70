"""Declarations, the values of a host, and references between them."""

import dataclasses
from pathlib import Path

import pytest

from cutover.core.errors import UsageError
from cutover.inventory.declarations import declarations
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
    assert found.origins["abaco_releases"].endswith("role/defaults.yml:3: abaco_releases.default")


@pytest.mark.parametrize(
    ("name", "value", "found", "advice"),
    [
        ("abaco_stop_seconds", "20", 'is text "20", not a number', "make it number, in s, at least 1, at most 600"),
        ("abaco_stop_seconds", 0, "is 0, below the least, 1", "at least 1"),
        ("abaco_stop_seconds", 601, "above the most, 600", "at most 600"),
        ("abaco_stop_seconds", float("nan"), "is nan", "number"),
        ("abaco_stop_seconds", True, "is the boolean true", "number"),
        ("abaco_retries", 1.5, "not a whole number", "integer"),
        ("abaco_retries", None, "is nothing (null)", "integer"),
        ("abaco_port", 0, "not a port", "port"),
        ("abaco_port", 65536, "not a port", "port"),
        ("abaco_root", "opt", "not an absolute path", "path"),
        ("abaco_root", "/opt/../etc", "not an absolute path", "path"),
        ("abaco_root", "/opt\n/x", "not an absolute path", "path"),
        ("abaco_mode", "ignore", "none of fail, skip", "one of fail, skip"),
        ("abaco_outputs", "json", "not a list", "list[string]"),
        ("abaco_outputs", ["json", 1], "its entry [1] is the number 1, not text", "list[string]"),
        ("abaco_labels", ["x"], "is a list, not a map", "map"),
        ("abaco_force", "yes", "not true or false", "boolean"),
        ("abaco_url", 7, "not text", "string"),
        ("abaco_url", "{{ abaco_prot }}", "refers to `abaco_prot`", "did you mean abaco_root or abaco_port?"),
        ("abaco_url", "{{ abaco_port | int }}", "is more than plain", "plain"),
        ("abaco_url", "{% if true %}x{% endif %}", "is more than plain", "plain"),
        ("abaco_url", "{{ abaco_port", "is not valid", "plain"),
        ("abaco_url", "x {{ abaco_labels }}", "puts a dict into text", "plain"),
        ("abaco_stop_secnds", 3, "unknown variable `abaco_stop_secnds`", "did you mean abaco_stop_seconds?"),
    ],
)
def test_a_wrong_value_is_refused(tmp_path: Path, name: str, value: object, found: str, advice: str) -> None:
    (problem,) = refused(tmp_path, **{name: value})
    assert (problem.host, problem.path) == ("h1", "group_vars/prod.yml:1")
    assert found in problem.found
    assert advice in problem.next


def test_all_wrong_values_come_at_once_and_none_twice(tmp_path: Path) -> None:
    found = refused(tmp_path, abaco_root="opt", abaco_port="x", abaco_mod="fail", abaco_force=0)
    assert [problem.found.split("`")[1] for problem in found] == [
        "abaco_mod",
        "abaco_root",
        "abaco_port",
        "abaco_force",
    ]


def test_the_same_mistake_on_several_hosts_is_told_once(tmp_path: Path) -> None:
    one = host(tmp_path, abaco_port="x")
    two = dataclasses.replace(one, name="h2")
    three = dataclasses.replace(one, name="h3", variables={"abaco_root": "opt"}, origins={})
    with pytest.raises(UsageError) as caught:
        resolve_all([one, two, three], declared(tmp_path, role=ROLE))
    first, second = caught.value.problems
    assert first.host == ""
    assert first.found.endswith("(hosts: h1, h2)")
    assert second.host == "h3"


def test_every_host_gets_its_own_values(tmp_path: Path) -> None:
    one = host(tmp_path, abaco_port=1)
    found = resolve_all([one, dataclasses.replace(one, name="h2", variables={})], declared(tmp_path, role=ROLE))
    assert {name: variables["abaco_port"] for name, variables in found.items()} == {"h1": 1, "h2": 8001}


def test_a_circle_is_named_once(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, abaco_root="{{ abaco_releases }}")
    assert "abaco_root -> abaco_releases -> abaco_root" in problem.found


def test_raw_braces_stay(tmp_path: Path) -> None:
    assert values(tmp_path, abaco_url="{% raw %}{{ x }}{% endraw %}")["abaco_url"] == "{{ x }}"


def test_a_required_variable_must_be_set(tmp_path: Path) -> None:
    role = "abaco_release: {type: string, required: true, example: 1.2.3, doc: The release to install.}"
    (problem,) = refused(tmp_path, role)
    assert problem.found == "`abaco_release` is required by the role role and not set: The release to install."
    assert problem.next == "set it in group_vars/prod.yml or host_vars/h1.yml: string, for example 1.2.3"
    assert problem.path.endswith("role/defaults.yml:1: abaco_release")
    assert values(tmp_path, role, abaco_release="2")["abaco_release"] == "2"


@pytest.mark.parametrize(
    ("text", "path", "found", "advice"),
    [
        ("v: 3", "v", "is the number 3, not a declaration", "{type: ..., default: 3, doc: ...}"),
        ("v: {type: string, default: x}", "v.doc", "has no `doc`", "one sentence"),
        ("v: {default: x, doc: d}", "v.type", "has no `type`", "string, integer"),
        ("v: {type: strng, default: x, doc: d}", "v.type", 'is text "strng"', "did you mean string?"),
        ("v: {type: string, defualt: x, default: x, doc: d}", "v.defualt", "unknown key", "did you mean default?"),
        ("v: {type: string, doc: d}", "v", "neither `default` nor", "one of the two"),
        ("v: {type: string, required: true, doc: d}", "v", "no `example`", "show a value"),
        (
            "v: {type: string, required: true, default: x, example: x, doc: d}",
            "v.required",
            "has a default",
            "keep one",
        ),
        ("v: {type: string, required: 1, default: x, doc: d}", "v.required", "not true or false", "correct"),
        ("v: {type: integer, default: x, doc: d}", "v.default", "not a whole number", "make it integer"),
        ("v: {type: integer, default: 1, example: x, doc: d}", "v.example", "not a whole number", "make it integer"),
        ("v: {type: integer, default: 0, min: 1, doc: d}", "v.default", "below the least", "at least 1"),
        ("v: {type: integer, default: 1, min: 9, max: 1, doc: d}", "v.min", "above `max`", "exchange"),
        ("v: {type: string, default: x, min: 1, doc: d}", "v.min", "with the type string", "remove it"),
        ("v: {type: string, default: x, unit: s, doc: d}", "v.unit", "with the type string", "remove it"),
        ("v: {type: choice, default: x, doc: d}", "v.choices", "go together", "both"),
        ("v: {type: string, choices: [x], default: x, doc: d}", "v.choices", "go together", "both"),
        ("v: {type: choice, choices: [x], default: y, doc: d}", "v.default", "none of x", "one of x"),
        ("v: {type: map, secret: true, default: {env: X}, doc: d}", "v.secret", "secret of the type map", "string"),
        ("v: {type: string, secret: true, default: s3cret, doc: d}", "v.default", "written out", "{env: NAME}"),
        ('v: {type: string, default: "{{ w }}", doc: d}', "v", "refers to `w`, which no role", "declare"),
        ('v: {type: string, default: "{{ w | x }}", doc: d}', "v.default", "is more than plain", "plain"),
        ("V: {type: string, default: x, doc: d}", "V", "no name for a variable", "lower case"),
        ("ansible_v: {type: string, default: x, doc: d}", "ansible_v", "no name for a variable", "not ansible_"),
        ("- v", "", "holds no declarations", "type:"),
    ],
)
def test_a_wrong_declaration_is_refused(tmp_path: Path, text: str, path: str, found: str, advice: str) -> None:
    with pytest.raises(UsageError) as caught:
        declared(tmp_path, role=text)
    (problem,) = caught.value.problems
    assert problem.path == f"{tmp_path}/role/defaults.yml" + (f":1: {path}" if path else "")
    assert found in problem.found
    assert advice in problem.next


def test_a_variable_lives_in_one_role(tmp_path: Path) -> None:
    text = "v: {type: string, default: x, doc: d}"
    with pytest.raises(UsageError) as caught:
        declared(tmp_path, one=text, two=text)
    (problem,) = caught.value.problems
    assert "declared by the role one as well" in problem.found
    assert "two/defaults.yml:1: v" in problem.path


def test_a_role_may_have_no_variables_but_must_exist(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    assert len(declarations(tmp_path, ["bare"])) == 0
    with pytest.raises(UsageError, match="did you mean bare"):
        declarations(tmp_path, ["bear"])


def test_declarations_know_their_role(tmp_path: Path) -> None:
    found = declared(tmp_path, one="a: {type: string, default: x, doc: d}", two="b: {type: string, default: x, doc: d}")
    assert list(found) == ["a", "b"]
    assert [found[name].role for name in found] == ["one", "two"]
