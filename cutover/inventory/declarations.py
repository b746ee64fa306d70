"""Variables as the roles declare them in defaults.yml: type, bounds, default, example and documentation in one."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from jinja2 import Environment, TemplateSyntaxError, nodes
from pydantic import AfterValidator, ConfigDict, Field, RootModel, TypeAdapter, ValidationError

from cutover.core.errors import Problem, UsageError
from cutover.core.host import Host
from cutover.core.secret import Secret
from cutover.inventory.schema import (
    FORMS,
    Names,
    Refusals,
    Schema,
    Text,
    did_you_mean,
    form,
    listed,
    misfit,
    named,
    one_of,
    validate,
)
from cutover.inventory.yamlfile import dotted, read, shown

# Values may hold plain `{{ name }}` references, as Ansible's users write them; no filters, tests or logic.

PLAIN = "use plain `{{ name }}` references to text or numbers, or {% raw %}...{% endraw %} around literal braces"
_JINJA = Environment(keep_trailing_newline=True)  # noqa: S701 - only parses; nothing here is HTML


class NotPlainError(ValueError):
    """A value holds Jinja2 that is more than `{{ name }}`, or a reference that cannot stand inside text."""


def expand(text: str, lookup: Callable[[str], object]) -> object:
    """The text with its references filled in; a lone `{{ name }}` keeps the type of what it names.

    Text that takes in a secret becomes a Secret.
    """
    if not any(mark in text for mark in ("{{", "{%", "{#")):
        return text
    values = list(_pieces(text, lookup))
    if len(values) == 1:
        return values[0]
    for value in values:
        if isinstance(value, bool) or not isinstance(value, str | int | float | Secret):
            raise NotPlainError(f"`{text}` puts a {type(value).__name__} into text; only text and numbers fit there")
    whole = "".join(value.reveal() if isinstance(value, Secret) else str(value) for value in values)
    return Secret(whole) if any(isinstance(value, Secret) for value in values) else whole


def _pieces(text: str, lookup: Callable[[str], object]) -> Iterator[object]:
    """Literal pieces, and what the references between them name: `{{ name }}` or `{{ name.attribute }}`."""
    for output in _parsed(text):
        for node in output.nodes if isinstance(output, nodes.Output) else [output]:
            match node:
                case nodes.TemplateData():
                    yield node.data
                case nodes.Name():
                    yield lookup(node.name)
                case nodes.Getattr(node=nodes.Name(name=name), attr=attribute):
                    yield lookup(f"{name}.{attribute}")
                case _:
                    raise NotPlainError(f"`{text}` is more than plain `{{{{ name }}}}` references")


@lru_cache(maxsize=4096)  # every host of a fleet has the same texts
def _parsed(text: str) -> Sequence[nodes.Node]:
    try:
        return _JINJA.parse(text).body
    except TemplateSyntaxError as error:
        raise NotPlainError(f"`{text}` is not valid: {error.message}") from error


def mask(value: object) -> Any:
    """A value with each secret in it replaced by its digest."""
    if isinstance(value, Secret):
        return str(value)
    if isinstance(value, dict):
        return {key: mask(item) for key, item in value.items()}
    return [mask(item) for item in value] if isinstance(value, list) else value


def is_source(value: object) -> bool:
    """Whether the value says where a secret comes from: `{env: NAME}` or `{file: path}`."""
    if not isinstance(value, dict) or len(value) != 1:
        return False
    ((key, place),) = value.items()
    return key in ("env", "file") and isinstance(place, str) and place != ""


def _source(value: dict[str, Any]) -> dict[str, Any]:
    if not is_source(value):
        raise ValueError("not {env: NAME} or {file: path}")
    return value


_SOURCES = "map[source]"
# What a variable may be: its type for pydantic, and its description.
TYPES: Mapping[str, tuple[Any, str]] = {
    "string": (Annotated[str, form("line")], "text of one line"),
    "integer": (int, "a whole number"),
    "number": (float, "a number"),
    "boolean": (bool, "true or false"),
    "list[string]": (list[Annotated[str, form("line")]], "a list of text, each of one line"),
    "map": (dict[str, Any], "a map"),
    _SOURCES: (
        dict[str, Annotated[dict[str, Any], AfterValidator(_source)]],
        "a map of secrets, each {env: NAME} or {file: path}",
    ),
    **{
        name: (Annotated[str, form(name)], FORMS[name][1]) for name in ("path", "name", "user", "unit", "memory", "url")
    },
    "port": (Annotated[int, Field(ge=1, le=65535)], "a port from 1 to 65535"),
    "choice": (str, "text"),
}
NUMERIC = ("integer", "number", "port")
BUILT_IN = tuple(Host("", "", "", Path()).names)
_NAME = re.compile(r"(?!ansible_)[a-z][a-z0-9_]*\Z")


@lru_cache(maxsize=256)
def _adapter(type_: str, least: float | None, most: float | None) -> TypeAdapter[Any]:
    kind = TYPES[type_][0]
    bounded: Any = Annotated[kind, Field(ge=least, le=most)] if type_ in NUMERIC else kind
    return TypeAdapter(bounded, config=ConfigDict(strict=True, allow_inf_nan=False))


class DeclarationEntry(Schema):
    """One entry of a defaults.yml."""

    type: Annotated[str, one_of("type", TYPES)]
    doc: Text
    default: Any = None
    required: bool = False
    secret: bool = False
    unit: Text = ""
    min: float | None = None
    max: float | None = None
    choices: Names = ()
    example: Any = None

    @property
    def expected(self) -> str:
        """What a value must be, in words: `a number in s, from 1 to 600`."""
        words = f"one of {', '.join(self.choices)}" if self.choices else TYPES[self.type][1]
        unit = self.unit and f" in {self.unit}"
        if self.min is not None and self.max is not None:
            return f"{words}{unit}, from {self.min:g} to {self.max:g}"
        least = f", at least {self.min:g}" if self.min is not None else ""
        most = f", at most {self.max:g}" if self.max is not None else ""
        return f"{words}{unit}{least}{most}"

    def misfit(self, value: object) -> str:
        """Expected and found where a value does not fit, else "". Never shows what may be a secret."""
        try:
            _adapter(self.type, self.min, self.max).validate_python(mask(value))
        except ValidationError as error:
            hide = self.type == _SOURCES
            wrong = [
                ("text (not shown)" if hide and isinstance(one["input"], str) else named(one["input"]))
                + (f" at {dotted(one['loc'][:1])}" if one["loc"] else "")
                for one in error.errors()
            ]
            return f"expected {self.expected}, found {'; '.join(wrong)}"
        return f"expected {self.expected}, found {named(value)}" if self.choices and value not in self.choices else ""

    def refusals(self) -> Refusals:
        """Keys that do not go together, and values that do not fit."""
        for key in sorted({"min", "max", "unit"} & self.model_fields_set):
            if self.type not in NUMERIC:
                yield (key,), f"`{key}` does not go with the type {self.type}", f"remove it; it needs {listed(NUMERIC)}"
        if (self.type == "choice") != bool(self.choices):
            yield ("choices",), "`type: choice` needs `choices`, and no other type has them", "add or remove `choices`"
        if self.secret and self.type != "string":
            yield ("secret",), f"a secret of the type {self.type}", "change its type to string"
        if self.required == ("default" in self.model_fields_set):
            found = "has both `required: true` and a" if self.required else "has neither `required: true` nor a"
            yield (), f"{found} `default`", "keep or add exactly one of them"
        if self.required and "example" not in self.model_fields_set:
            yield (), "is required and has no `example`", "add a value that a user could start from"
        yield from self._values()

    def _values(self) -> Refusals:
        """Default and example fit the variable; what holds references is checked once they are filled in."""
        for key in ("default", "example"):
            value = getattr(self, key)
            if key not in self.model_fields_set or (isinstance(value, str) and "{{" in value):
                continue
            if self.secret and value != "" and not is_source(value):
                yield (key,), f"the `{key}` of a secret is written in plain text", "write {env: NAME} or {file: path}"
            elif not self.secret and (reason := self.misfit(value)):
                yield (key,), f"`{key}`: {reason}", "correct the value"


def _variable_name(name: str) -> str:
    if not _NAME.match(name):
        advice = "use lower case letters, digits and _, and do not start with ansible_"
        raise misfit(f"`{name}` is not a valid name of a variable", advice)
    return name


class DefaultsFile(RootModel[dict[Annotated[str, AfterValidator(_variable_name)], DeclarationEntry]]):
    """A defaults.yml: each variable of a role, by its name."""


class Declaration(DeclarationEntry):
    """A variable: its entry, its name, the role that declares it, and where."""

    name: str
    role: str
    where: str


Declarations = Mapping[str, Declaration]  # by name, in the order of the roles and their files


def declarations(roles_dir: Path, roles: Sequence[str]) -> Declarations:
    """The declarations of these roles; UsageError with everything that is wrong in their defaults.yml."""
    problems: list[Problem] = []
    entries: dict[str, Declaration] = {}
    for role in roles:
        for entry in _of_role(roles_dir, role, problems):
            other = entries.setdefault(entry.name, entry)
            if other is not entry:
                found = f"`{entry.name}` is also declared by the role {other.role}, at {other.where}"
                problems.append(Problem(found, "declare it in one role only", path=entry.where))
    if problems:
        raise UsageError(problems)
    return entries


def _of_role(roles_dir: Path, role: str, problems: list[Problem]) -> Iterator[Declaration]:
    folder = roles_dir / role
    path = folder / "defaults.yml"
    if not folder.is_dir():
        there = sorted(path.name for path in roles_dir.iterdir() if path.is_dir()) if roles_dir.is_dir() else []
        advice = f"{did_you_mean(role, there)}roles: {listed(there)}"
        problems.append(Problem(f"the role `{role}` does not exist", advice, path=shown(folder)))
    elif path.exists() and (document := read(path, problems)) and document.value is not None:  # optional
        defaults = validate(DefaultsFile, document.value, document.where, problems)
        for name, entry in defaults.root.items() if defaults else ():
            yield Declaration.model_construct(
                entry.model_fields_set, name=name, role=role, where=document.where(name), **dict(entry)
            )
