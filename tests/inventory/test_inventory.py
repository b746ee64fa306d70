"""The inventory in Ansible's shape: what it gives, in which order, and what wins."""

from pathlib import Path

import pytest

from cutover.core.errors import UsageError
from cutover.inventory.load import Inventory, load

GOOD = """
all:
  vars: {colour: all, ansible_user: deploy}
  hosts:
    lone.example.internal:
  children:
    web:
      hosts:
        web[01:03]: {ansible_port: 2222}
      vars: {colour: web}
    db:
      children: {primary: , replica: }
      vars: {colour: db}
    primary: {hosts: {db-a: {ansible_host: 192.0.2.11}}}
    replica: {hosts: {"db-[b:c]": }}
"""


def write(directory: Path, **files: str) -> Path:
    """An environment `prod`; `group_vars__web` is the file group_vars/web.yml."""
    for name, text in files.items():
        path = directory / "prod" / f"{name.replace('__', '/')}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return directory / "prod"


def of(directory: Path, **files: str) -> Inventory:
    return load(write(directory, **files))


def test_hosts_and_groups_come_in_the_order_of_the_file_and_hold_what_is_below_them(tmp_path: Path) -> None:
    inventory = of(tmp_path, hosts=GOOD)
    assert list(inventory.hosts) == ["lone.example.internal", "web01", "web02", "web03", "db-a", "db-b", "db-c"]
    assert inventory.groups["db"] == ("db-a", "db-b", "db-c")
    assert inventory.groups["ungrouped"] == ("lone.example.internal",)
    assert inventory.environment == "prod"
    assert inventory.groups["prod"] == inventory.groups["all"] == tuple(inventory.hosts)
    assert inventory.hosts["db-a"].groups == ("prod", "db", "primary")


def test_an_environment_group_that_is_written_but_empty_is_filled(tmp_path: Path) -> None:
    inventory = of(tmp_path, hosts="all: {hosts: {a: , b: }}\nprod: {vars: {x: 1}}\n")
    assert inventory.groups["prod"] == ("a", "b")
    assert inventory.hosts["a"].variables == {"x": 1}


def test_connection_variables_become_fields(tmp_path: Path) -> None:
    text = """
all:
  hosts:
    a:
      ansible_host: "{{ inventory_hostname }}.example.internal"
      ansible_port: "2200"
      ansible_user: deploy
      ansible_ssh_private_key_file: keys/id_ed25519
      ansible_ssh_common_args: -o ProxyJump=jump@bastion.example.internal
      ansible_python_interpreter: /usr/bin/python3.11
      ansible_become: true
      ansible_become_method: sudo
      ansible_connection: ssh
      mine: 1
"""
    host = of(tmp_path, hosts=text).hosts["a"]
    assert (host.address, host.port, host.user) == ("a.example.internal", 2200, "deploy")
    assert host.identity_file == tmp_path / "prod" / "keys" / "id_ed25519"
    assert host.proxy_jump == "jump@bastion.example.internal"
    assert host.python == "/usr/bin/python3.11"
    assert host.known_hosts == tmp_path / "prod" / "known_hosts"
    assert host.variables == {"mine": 1}


def test_the_older_names_of_connection_variables_count_more_as_in_ansible(tmp_path: Path) -> None:
    text = """
all:
  vars: {ansible_ssh_user: deploy, ansible_ssh_port: 2200, ansible_ssh_private_key_file: /keys/a}
  hosts:
    a: {ansible_ssh_host: 192.0.2.7}
    b: {ansible_ssh_host: 192.0.2.8, ansible_host: 192.0.2.9, ansible_user: x, ansible_port: 1, ansible_private_key_file: /b}
"""
    hosts = of(tmp_path, hosts=text).hosts
    assert [host.address for host in hosts.values()] == ["192.0.2.7", "192.0.2.8"]
    for host in hosts.values():
        assert (host.user, host.port, host.identity_file) == ("deploy", 2200, Path("/keys/a"))


def test_a_port_may_follow_the_name(tmp_path: Path) -> None:
    hosts = of(tmp_path, hosts='all: {hosts: {"web[1:2].example.internal:5309": }}').hosts
    assert [(name, host.port) for name, host in hosts.items()] == [
        ("web1.example.internal", 5309),
        ("web2.example.internal", 5309),
    ]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, "web"),
        ({"group_vars__all": "colour: all-file"}, "all-file"),  # as Ansible has it: files before `vars:` in hosts.yml
        ({"group_vars__all": "colour: no", "group_vars__prod": "colour: env"}, "env"),
        ({"group_vars__prod": "colour: env", "group_vars__web": "colour: web-file"}, "web-file"),
        ({"group_vars__web": "colour: no", "host_vars__web01": "colour: host"}, "host"),
        ({"group_vars__web__a": "colour: a", "group_vars__web__b": "colour: b"}, "b"),
    ],
)
def test_the_stronger_place_wins(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    assert of(tmp_path, hosts=GOOD, **files).hosts["web01"].variables["colour"] == expected


def test_a_child_group_wins_over_its_parent_whatever_the_names(tmp_path: Path) -> None:
    text = "all: {children: {zz: {vars: {x: parent}, children: {aa: {vars: {x: child}, hosts: {h: }}}}}}"
    assert of(tmp_path, hosts=text).hosts["h"].variables["x"] == "child"


@pytest.mark.parametrize(("priority", "expected"), [("", "beta"), ("ansible_group_priority: 10, ", "alpha")])
def test_siblings_apply_by_name_unless_a_priority_is_given(tmp_path: Path, priority: str, expected: str) -> None:
    text = f"alpha: {{vars: {{{priority}x: alpha}}, hosts: {{h: }}}}\nbeta: {{vars: {{x: beta}}, hosts: {{h: }}}}\n"
    host = of(tmp_path, hosts=text).hosts["h"]
    assert host.variables == {"x": expected}


def test_yaml_and_json_and_bare_files_are_read_and_notes_are_not(tmp_path: Path) -> None:
    directory = write(tmp_path, hosts="all: {hosts: {a: , b: , c: }}")
    (directory / "host_vars").mkdir()
    (directory / "host_vars" / "a.yaml").write_text("x: 1")
    (directory / "host_vars" / "b.json").write_text('{"x": 2}')
    (directory / "host_vars" / "c").write_text("x: 3")
    (directory / "host_vars" / "README.md").write_text("notes")
    (directory / "host_vars" / ".c.yml.swp").write_text("x: 4")
    assert [host.variables["x"] for host in load(directory).hosts.values()] == [1, 2, 3]


def test_a_merge_key_and_a_date_are_read_plainly(tmp_path: Path) -> None:
    text = "all: {vars: {base: &b {k: 1, l: 2}, more: {<<: *b, l: 3}, day: 2025-12-26}, hosts: {a: }}"
    variables = of(tmp_path, hosts=text).hosts["a"].variables
    assert variables["more"] == {"k": 1, "l": 3}
    assert variables["day"] == "2025-12-26"


def test_the_order_of_hosts_does_not_follow_the_pattern(tmp_path: Path) -> None:
    inventory = of(tmp_path, hosts=GOOD)
    assert [host.name for host in inventory.select("db:web", "web01,db-c")] == ["web01", "db-c"]


def test_a_limit_that_leaves_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="have no host in common"):
        of(tmp_path, hosts=GOOD).select("db", "web")
