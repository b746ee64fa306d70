"""Declarations, the values of a host, references between them, and secrets."""

import copy
import dataclasses
import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from cutover.decide.declarations import Declarations, declarations
from cutover.decide.variables import Variables, resolve, resolve_all
from cutover.words.errors import Problem, UsageError
from cutover.words.host import Host
from cutover.words.secret import Secret

ROLE = """
abaco_root: {type: path, default: /opt/abaco, doc: Where releases live.}
abaco_releases: {type: path, default: "{{ abaco_root }}/releases", doc: Below the root.}
abaco_stop_seconds: {type: number, default: 20, unit: s, min: 1, max: 600, doc: How long a stop may take.}
abaco_port: {type: port, default: 8001, doc: Where V2 listens.}
abaco_same_port: {type: port, default: "{{ abaco_port }}", doc: The same.}
abaco_url: {type: string, default: "http://{{ ansible_host }}:{{ abaco_port }}/", doc: Its health.}
abaco_mode: {type: choice, choices: [fail, skip], default: fail, doc: What a bad row does.}
abaco_outputs: {type: "list[string]", default: [json, "{{ abaco_mode }}"], doc: Written.}
abaco_labels: {type: map, default: {host: "{{ inventory_hostname }}"}, doc: Labels.}
abaco_force: {type: boolean, default: false, doc: Kill.}
abaco_retries: {type: integer, default: 3, doc: How often.}
"""
SECRETS = """
abaco_token: {type: string, secret: true, default: "", doc: A token.}
abaco_header: {type: string, secret: true, default: "Bearer {{ abaco_token }}", doc: A header.}
"""


def declared(directory: Path, **roles: str) -> Declarations:
    """The declarations of roles given as the texts of their defaults.yml."""
    for role, text in roles.items():
        (directory / role).mkdir(exist_ok=True)
        (directory / role / "defaults.yml").write_text(text)
    return declarations(directory, list(roles))


def host(directory: Path, **variables: object) -> Host:
    """A host with these variables, each written in group_vars/prod.yml."""
    origins = dict.fromkeys(variables, "group_vars/prod.yml:1")
    return Host("h1", "192.0.2.1", "prod", directory / "known_hosts", variables=variables, origins=origins)


def values(directory: Path, role: str = ROLE, /, **variables: object) -> Variables:
    return resolve(host(directory, **variables), declared(directory, role=role))


def refused(directory: Path, role: str = ROLE, /, **variables: object) -> tuple[Problem, ...]:
    with pytest.raises(UsageError) as caught:
        values(directory, role, **variables)
    return caught.value.problems


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
    assert [entry.name for entry in found.of_role("two")] == ["b"]


def test_a_secret_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABACO_TOKEN", "hunter2")
    found = values(tmp_path, SECRETS, abaco_token={"env": "ABACO_TOKEN"})
    assert found["abaco_token"] == Secret("hunter2")
    assert found["abaco_header"].reveal() == "Bearer hunter2"
    assert "hunter2" not in json.dumps(found.masked()) + repr(found)
    assert found.masked()["abaco_token"] == str(Secret("hunter2"))


def test_a_secret_comes_from_a_file_beside_the_inventory(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hunter2\n")
    assert values(tmp_path, SECRETS, abaco_token={"file": "token"})["abaco_token"].reveal() == "hunter2"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"env": "ABACO_UNSET"}, "the secret `abaco_token`: the environment variable ABACO_UNSET is unset or empty"),
        ({"file": "none"}, "the secret `abaco_token`: the file none cannot be read: No such file"),
        ({"file": "empty"}, "the secret `abaco_token`: the file empty is empty"),
        ("hunter2", "the secret `abaco_token` is written out"),
        ({"env": "A", "file": "b"}, "the secret `abaco_token` is written out"),
        ({"vault": "hunter2"}, "the secret `abaco_token` is written out"),
        ("{{ inventory_hostname }}", "the secret `abaco_token` is written out"),
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
    assert "`abaco_plain` takes in a secret" in problem.found


def test_a_map_may_hold_a_secret(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hunter2")
    role = SECRETS + 'abaco_map: {type: map, default: {auth: ["{{ abaco_token }}"]}, doc: d}\n'
    found = values(tmp_path, role, abaco_token={"file": "token"})
    assert found["abaco_map"]["auth"][0].reveal() == "hunter2"
    assert found.masked()["abaco_map"] == {"auth": [str(Secret("hunter2"))]}


SECRET = Secret("hunter2")
MASK = "<secret sha256:f52fbd32>"


def test_a_secret_shows_only_its_digest() -> None:
    assert [str(SECRET), repr(SECRET), f"{SECRET}", f"{SECRET:.3}"] == [MASK] * 4
    assert str([SECRET]) == f"[{MASK}]"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(SECRET, protocol)


@pytest.mark.parametrize("store", [json.dumps, vars, Secret.__getstate__])
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
