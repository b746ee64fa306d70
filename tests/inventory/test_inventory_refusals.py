"""What an inventory may not be: each mistake with its file, line, what was found and what to do next."""

import importlib.util
from itertools import pairwise
from pathlib import Path

import pytest

from cutover.core.errors import Problem, UsageError
from cutover.core.verdict import Verdict
from cutover.inventory.load import load
from cutover.timeline.problems import grouped


def problems(directory: Path, files: dict[str, str]) -> list[Problem]:
    """What load() says about an environment `prod` of these files, paths relative to it."""
    for name, text in files.items():
        path = directory / "prod" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with pytest.raises(UsageError) as caught:
        load(directory / "prod")
    prefix = f"{directory}/prod/"
    return [Problem(one.found, one.next, one.host, one.path.removeprefix(prefix)) for one in caught.value.problems]


ONE = "all: {hosts: {a: }}\n"
CASES: dict[str, tuple[dict[str, str], str, str, str]] = {
    "no hosts.yml": ({"hosts.ini": "[web]"}, "hosts.yml", "no hosts.yml", "rename hosts.ini"),
    "yaml error": (
        {"hosts.yml": "all:\n  hosts: [a\n"},
        "hosts.yml:3:1",
        "YAML error: while parsing",
        "correct the YAML",
    ),
    "tab": ({"hosts.yml": "all:\n\thosts:\n"}, "hosts.yml:2:1", "YAML error", "correct the YAML"),
    "control character": ({"hosts.yml": "all: \x07"}, "hosts.yml", "YAML error", "plain YAML"),
    "duplicate key": (
        {"hosts.yml": "all:\n  hosts:\n    a:\n    b:\n    a:\n"},
        "hosts.yml:5:5: all.hosts.a",
        "duplicate key, first in line 3",
        "keep one",
    ),
    "empty file": ({"hosts.yml": "# nothing\n"}, "hosts.yml", "expected groups, found nothing", "start with `all:`"),
    "list": ({"hosts.yml": "- a\n"}, "hosts.yml", "expected groups, found a list", "start with `all:`"),
    "no host": ({"hosts.yml": "all: {children: {web: }}"}, "hosts.yml", "no host", "list one"),
    "top level hosts": ({"hosts.yml": ONE + "hosts: {b: }"}, "hosts.yml:2: hosts", "at the top level", "`all:`"),
    "dynamic": ({"hosts.yml": ONE + "plugin: aws"}, "hosts.yml:2: plugin", "dynamic inventory", "write the hosts"),
    "group of text": (
        {"hosts.yml": ONE + "web: x"},
        "hosts.yml:2: web",
        'expected a map, found text "x"',
        "`key: value`",
    ),
    "unknown key": (
        {"hosts.yml": "all: {hosts: {a: }, childen: {}}"},
        "hosts.yml:1: all.childen",
        "unknown key `childen`",
        "did you mean children?",
    ),
    "hosts as list": (
        {"hosts.yml": "all:\n  hosts:\n    - a\n"},
        "hosts.yml:2: all.hosts",
        "expected a map, found a list",
        "`key: value`",
    ),
    "vars as list": (
        {"hosts.yml": "all: {hosts: {a: }, vars: [x]}"},
        "hosts.yml:1: all.vars",
        "expected a map, found a list",
        "`key: value`",
    ),
    "odd variable": (
        {"hosts.yml": "all: {hosts: {a: {my-var: 1}}}"},
        "hosts.yml:1: all.hosts.a.my-var",
        "not a valid name",
        "letters",
    ),
    "boolean key": (
        {"hosts.yml": "all: {hosts: {no: }}"},
        "hosts.yml:1:15: all.hosts",
        "the key `no` is not text",
        '"no"',
    ),
    "tag": (
        {"hosts.yml": "all: {hosts: {a: {x: !vault abc}}}"},
        "hosts.yml:1:22: all.hosts.a.x",
        "the YAML tag !vault",
        "plain",
    ),
    "odd host": (
        {"hosts.yml": 'all: {hosts: {"a b": }}'},
        'hosts.yml:1: all.hosts."a b"',
        "not a valid name of a host",
        "letters",
    ),
    "range": (
        {"hosts.yml": 'all: {hosts: {"web[3:1]": }}'},
        'hosts.yml:1: all.hosts."web[3:1]"',
        "counts downward",
        "web[01:10]",
    ),
    "host twice": (
        {"hosts.yml": "web:\n  hosts:\n    web[1:3]:\n    web2:\n"},
        "hosts.yml:4: web.hosts.web2",
        "duplicate host: web2 is already in the group web, see",
        "host_vars/web2.yml",
    ),
    "host with two values": (
        {"hosts.yml": "web: {hosts: {a: {x: 1}}}\ndb: {hosts: {a: {x: 2}}}\n"},
        "hosts.yml:2: db.hosts.a.x",
        "duplicate host: a has `x` with another value",
        "keep one",
    ),
    "one address": (
        {"hosts.yml": "all:\n hosts:\n  192.0.2.1:\n  b: {ansible_port: 22, ansible_host: 192.0.2.1}\n"},
        "hosts.yml:4: all.hosts.b",
        "duplicate host: b and 192.0.2.1 are both 192.0.2.1, port 22",
        "remove one",
    ),
    "cycle": (
        {"hosts.yml": ONE + "x: {children: {y: }}\ny: {children: {z: }}\nz: {children: {x: }}\n"},
        "hosts.yml:2: x",
        "x -> y -> z -> x",
        "children",
    ),
    "host and group": (
        {"hosts.yml": ONE + "a: {hosts: {b: }}"},
        "hosts.yml:1: all.hosts.a",
        "of a host and of a group",
        "rename",
    ),
    "priority": (
        {"hosts.yml": "all: {hosts: {a: }, vars: {ansible_group_priority: x}}"},
        "hosts.yml:1: all.vars.ansible_group_priority",
        'expected a whole number, found text "x"',
        "correct",
    ),
    "priority in file": (
        {"hosts.yml": ONE, "group_vars/all.yml": "ansible_group_priority: 3"},
        "group_vars/all.yml:1: ansible_group_priority",
        "in group_vars/",
        "hosts.yml",
    ),
    "unknown group": (
        {"hosts.yml": "web: {hosts: {a: }}", "group_vars/wep.yml": "x: 1"},
        "group_vars/wep.yml",
        "the group `wep`, which is not in the inventory",
        "did you mean web?",
    ),
    "unknown host": ({"hosts.yml": ONE, "host_vars/b.yml": "x: 1"}, "host_vars/b.yml", "the host `b`", "hosts: a"),
    "host in group_vars": (
        {"hosts.yml": ONE, "group_vars/a.yml": "x: 1"},
        "group_vars/a.yml",
        "the group `a`",
        "move the file to host_vars/",
    ),
    "file and directory": (
        {"hosts.yml": ONE, "host_vars/a.yml": "x: 1", "host_vars/a/b.yml": "x: 1"},
        "host_vars/a.yml",
        "also has variables in a",
        "keep one",
    ),
    "vars file as list": (
        {"hosts.yml": ONE, "host_vars/a.yml": "- x"},
        "host_vars/a.yml:1",
        "found a list",
        "name: value",
    ),
    "vault": (
        {"hosts.yml": ONE, "host_vars/a.yml": "$ANSIBLE_VAULT;1.1;AES256\n"},
        "host_vars/a.yml",
        "Ansible Vault",
        "{env: NAME}",
    ),
}
CONNECTION = [
    ("ansible_hosts", "x", "`ansible_hosts` is not supported", "did you mean ansible_host?"),
    ("ansible_ssh_pass", "x", "not supported", "sudo -n"),
    ("ansible_become_method", "su", "expected sudo, or nothing", "remove"),
    ("ansible_become", "false", "expected true, or nothing", "remove"),
    ("ansible_port", "70000", "expected a port from 1 to 65535", "correct"),
    ("ansible_port", "", "expected a port from 1 to 65535", "correct"),
    ("ansible_user", "", "expected a login name", "correct"),
    ("ansible_port", "true", "expected a port from 1 to 65535", "correct"),
    ("ansible_host", "-oProxyCommand=x", "expected an IP address or DNS name", "correct"),
    ("ansible_user", "7", "expected a login name", "correct"),
    ("ansible_ssh_private_key_file", "[x]", "expected the path of a private key", "correct"),
    ("ansible_python_interpreter", "auto", "expected the absolute path of a Python", "correct"),
    (
        "ansible_ssh_common_args",
        "-o StrictHostKeyChecking=no",
        "expected only `-J HOST` or `-o ProxyJump=HOST`",
        "correct",
    ),
    (
        "ansible_ssh_common_args",
        "-J a -o StrictHostKeyChecking=no",
        "expected only `-J HOST` or `-o ProxyJump=HOST`",
        "correct",
    ),
    ("ansible_ssh_common_args", "-J a:b", "USER@HOST:PORT", "correct"),
    ("ansible_ssh_common_args", "-J -oProxyCommand=x", "expected only `-J HOST` or `-o ProxyJump=HOST`", "correct"),
    ("ansible_ssh_port", "x", "expected a port from 1 to 65535", "correct"),
    ("ansible_ssh_user", "7", "expected a login name", "correct"),
    ("ansible_host", "'{{ inventory_hostnam }}'", "refers to `inventory_hostnam`", "did you mean inventory_hostname?"),
    ("ansible_host", "'{{ x | upper }}'", "more than plain", "plain"),
]


@pytest.mark.parametrize(("files", "path", "found", "advice"), CASES.values(), ids=CASES.keys())
def test_a_mistake_is_refused(tmp_path: Path, files: dict[str, str], path: str, found: str, advice: str) -> None:
    (problem,) = problems(tmp_path, files)
    assert problem.path == path
    assert found in problem.found
    assert advice in problem.next


@pytest.mark.parametrize(("variable", "value", "found", "advice"), CONNECTION)
def test_a_connection_variable_is_supported_or_refused(
    tmp_path: Path, variable: str, value: str, found: str, advice: str
) -> None:
    (problem,) = problems(tmp_path, {"hosts.yml": f"all: {{hosts: {{a: {{{variable}: {value}}}}}}}"})
    assert (problem.host, problem.path) == ("a", f"hosts.yml:1: all.hosts.a.{variable}")
    assert found in problem.found
    assert advice in problem.next


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    files = {
        "hosts.yml": "all:\n  hots: {}\n  hosts:\n    a: {ansible_port: x}\n    b: {ansible_prot: 1}\n",
        "group_vars/web.yml": "x: 1",
        "host_vars/a.yml": "x: [",
    }
    paths = {problem.path for problem in problems(tmp_path, files)}
    assert paths == {
        "hosts.yml:2: all.hots",
        "hosts.yml:4: all.hosts.a.ansible_port",
        "hosts.yml:5: all.hosts.b.ansible_prot",
        "group_vars/web.yml",
        "host_vars/a.yml:2:1",
    }


def test_a_mistake_in_a_group_is_shown_once_with_its_hosts(tmp_path: Path) -> None:
    found = problems(tmp_path, {"hosts.yml": "all: {vars: {ansible_port: x}, hosts: {web1: , web2: }}"})
    (group,) = grouped((Verdict.ERROR, one) for one in found)
    assert group.hosts == ("web1", "web2")
    assert group.problem.path == "hosts.yml:1: all.vars.ansible_port"
    assert group.problem.found == "`ansible_port: x`: expected a port from 1 to 65535"


def test_bytes_that_are_not_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "prod").mkdir()
    (tmp_path / "prod" / "hosts.yml").write_bytes(b"all: \xff\xfe")
    with pytest.raises(UsageError, match="not UTF-8"):
        load(tmp_path / "prod")


def test_an_alias_that_contains_itself_is_refused(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, {"hosts.yml": "all: {hosts: {a: {x: &x [*x]}}}"})
    assert "contains itself" in problem.found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x: " + "[" * 300_000, "nested more than 100 levels deep"),
        ("x: " + "- " * 3000, "YAML error"),
        ("a0: &a0 x\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 1000)), "by its aliases"),
        (
            "a: &a {x: 1}\n"
            + "".join(f"{b}: &{b} {{<<: [{', '.join([f'*{a}'] * 9)}]}}\n" for a, b in pairwise("abcdefgh")),
            "holds more than",
        ),
        (
            "a: &a [x, x, x, x, x, x, x, x, x]\n"
            + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefgh")),
            "holds more than",
        ),
    ],
)
def test_a_document_that_would_exhaust_stack_or_memory_is_refused(tmp_path: Path, text: str, found: str) -> None:
    (problem,) = problems(tmp_path, {"hosts.yml": text})
    assert found in problem.found


@pytest.mark.parametrize("environment", ["prod", "staging"])
def test_the_documented_examples_load(environment: str) -> None:
    spec = importlib.util.find_spec("cutover")
    assert spec is not None
    assert spec.origin is not None
    inventory = load(Path(spec.origin).parents[1] / "inventory" / environment)
    assert inventory.groups[environment] == inventory.groups["all"]
    assert len(inventory.hosts) >= 2
    assert inventory.known_hosts.is_file()
