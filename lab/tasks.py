"""The test hosts' part of the Invoke surface: `lab.up` and the like. Nothing heavy is imported before it is asked for."""

from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context

from cutover.cli.commands import command, end_with

ROOT = Path(__file__).parents[1]


@command("lab.up")
def up(_c: Context, count: int = 3, json: bool = False) -> None:
    """Make test hosts (root, Linux), put V1 in service on them, write inventory/lab."""
    from lab.commands import Lab

    end_with(Lab(ROOT, "lab.up", json).up(count))


@command("lab.down")
def down(_c: Context, purge: bool = False, json: bool = False) -> None:
    """Take the test hosts away, with everything that was made for them."""
    from lab.commands import Lab

    end_with(Lab(ROOT, "lab.down", json).down(purge=purge))


@command("lab.status", looks=True)
def status(_c: Context, json: bool = False) -> None:
    """The test hosts and how they are."""
    from lab.commands import Lab

    end_with(Lab(ROOT, "lab.status", json).status())


@command("lab.cut")
def cut(_c: Context, host: str, json: bool = False) -> None:
    """Cut a test host's cable."""
    from lab.commands import Lab

    end_with(Lab(ROOT, "lab.cut", json).fault("cut", host))


@command("lab.heal")
def heal(_c: Context, host: str, json: bool = False) -> None:
    """Plug a test host's cable in again, and empty its disk."""
    from lab.commands import Lab

    end_with(Lab(ROOT, "lab.heal", json).fault("heal", host))


@command("lab.reboot")
def reboot(_c: Context, host: str, json: bool = False) -> None:
    """Reboot a test host and wait for it."""
    from lab.commands import Lab

    end_with(Lab(ROOT, "lab.reboot", json).fault("reboot", host))


@command("lab.fill")
def fill(_c: Context, host: str, leave_mb: int = 100, json: bool = False) -> None:
    """Fill a test host's disk."""
    from lab.commands import Lab

    end_with(Lab(ROOT, "lab.fill", json).fill(host, leave_mb))


LAB = Collection("lab", up, down, status, cut, heal, reboot, fill)
