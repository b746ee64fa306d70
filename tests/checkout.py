"""Where the checkout lies that is tested; and others, for tests of their own."""

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def checkout(root: Path) -> Path:
    """Make a directory a checkout with the real roles, and no environment yet."""
    for name in ("roles", "templates"):
        (root / name).symlink_to(ROOT / name)
    return root


def environment(directory: Path, hosts: dict[str, str], **variables: object) -> Path:
    """Make an environment of the loans service: its hosts with their addresses, and variables beside those that it needs."""
    needed = {"cutover_service": "abaco", "abaco_environment": "testing", "abaco_connections": []}
    (directory / "group_vars").mkdir(parents=True)
    (directory / "group_vars" / "all.yml").write_text(json.dumps(needed | variables))
    named = {name: {"ansible_host": address} for name, address in hosts.items()}
    (directory / "hosts.yml").write_text(json.dumps({"all": {"hosts": named}}))
    (directory / "known_hosts").write_text("")
    return directory
