"""System users that services run as."""

from __future__ import annotations

import pwd

from cutover.agent import process
from cutover.agent.clock import SMALL_COMMAND_S
from cutover.agent.work import Args, State, Work


def look_user(args: Args, _work: Work) -> State:
    """exists, and where it does: uid, home, shell."""
    try:
        found = pwd.getpwnam(args["user"])
    except KeyError:
        return {"exists": False}
    return {"exists": True, "uid": found.pw_uid, "home": found.pw_dir, "shell": found.pw_shell}


def add_user(args: Args, _desired: Args, _before: State, work: Work) -> None:
    """Add it with a group of its own and no way to log in."""
    options = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    argv = ["useradd", *options, "--home-dir", args["home"], args["user"]]
    process.run_or_fail(argv, deadline_s=work.seconds_left(SMALL_COMMAND_S))
