"""A role's declarations as text and a host that sets variables, for the tests of values and of secrets."""

from pathlib import Path

import pytest

from cutover.core.errors import Problem, UsageError
from cutover.core.host import Host
from cutover.inventory.declarations import Declarations, declarations
from cutover.inventory.variables import Variables, resolve

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
    """The values of a host that sets these variables of one role."""
    return resolve(host(directory, **variables), declared(directory, role=role))


def refused(directory: Path, role: str = ROLE, /, **variables: object) -> tuple[Problem, ...]:
    """The problems with which these variables of one role are refused."""
    with pytest.raises(UsageError) as caught:
        values(directory, role, **variables)
    return caught.value.problems
