"""`hosts.list`: what the inventory says of a host, and null where the SSH configuration decides."""

import json
from pathlib import Path

import pytest

from cutover.cli.hosts import listing
from cutover.core.errors import ExitCode
from cutover.run.options import RunOptions


def test_the_document_has_what_the_inventory_says_of_the_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inventory = tmp_path / "inventory" / "real"
    inventory.mkdir(parents=True)
    (inventory / "hosts.yml").write_text(
        "all: {hosts: {a: {ansible_user: deploy, ansible_ssh_private_key_file: key, ansible_ssh_common_args: -J b}, c: }}\n",
        encoding="utf-8",
    )
    assert listing(RunOptions(tmp_path, "hosts.list", "real", json=True)) is ExitCode.DONE
    hosts = json.loads(capsys.readouterr().out)["hosts"]
    assert (hosts["a"]["user"], hosts["a"]["key_file"], hosts["a"]["jump"]) == ("deploy", str(inventory / "key"), "b")
    assert (hosts["c"]["user"], hosts["c"]["key_file"], hosts["c"]["jump"]) == (None, None, None)
