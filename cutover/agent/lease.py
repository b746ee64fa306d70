"""One run at a time: a lease on the host with a fencing token that only rises.

Whoever holds the lease may change the host; each change names the token, and a lower one is refused. A lease that has
ended can be taken by another run, which raises the token; until one does, its holder can still go on. Time is counted since
boot, so that setting a clock changes nothing; a lease of another boot has ended.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any

from cutover.agent.clock import boot_id, boot_seconds, now
from cutover.agent.durable import read_json, write_json, write_over
from cutover.agent.state_dir import Refusal, StateDir

Lease = dict[str, Any]
NO_CLAIM: Mapping[str, Any] = {}


def current(state_dir: StateDir) -> Lease:
    """The lease as it stands, with `held` and `seconds_left`; token 0 where there never was one."""
    lease = _read(state_dir)
    left = lease.get("ends", 0.0) - boot_seconds() if lease.get("boot_id") == boot_id() else 0.0
    return {**lease, "held": not lease["released"] and left > 0, "seconds_left": round(max(0.0, left), 1)}


def acquire(
    state_dir: StateDir, *, run: str, holder: str, nonce: str, seconds: float, claim: Mapping[str, Any] = NO_CLAIM
) -> Lease:
    """Take the lease for a run (again, if the same run and nonce hold it). Refused as `locked` while another holds it.

    A claim may name the `process` that takes it, and in `instead_of` the nonce of a holder that is dead: so nobody else's is
    taken by mistake. With `again`, only a lease that was this holder's last is given: not one that another has had meanwhile.
    """
    with state_dir.lease_lock():
        state_dir.create()
        lease = current(state_dir)
        ours = lease["run"] == run and lease.get("nonce") == nonce
        if lease["held"] and not ours and (not claim.get("instead_of") or lease.get("nonce") != claim["instead_of"]):
            found = f"run {lease['run']} of {lease['holder']} holds this host for {lease['seconds_left']} s more"
            raise Refusal("locked", found)
        if claim.get("again") and not ours:
            raise Refusal("fenced", f"run {lease['run']} of {lease['holder']} has had this host since")
        token = lease["token"] if lease["held"] and ours else lease["token"] + 1
        taken = {
            "token": token, "run": run, "holder": holder, "nonce": nonce, "process": claim.get("process", ""),
            "taken_at": now(), "released": False,
        }  # fmt: skip
        return _write(state_dir, taken, seconds)


def renew(state_dir: StateDir, *, token: int, seconds: float) -> Lease:
    """Prolong the lease; refused as `fenced` when another has taken it or the host has reverted by itself."""
    with state_dir.lease_lock():
        return _write(state_dir, check(state_dir, token), seconds)


def release(state_dir: StateDir, *, token: int) -> Lease:
    """Give the lease back, also on a full disk: it is shorter then than it was, and written over what is there."""
    with state_dir.lease_lock():
        given = check(state_dir, token) | {"released": True}
        try:
            return _write(state_dir, given, 0)
        except OSError as failure:
            if failure.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            write_over(state_dir.lease, given | {"ends": 0.0})
            return current(state_dir)


def check(state_dir: StateDir, token: int) -> Lease:
    """The lease, if this token still holds it; called before each change, while holding the host or the lease."""
    lease = _read(state_dir)
    if lease["token"] != token or lease["released"]:
        found = f"token {token} no longer holds this host (now {lease['token']}, run {lease.get('run')})"
        raise Refusal("fenced", found)
    return lease


def raise_token(state_dir: StateDir, *, by: str) -> int:
    """Lock every earlier holder out, when the host acts by itself."""
    with state_dir.lease_lock():
        lease = _read(state_dir)
        token: int = lease["token"] + 1
        write_json(state_dir.lease, lease | {"token": token, "holder": by, "released": True, "ends": 0.0})
    return token


def _read(state_dir: StateDir) -> Lease:
    lease: Lease | None = read_json(state_dir.lease)
    return lease or {"token": 0, "run": None, "holder": None, "released": True}


def _write(state_dir: StateDir, lease: Lease, seconds: float) -> Lease:
    write_json(state_dir.lease, lease | {"boot_id": boot_id(), "ends": boot_seconds() + seconds, "renewed_at": now()})
    return current(state_dir)
