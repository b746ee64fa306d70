"""Renders the files of a plan from Jinja2 templates: the same input gives the same bytes, and secrets are masked.

A template is rendered twice, once with each secret and once with its digest instead. A secret may only be printed,
tested for presence or written by `to_json`: any other filter would hide it from the mask and is refused.
"""

import hashlib
import json
import re
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    Undefined,
    UndefinedError,
    meta,
    nodes,
)

from cutover.core.errors import Problem, UsageError
from cutover.core.secret import Secret
from cutover.inventory.schema import did_you_mean, listed
from cutover.inventory.variables import Variables
from cutover.inventory.yamlfile import shown

# Not printable in YAML, or line breaks to it: DEL and C1 controls, separators, BOM, lone surrogates, non-characters.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_STRING_OR_NUMBER = re.compile(r'"(?:[^"\\]|\\.)*"|(-?\d+)(\.\d+)?(e[+-]\d+)?')


def write(value: object, indent: int = 2) -> str:
    """The value as JSON that YAML reads alike, without a line end; keys keep their order.

    Plain JSON is not enough: YAML 1.1 takes `1e-09` for text and does not allow some characters unescaped.
    """
    document = json.dumps(value, indent=indent or None, ensure_ascii=False, allow_nan=False, default=_inside)
    document = _STRING_OR_NUMBER.sub(lambda one: f"{one[1]}.0{one[3]}" if one[3] and not one[2] else one[0], document)
    return _ESCAPED.sub(lambda one: f"\\u{ord(one[0]):04x}", document)


def _inside(value: object) -> str:
    if isinstance(value, _Guarded | Undefined):
        return str(_shown(value))
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")


_ONLY = "a secret can only be printed, tested with `if`, or written by to_json"


@dataclass(frozen=True)
class Rendered:
    """A rendered file: its true text, the text that may be shown, and the SHA-256 of the true one."""

    text: str
    masked: str
    digest: str
    secrets: bool

    def __repr__(self) -> str:
        return f"Rendered(digest={self.digest!r}, secrets={self.secrets})"


def render(template: str, variables: Variables, extra: Mapping[str, Any], search: Sequence[Path]) -> Rendered:
    """One template for one host; `extra` is what the role adds to the variables. UsageError with all that is wrong."""
    context = {**variables, **extra}
    text = _once(template, context, variables.host, search, Secret.reveal)
    masked = _once(template, context, variables.host, search, str)
    return Rendered(text, masked, hashlib.sha256(text.encode()).hexdigest(), secrets=text != masked)


class SecretMisusedError(Exception):
    """A template does something with a secret that the mask could not follow."""


class _Guarded:
    """Stands for a secret inside a template; only printing and `to_json` can read it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __bool__(self) -> bool:
        return bool(object.__getattribute__(self, "_text"))

    def __getattribute__(self, name: str) -> object:
        if name.startswith("__"):
            return object.__getattribute__(self, name)
        raise SecretMisusedError(_ONLY)

    def _refuse(self, *_arguments: object) -> NoReturn:
        raise SecretMisusedError(_ONLY)

    __str__ = __repr__ = __format__ = __eq__ = __iter__ = __len__ = __getitem__ = __add__ = __radd__ = __mod__ = _refuse
    __lt__ = __gt__ = __le__ = __ge__ = __contains__ = __hash__ = __html__ = _refuse


def _guard(value: object, text_of: Callable[[Secret], str]) -> object:
    if isinstance(value, Secret):
        return _Guarded(text_of(value))
    if isinstance(value, dict):
        return {key: _guard(item, text_of) for key, item in value.items()}
    return [_guard(item, text_of) for item in value] if isinstance(value, list | tuple) else value


def _shown(value: object) -> object:
    if isinstance(value, Undefined):
        return str(value)  # which raises, and names it
    return object.__getattribute__(value, "_text") if isinstance(value, _Guarded) else value


@lru_cache(maxsize=64)  # a template is compiled once, not once a host; a changed file is noticed by its time stamp
def _environment(search: tuple[Path, ...]) -> Environment:
    environment = Environment(  # noqa: S701 - configuration files, not HTML
        loader=FileSystemLoader(search),
        undefined=StrictUndefined,
        finalize=_shown,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    del environment.filters["random"], environment.globals["lipsum"]  # the same plan must come out twice
    environment.filters["to_json"] = write
    return environment


def _once(
    template: str, context: Mapping[str, object], host: str, search: Sequence[Path], text_of: Callable[[Secret], str]
) -> str:
    """One rendering, with each secret as `text_of` gives it."""
    environment = _environment(tuple(search))
    guarded = {name: _guard(value, text_of) for name, value in context.items()}
    try:
        return environment.get_template(template).render(guarded)
    except UndefinedError as error:
        raise UsageError(_undefined(environment, template, context, host, search, error)) from None
    except TemplateNotFound as error:
        there = environment.list_templates()
        found = f"no template `{error.name}` in {' and '.join(shown(path) for path in search)}"
        advice = f"{did_you_mean(str(error.name), there)}templates: {listed(there)}"
        raise UsageError(Problem(found, advice, host, str(error.name))) from error
    except (
        TemplateError,
        SecretMisusedError,
        TypeError,
        ValueError,
        ArithmeticError,
        LookupError,
        AttributeError,
    ) as error:
        place = _line(error.__traceback__, search)
        if not place:
            raise
        found = f"the template fails: {type(error).__name__}: {error}"
        raise UsageError(Problem(found, "correct the template or the value", host, place)) from None


def _undefined(
    environment: Environment,
    template: str,
    context: Mapping[str, object],
    host: str,
    search: Sequence[Path],
    error: UndefinedError,
) -> list[Problem]:
    """Every undefined name in the template; where none is at its top level, the place that failed."""
    source, filename, _ = environment.loader.get_source(environment, template) if environment.loader else ("", "", None)
    tree = environment.parse(source)
    unknown = meta.find_undeclared_variables(tree) - set(context) - set(environment.globals)
    advice = "declare it in the role's defaults.yml, or correct the template"
    problems = {
        (node.lineno, node.name): Problem(
            f"`{node.name}` is undefined",
            did_you_mean(node.name, context) + advice,
            host,
            f"{shown(Path(filename or template))}:{node.lineno}",
        )
        for node in tree.find_all(nodes.Name)
        if node.name in unknown
    }
    if problems:
        return [problems[place] for place in sorted(problems)]
    place = _line(error.__traceback__, search) or template
    return [Problem(f"undefined: {error.message}", advice, host, place)]


def _line(trace: TracebackType | None, search: Sequence[Path]) -> str:
    """`templates/unit.j2:7`, the innermost line of a template in a traceback, as Jinja2 rewrites it."""
    frames = [
        frame
        for frame in traceback.extract_tb(trace)
        if any(Path(frame.filename).is_relative_to(path) for path in search)
    ]
    return f"{shown(Path(frames[-1].filename))}:{frames[-1].lineno}" if frames else ""
