"""People for the tests: the defaults of the role, and some with channels."""

from copy import deepcopy
from typing import Any

from cutover.inventory.declarations import declarations
from cutover.notify.escalation import VARIABLES, People, people
from tests.checkout import ROOT

ORIGINS = {name: f"group_vars/prod.yml:{number}: {name}" for number, name in enumerate(VARIABLES, start=3)}


def defaults() -> dict[str, Any]:
    """What the variables are where nobody sets them."""
    declared = declarations(ROOT / "roles", ["standard"])
    return {name: deepcopy(declared[name].default) for name in VARIABLES}


def reached() -> dict[str, Any]:
    """The defaults, with two channels: on call and operations in the chat, everybody by mail."""
    values = defaults()
    values["people_channels"] = {"chat": {"env": "CHAT_URL"}, "mail": {"file": "secrets/mail"}}
    for role in values["people_roles"].values():
        role["channels"] = ["mail"]
    for role in ("on_call", "operations_lead"):
        values["people_roles"][role]["channels"] = ["chat", "mail"]
    values["people_roles"]["on_call"]["names"] = ["Ana Example"]
    return values


def known(values: dict[str, Any] | None = None) -> People:
    """The people that such variables name."""
    return people(values or reached(), ORIGINS)
