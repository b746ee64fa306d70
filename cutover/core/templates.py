"""Jinja2 as the pages and texts of templates/ use it; the files of a service are rendered by cutover/plan/render.py."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def environment(*directories: Path, html: bool = False, **filters: Callable[..., Any]) -> Environment:
    """Templates from some directories: an unknown name is an error, a tag alone on its line leaves none, HTML is escaped."""
    made = Environment(
        loader=FileSystemLoader(directories),
        autoescape=html,  # noqa: S701 - what is not HTML is Markdown or plain text, whose filters escape what a host said
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= filters
    return made
