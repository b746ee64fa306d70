"""Rendered files, what a template may not do, and differences between files."""

import hashlib
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cutover.core.errors import Problem, UsageError
from cutover.core.secret import Secret
from cutover.inventory.variables import Variables
from cutover.plan.diff import diff, structural_diff
from cutover.plan.render import Rendered, render, write

TOKEN = Secret('hunter"2')
VARIABLES = Variables("h1", {"abaco_port": 8001, "abaco_token": TOKEN, "abaco_map": {"a": [TOKEN, 1e-9]}})


def rendered(root: Path, text: str, **extra: object) -> Rendered:
    (root / "templates").mkdir(exist_ok=True)
    (root / "templates" / "file.j2").write_text(text)
    return render("file.j2", VARIABLES, extra, (root / "templates",))


def refused(root: Path, text: str, **extra: object) -> tuple[Problem, ...]:
    with pytest.raises(UsageError) as caught:
        rendered(root, text, **extra)
    return caught.value.problems


def test_a_file_keeps_its_line_ends_and_is_not_escaped(tmp_path: Path) -> None:
    found = rendered(tmp_path, "a={{ abaco_port }}\n  {% if true %}\nb=<{{ more }}>\n  {% endif %}\n\n", more="&")
    assert found.text == "a=8001\nb=<&>\n\n"
    assert found.masked == found.text
    assert found.secrets is False
    assert found.digest == hashlib.sha256(b"a=8001\nb=<&>\n\n").hexdigest()


def test_a_secret_is_in_the_text_and_masked_in_what_is_shown(tmp_path: Path) -> None:
    found = rendered(tmp_path, "token={{ abaco_token }}\n{% if abaco_token %}set{% endif %}")
    assert found.text == 'token=hunter"2\nset'
    assert found.masked == f"token={TOKEN}\nset"
    assert found.secrets is True
    assert found.digest == hashlib.sha256(found.text.encode()).hexdigest()
    assert "hunter" not in repr(found)


def test_to_json_writes_secrets_and_is_yaml(tmp_path: Path) -> None:
    found = rendered(tmp_path, "{{ abaco_map | to_json }}")
    assert json.loads(found.text) == yaml.safe_load(found.text) == {"a": ['hunter"2', 1e-9]}
    assert found.masked == f'{{\n  "a": [\n    "{TOKEN}",\n    1.0e-09\n  ]\n}}'


@pytest.mark.parametrize(
    "expression",
    [
        "abaco_token | upper",
        "abaco_token ~ 'x'",
        "abaco_token + 'x'",
        "abaco_token == 'x'",
        "abaco_token[0]",
        "'%s' | format(abaco_token)",
        "abaco_map",
        "abaco_token | tojson",
        "abaco_token | replace('h', 'x')",
    ],
)
def test_a_secret_cannot_slip_past_the_mask(tmp_path: Path, expression: str) -> None:
    (problem,) = refused(tmp_path, f"x\n{{{{ {expression} }}}}")
    assert problem.host == "h1"
    assert "templates/file.j2:2" in problem.path
    assert "hunter" not in str(problem)


def test_every_undefined_variable_is_named_with_its_line(tmp_path: Path) -> None:
    first, second = refused(tmp_path, "{{ abaco_prot }}\n\n{{ other }}{{ abaco_port }}")
    assert (first.found, first.path) == ("`abaco_prot` is undefined", f"{tmp_path}/templates/file.j2:1")
    assert first.next.startswith("did you mean abaco_port?")
    assert first.host == "h1"
    assert (second.found, second.path) == ("`other` is undefined", f"{tmp_path}/templates/file.j2:3")


def test_an_undefined_key_is_named_with_its_line(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, "\n{{ abaco_map.b }}")
    assert "has no attribute 'b'" in problem.found
    assert problem.path == f"{tmp_path}/templates/file.j2:2"


@pytest.mark.parametrize(
    ("text", "path", "found"),
    [
        ("\n{% if %}", ":2", "TemplateSyntaxError"),
        ("{{ x | nothing }}", ":1", "No filter named 'nothing'"),
        ("\n{{ 1 / 0 }}", ":2", "ZeroDivisionError"),
        ("\n{{ abaco_port + 'x' }}", ":2", "TypeError"),
        ("{{ [1, 2] | random }}", ":1", "No filter named 'random'"),
        ("{{ nan | to_json }}", ":1", "not JSON compliant"),
    ],
)
def test_a_template_that_fails_is_named_with_its_line(tmp_path: Path, text: str, path: str, found: str) -> None:
    (problem,) = refused(tmp_path, text, nan=float("nan"))
    assert problem.path == f"{tmp_path}/templates/file.j2{path}"
    assert found in problem.found


def test_a_missing_template_is_named_with_what_there_is(tmp_path: Path) -> None:
    rendered(tmp_path, "x")
    with pytest.raises(UsageError) as caught:
        render("fil.j2", VARIABLES, {}, (tmp_path / "templates",))
    assert "did you mean file.j2?" in caught.value.problems[0].next


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN, st.sampled_from([0, 2, 4]))
def test_json_and_yaml_read_the_same_from_what_is_written(value: object, indent: int) -> None:
    text = write(value, indent)
    assert json.loads(text) == value
    assert yaml.safe_load(text) == value


def test_a_line_diff_is_what_diff_prints() -> None:
    assert diff("a\nb\n", "a\nc", "v1", "v2") == (
        "--- v1\n+++ v2\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n\\ No newline at end of file\n"
    )
    assert diff("a\n", "a\n", "v1", "v2") == ""
    assert diff("", "a\n", "none", "v2") == "--- none\n+++ v2\n@@ -0,0 +1 @@\n+a\n"


def test_a_structural_diff_sees_through_the_notation() -> None:
    before = "name: x\nrows: [1, 2]\nold: {deep: true}\nsame: {k: 'v'}\nnumber: 1\n"
    after = '{"name": "y", "rows": [1, 2, 3], "same": {"k": "v"}, "number": "1", "a.b": null}'
    assert [str(change) for change in structural_diff(before, after)] == [
        '~ name: "x" -> "y"',
        "- old.deep: true",
        '~ number: 1 -> "1"',
        "+ rows[2]: 3",
        '+ "a.b": null',
    ]


@pytest.mark.parametrize(("before", "after"), [("a: 1", '{"a": 1}'), ("a: [", "{}")], ids=["the same", "no YAML"])
def test_a_structural_diff_may_have_nothing_to_say(before: str, after: str) -> None:
    assert structural_diff(before, after) == ()
