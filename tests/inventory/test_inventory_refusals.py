"""What an inventory may not be: each mistake with its file, line, what was found and what to do next."""

from itertools import pairwise
from pathlib import Path

import pytest

from cutover.core.errors import Problem, UsageError
from cutover.inventory import yamlfile
from cutover.inventory.load import load
from tests.checkout import ROOT


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
# The files (or just hosts.yml), the place that is named, and what was found.
CASES: dict[str, tuple[str | dict[str, str], str, str]] = {
    "no hosts.yml": ({"hosts.ini": "[web]"}, "hosts.yml", "no hosts.yml"),
    "yaml error": ("all:\n  hosts: [a\n", "hosts.yml:3:1", "YAML error: while parsing"),
    "control character": ("all: \x07", "hosts.yml", "YAML error"),
    "duplicate key": ("a: {}\nb: {}\na: {}\n", "hosts.yml:3:1: a", "duplicate key, first in line 1"),
    "no host": ("all: {children: {web: }}", "hosts.yml", "no host"),
    "top level hosts": (ONE + "hosts: {b: }", "hosts.yml:2: hosts", "at the top level"),
    "unknown key": ("all: {hosts: {a: }, childen: {}}", "hosts.yml:1: all.childen", "unknown key `childen`"),
    "odd variable": ("all: {hosts: {a: {my-var: 1}}}", "hosts.yml:1: all.hosts.a.my-var", "not a valid name"),
    "boolean key": ("all: {hosts: {no: }}", "hosts.yml:1:15: all.hosts", "the key `no` is not text"),
    "tag": ("all: {hosts: {a: {x: !vault abc}}}", "hosts.yml:1:22: all.hosts.a.x", "the YAML tag !vault"),
    "alias of itself": ("all: {hosts: {a: {x: &x [*x]}}}", "hosts.yml", "nested more than 100 levels deep"),
    "odd host": ('all: {hosts: {"a b": }}', 'hosts.yml:1: all.hosts."a b"', "not a valid name of a host"),
    "host twice": ("web: {hosts: {'web[1:3]': , web2: }}", "hosts.yml:1: web.hosts.web2", "already in the group web"),
    "host with two values": (
        "web: {hosts: {a: {x: 1}}}\ndb: {hosts: {a: {x: 2}}}\n",
        "hosts.yml:2: db.hosts.a.x",
        "duplicate host: a has `x` with another value",
    ),
    "one address": (
        "all:\n hosts:\n  192.0.2.1:\n  b: {ansible_port: 22, ansible_host: 192.0.2.1}\n",
        "hosts.yml:4: all.hosts.b",
        "duplicate host: b and 192.0.2.1 are both 192.0.2.1, port 22",
    ),
    "cycle": (
        ONE + "x: {children: {y: }}\ny: {children: {z: }}\nz: {children: {x: }}\n",
        "hosts.yml:2: x",
        "x -> y -> z -> x",
    ),
    "environment without a host": (
        "all: {hosts: {a: , b: }, children: {prod: {hosts: {a: }}}}",
        "hosts.yml:1: all.children.prod",
        "the group prod must contain the whole environment and lacks b",
    ),
    "host and group": (ONE + "a: {hosts: {b: }}", "hosts.yml:1: all.hosts.a", "of a host and of a group"),
    "priority": (
        "all: {hosts: {a: }, vars: {ansible_group_priority: x}}",
        "hosts.yml:1: all.vars.ansible_group_priority",
        'expected a whole number, found text "x"',
    ),
    "priority in file": (
        {"hosts.yml": ONE, "group_vars/all.yml": "ansible_group_priority: 3"},
        "group_vars/all.yml:1: ansible_group_priority",
        "in group_vars/",
    ),
    "unknown group": ({"hosts.yml": ONE, "group_vars/wep.yml": "x: 1"}, "group_vars/wep.yml", "the group `wep`"),
    "unknown host": ({"hosts.yml": ONE, "host_vars/b.yml": "x: 1"}, "host_vars/b.yml", "the host `b`"),
    "file and directory": (
        {"hosts.yml": ONE, "host_vars/a.yml": "x: 1", "host_vars/a/b.yml": "x: 1"},
        "host_vars/a.yml",
        "also has variables in a",
    ),
    "vault": ({"hosts.yml": ONE, "host_vars/a.yml": "$ANSIBLE_VAULT;1.1\n"}, "host_vars/a.yml", "Ansible Vault"),
}
_JUMP = "expected only `-J HOST` or `-o ProxyJump=HOST`"
CONNECTION = [
    ("ansible_hosts", "x", "`ansible_hosts` is not supported"),
    ("ansible_become_method", "su", "expected sudo, or nothing"),
    ("ansible_become", "false", "expected true, or nothing"),
    ("ansible_port", "70000", "expected a port from 1 to 65535"),
    ("ansible_user", "", "expected a login name"),
    ("ansible_host", "-oProxyCommand=x", "expected an IP address or DNS name"),
    ("ansible_ssh_private_key_file", "[x]", "expected the path of a private key"),
    ("ansible_python_interpreter", "auto", "expected the absolute path of a Python"),
    ("ansible_ssh_common_args", "-o StrictHostKeyChecking=no", _JUMP),
    ("ansible_ssh_common_args", "-J -oProxyCommand=x", _JUMP),
    ("ansible_host", "'{{ inventory_hostnam }}'", "refers to `inventory_hostnam`"),
    ("ansible_host", "'{{ x | upper }}'", "more than plain"),
]


@pytest.mark.parametrize(("files", "path", "found"), CASES.values(), ids=CASES.keys())
def test_a_mistake_is_refused(tmp_path: Path, files: str | dict[str, str], path: str, found: str) -> None:
    (problem,) = problems(tmp_path, {"hosts.yml": files} if isinstance(files, str) else files)
    assert problem.path == path
    assert found in problem.found
    assert problem.next


@pytest.mark.parametrize(("variable", "value", "found"), CONNECTION)
def test_a_connection_variable_is_supported_or_refused(tmp_path: Path, variable: str, value: str, found: str) -> None:
    (problem,) = problems(tmp_path, {"hosts.yml": f"all: {{hosts: {{a: {{{variable}: {value}}}}}}}"})
    assert (problem.host, problem.path) == ("a", f"hosts.yml:1: all.hosts.a.{variable}")
    assert found in problem.found


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


def test_bytes_that_are_not_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "prod").mkdir()
    (tmp_path / "prod" / "hosts.yml").write_bytes(b"all: \xff\xfe")
    with pytest.raises(UsageError, match="not UTF-8"):
        load(tmp_path / "prod")


NINES = ", ".join(["*{}"] * 9)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x: " + "[" * 300_000, "nested more than 100 levels deep"),
        ("a0: &a0 x\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 1000)), "by its aliases"),
        ("a: &a {x: 1}\n" + "".join(f"{b}: &{b} {{<<: [{NINES}]}}\n".replace("{}", a) for a, b in pairwise("abcdef")), "holds more"),
        ("a: &a [x, x, x]\n" + "".join(f"{b}: &{b} [{NINES}]\n".replace("{}", a) for a, b in pairwise("abcdef")), "holds more"),
    ],
)  # fmt: skip
def test_a_document_that_would_exhaust_stack_or_memory_is_refused(
    tmp_path: Path, text: str, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yamlfile, "MOST_VALUES", 10_000)
    (problem,) = problems(tmp_path, {"hosts.yml": text})
    assert found in problem.found


@pytest.mark.parametrize("environment", ["prod", "staging"])
def test_the_documented_examples_load(environment: str) -> None:
    inventory = load(ROOT / "inventory" / environment)
    assert inventory.groups[environment] == inventory.groups["all"]
    assert len(inventory.hosts) >= 2
    assert inventory.known_hosts.is_file()
