"""What a plan shows of the file that is on a host now: no secret of any variable, and none that is about to be replaced."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as some

from cutover.core.secret import Secret
from cutover.plan.diff import Mask
from cutover.plan.plan import FileDiff
from cutover.plan.steps import file
from cutover.run.planning import _file_diff

SECRET = Secret("hunter2")
OLD = str(Secret("old-pw"))


def shown(now: str, planned: str, **variables: object) -> FileDiff:
    """The diff of a file as the plan has it; the planned text with its masks."""
    return _file_diff(file("activation.file-config", "/etc/x.yml", "0" * 64), now, planned, {"p": SECRET, **variables})


def all_of(found: FileDiff) -> str:
    return found.model_dump_json()


def test_the_same_password_on_both_sides_is_shown_as_its_digest_and_as_no_change() -> None:
    found = shown("db_password: hunter2\nport: 1\n", f"db_password: {SECRET}\nport: 2\n")
    assert "hunter2" not in all_of(found)
    assert found.keys == ("~ port: 1 -> 2",)
    assert f" db_password: {SECRET}\n" in found.lines  # a line of both


def test_a_password_that_is_changed_does_not_show_its_old_value() -> None:
    found = shown("db_password: old-pw\n", f'{{"db_password": "{SECRET}"}}\n')
    assert "old-pw" not in all_of(found)
    assert found.keys == (f'~ db_password: "{OLD}" -> "{SECRET}"',)
    assert f"-db_password: {OLD}\n" in found.lines


@pytest.mark.parametrize(
    ("now", "planned"),
    [
        ("# db_pw: old-pw\n", "{db_pw: %s}"),  # in a comment
        ("db_pw: |\n  old-pw\n  old-pw\nport: 1\n", "db_pw: %s\n"),
        ("db_pw: >-\n  old-pw\n  old-pw\n", "db_pw: %s\n"),
        ('db_pw: "\\x6fld-pw"\n', "db_pw: %s\n"),
        ('db_pw: "old-pw\n  old-pw"\n', "db_pw: %s\n"),
        ("db: {user: a, db_pw: old-pw, port: 1}\n", '{"db": {"db_pw": "%s"}}'),
        ("old: {db_pw: old-pw}\n", '{"new": {"db_pw": "%s"}}'),  # it has moved
        ("db_pw: [old-pw, old-pw]\n", "db_pw: [%s]\n"),
        ("a: &a old-pw\nother: *a\ndb_pw: *a\n", "db_pw: %s\n"),
        ("url: postgres://u:old-pw@db\n", "url: postgres://u:%s@db\n"),
        ("[Service]\nEnvironment=DB_PW=old-pw\n", "[Service]\nEnvironment=DB_PW=%s\n"),
        ('[Service]\nEnvironment="A=1" "DB_PW=old-pw"\n', '[Service]\nEnvironment="DB_PW=%s"\n'),
        ("export DB_PW='old-pw'\n", "export DB_PW='%s'\n"),
        ("---\ndb_pw: old-pw\n---\n{\n", "db_pw: %s\n"),  # no one YAML document
        ("api_token: old-pw\nsmtp-password: old-pw\n", "port: 1\n"),  # keys that are called like one, and go
    ],
)
def test_the_old_value_shows_nowhere_however_it_is_written(now: str, planned: str) -> None:
    found = shown(now, planned.replace("%s", str(SECRET)))
    assert "old-pw" not in all_of(found).replace("\\\\x6f", "o")
    assert "<secret sha256:" in found.lines


def test_a_number_is_a_password_too() -> None:
    found = shown("pin: 123456\n", f"pin: {SECRET}\n")
    assert "123456" not in all_of(found)
    assert found.keys[0].startswith('~ pin: "<secret sha256:')


def test_what_is_no_secret_is_shown_as_it_is() -> None:
    now = "name: V1\ntokens_per_second: 5\npassword:\nnested: {a: [1, 2]}\n"
    assert Mask.of(now, f"db_pw: {SECRET}\n", {"p": SECRET, "none": Secret("")}).text(now) == now


def test_a_secret_that_is_declared_is_masked_under_any_name_also_where_no_file_uses_it() -> None:
    found = shown("dsn: 'amqp://it''s'\n", "port: 1\n", v1={"deep": [Secret("it's")]})
    assert "it''s" not in all_of(found)
    assert "it's" not in all_of(found)


TEXTS = some.text(some.characters(exclude_categories=["Cs", "Cc"]), min_size=6, max_size=20).filter(
    lambda text: text.strip() == text and not set(text) <= set('<secret ha256:>0123456789abdf"{}[], :')
)


@given(TEXTS, some.sampled_from(["yaml", "json", "unit"]), some.booleans())
def test_no_known_secret_is_ever_shown(text: str, kind: str, inside: bool) -> None:
    document = {"a": {"any": f"before {text} after" if inside else text}, "b": 1}
    now = {
        "yaml": yaml.safe_dump(document, allow_unicode=True, width=10_000),
        "json": json.dumps(document),
        "unit": f"[Service]\nEnvironment=ANY={text}\n",
    }[kind]
    found = shown(now, "port: 1\n", v1=Secret(text))
    assert text not in found.lines
    assert not any(text in key for key in found.keys)
