"""The engine's speed, beside ansible-core, pyinfra and a shell script on the same hosts, and against the project's own aims."""

from bench.story import run

__all__ = ["run"]
