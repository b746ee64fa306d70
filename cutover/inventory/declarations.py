"""One entry of a defaults.yml: what it may say, and everything that can be wrong with it."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path
from types import MappingProxyType

from jinja2 import Environment, TemplateSyntaxError, nodes

from cutover.core.errors import Problem, UsageError
from cutover.core.host import Host
from cutover.core.numbers import is_number
from cutover.core.secret import Secret
from cutover.inventory.yamlfile import Document, read, shown

# Plain `{{ name }}` references inside values, as Ansible's users write them; never filters, tests or logic.

_JINJA = Environment(keep_trailing_newline=True)  # noqa: S701 - only parses; nothing here is HTML


class NotPlainError(ValueError):
    """A value holds Jinja2 that is more than `{{ name }}`, or a reference that cannot stand inside text."""


@dataclass(frozen=True)
class Reference:
    """A `{{ name }}`."""

    name: str


def parts(text: str) -> tuple[str | Reference, ...]:
    """The text cut into literal pieces and references; anything else of Jinja2 raises NotPlainError."""
    if not any(mark in text for mark in ("{{", "{%", "{#")):
        return (text,) if text else ()
    try:
        body = _JINJA.parse(text).body
    except TemplateSyntaxError as error:
        raise NotPlainError(f"`{text}` is not valid: {error.message}") from error
    found: list[str | Reference] = []
    for output in body:
        for node in output.nodes if isinstance(output, nodes.Output) else [output]:
            if isinstance(node, nodes.TemplateData):
                found.append(node.data)
            elif isinstance(node, nodes.Name):
                found.append(Reference(node.name))
            else:
                raise NotPlainError(f"`{text}` is more than plain `{{{{ name }}}}` references")
    return tuple(found)


def expand(text: str, lookup: Callable[[str], object]) -> object:
    """The text with its references filled in; a lone `{{ name }}` keeps the type of what it names.

    Text that took in a secret is a Secret itself.
    """
    pieces = parts(text)
    if len(pieces) == 1 and isinstance(pieces[0], Reference):
        return lookup(pieces[0].name)
    secret = False
    written = []
    for piece in pieces:
        value = lookup(piece.name) if isinstance(piece, Reference) else piece
        if isinstance(value, Secret):
            secret, value = True, value.reveal()
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise NotPlainError(
                f"`{text}` puts a {type(value).__name__} into text; only text and numbers can stand there"
            )
        written.append(str(value))
    return Secret("".join(written)) if secret else "".join(written)


# `did you mean ...?` for a word that is not known, and short lists of what there is.


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean web1 or web2? `, with a space behind it, or nothing when no known word is close.

    Words with a common prefix are all a little close: only those about as close as the closest are named.
    """
    matches = get_close_matches(word, list(known), n=3, cutoff=0.6)
    ratios = {match: SequenceMatcher(None, match, word).ratio() for match in matches}
    close = [match for match, ratio in ratios.items() if ratio > max(ratios.values()) - 0.05]
    return f"did you mean {' or '.join(close)}? " if close else ""


def listed(words: Iterable[str], at_most: int = 20) -> str:
    """The words separated by commas; past `at_most` their number instead, so that a message stays readable."""
    all_words = list(words)
    if not all_words:
        return "none"
    more = len(all_words) - at_most
    return ", ".join(all_words[:at_most]) + (f" and {more} more" if more > 0 else "")


# The types that a variable may have, and what makes a value fit one; a reason in words where it does not.

Fits = Callable[[object], str]  # "" where the value fits, else what is wrong with it
SOURCES = ("env", "file")  # where a secret may be read from


def named(value: object) -> str:
    """What a value is, for a person: `text "20"`, `the number 7`, `a list`; never the inside of a secret."""
    if isinstance(value, Secret):
        return str(value)
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f'text "{value}"'
    return "a map" if isinstance(value, dict) else "a list"


def _string(value: object) -> str:
    if not isinstance(value, str):
        return f"is {named(value)}, not text"
    return "holds a NUL character" if "\0" in value else ""


def _integer(value: object) -> str:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return "" if whole else f"is {named(value)}, not a whole number"


def _number(value: object) -> str:
    if not is_number(value):
        return f"is {named(value)}, not a number"
    return "" if math.isfinite(value) else f"is {value}, which no threshold can be compared with"


def _boolean(value: object) -> str:
    return "" if isinstance(value, bool) else f"is {named(value)}, not true or false"


def _strings(value: object) -> str:
    if not isinstance(value, list):
        return f"is {named(value)}, not a list"
    wrong = [
        f"its entry [{place}] {reason}"
        for place, item in enumerate(value)
        if not isinstance(item, Secret) and (reason := _string(item))
    ]
    return "; ".join(wrong)


def _map(value: object) -> str:
    return "" if isinstance(value, dict) else f"is {named(value)}, not a map"


def source_misfit(value: object) -> str:
    """Why a value does not say where a secret is read from; "" for `{env: NAME}` and `{file: path}`. Never shows the value."""
    if isinstance(value, dict) and len(value) == 1:
        ((key, place),) = value.items()
        if key in SOURCES and isinstance(place, str) and place:
            return ""
    return "is written out" if isinstance(value, str) and value else "does not say where it is read from"


def _sources(value: object) -> str:
    """A map of secrets stays a map of places: what is read from there is never part of a plan."""
    if not isinstance(value, dict):
        return f"is {named(value)}, not a map" if isinstance(value, list) else "is not a map"
    wrong = [f"its entry {name} {reason}" for name, source in value.items() if (reason := source_misfit(source))]
    return "; ".join(wrong) + (" (each is a secret: {env: NAME} or {file: path})" if wrong else "")


def _path(value: object) -> str:
    if reason := _string(value):
        return reason
    text = str(value)
    if not text.startswith("/") or ".." in text.split("/") or re.search(r"[\x00-\x1f\x7f]", text):
        return f"is {named(value)}, not an absolute path without `..`"
    return ""


def _port(value: object) -> str:
    if reason := _integer(value):
        return reason
    return "" if isinstance(value, int) and 1 <= value <= 65535 else f"is {named(value)}, not a port from 1 to 65535"


TYPES: Mapping[str, Fits] = MappingProxyType(
    {
        "string": _string,
        "integer": _integer,
        "number": _number,
        "boolean": _boolean,
        "list[string]": _strings,
        "map": _map,
        "map[source]": _sources,
        "path": _path,
        "port": _port,
        "choice": _string,
    }
)
NUMERIC = ("integer", "number", "port")


def misfit(
    value: object, type_: str, least: float | None = None, most: float | None = None, choices: Sequence[str] = ()
) -> str:
    """Why the value does not fit the type and its bounds, or "" where it does."""
    if reason := TYPES[type_](value):
        return reason
    if choices and value not in choices:
        return f"is {named(value)}, none of {', '.join(choices)}"
    if isinstance(value, int | float) and type_ in NUMERIC:
        if least is not None and value < least:
            return f"is {value}, below the least, {least}"
        if most is not None and value > most:
            return f"is {value}, above the most, {most}"
    return ""


KEYS = ("type", "default", "required", "secret", "unit", "min", "max", "choices", "example", "doc")
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")

Refuse = Callable[[str, str, str], None]  # key of the entry or "", what was found, what to do next


@dataclass(frozen=True)
class Declaration:
    """A variable as its role declares it."""

    name: str
    role: str
    type: str
    doc: str
    where: str
    default: object = None
    required: bool = False
    secret: bool = False
    unit: str = ""
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    example: object = None

    def misfit(self, value: object) -> str:
        """Why a value does not fit this variable, or "" where it does."""
        return misfit(value, self.type, self.least, self.most, self.choices)

    def wanted(self) -> str:
        """What a value must be, in words: `a number in s, 1 to 600`."""
        bounds = [f"at least {self.least:g}" if self.least is not None else ""]
        bounds += [f"at most {self.most:g}" if self.most is not None else ""]
        choice = f"one of {', '.join(self.choices)}" if self.choices else ""
        return ", ".join(part for part in (choice or self.type, self.unit and f"in {self.unit}", *bounds) if part)


def declaration(role: str, name: str, body: object, document: Document, problems: list[Problem]) -> Declaration | None:
    """The declaration in one entry; None when it cannot be used, with the reasons added to `problems`."""
    before = len(problems)

    def refuse(key: str, found: str, advice: str) -> None:
        where = document.where(name, key) if key else document.where(name)
        problems.append(Problem(found, advice, path=where))

    if not _NAME.match(name) or name.startswith("ansible_"):
        refuse("", f"`{name}` is no name for a variable", "use lower case letters, digits and _; not ansible_...")
    if not isinstance(body, dict):
        advice = f"write {{type: ..., default: {body if body is not None else '...'}, doc: ...}}"
        refuse("", f"is {named(body)}, not a declaration", advice)
        return None
    _check_keys(body, refuse)
    if len(problems) == before:
        _check_bounds(body, refuse)
        _check_presence(body, refuse)
    if len(problems) > before:
        return None
    entry = _made(role, name, body, document.where(name))
    _check_values(entry, body, refuse)
    return entry if len(problems) == before else None


def _made(role: str, name: str, body: dict[str, object], where: str) -> Declaration:
    least, most, choices = body.get("min"), body.get("max"), body.get("choices")
    return Declaration(
        name=name,
        role=role,
        type=str(body["type"]),
        doc=str(body["doc"]).strip(),
        where=where,
        default=body.get("default"),
        required=body.get("required") is True,
        secret=body.get("secret") is True,
        unit=str(body.get("unit", "")),
        least=least if isinstance(least, int | float) else None,
        most=most if isinstance(most, int | float) else None,
        choices=tuple(choices) if isinstance(choices, list) else (),
        example=body.get("example"),
    )


def _check_keys(body: dict[str, object], refuse: Refuse) -> None:
    """Each key is known and of its own type."""
    expected = {
        "doc": "string",
        "unit": "string",
        "required": "boolean",
        "secret": "boolean",
        "choices": "list[string]",
    }
    expected |= {"min": "number", "max": "number"}
    for key, value in body.items():
        if key not in KEYS:
            refuse(key, f"unknown key `{key}`", f"{did_you_mean(key, KEYS)}known are {', '.join(KEYS)}")
        elif key in expected and (reason := TYPES[expected[key]](value)):
            refuse(key, f"`{key}` {reason}", "correct it")
    type_ = body.get("type")
    if not isinstance(type_, str) or type_ not in TYPES:
        found = f"`type` is {named(type_)}" if "type" in body else "has no `type`"
        refuse("type", found, f"{did_you_mean(str(type_), TYPES)}types are {', '.join(TYPES)}")
    if not str(body.get("doc") or "").strip():
        refuse("doc", "has no `doc`", "say in one sentence what the variable does")


def _check_bounds(body: dict[str, object], refuse: Refuse) -> None:
    """Bounds, units and choices stand only where they mean something."""
    numeric = body["type"] in NUMERIC
    for key in ("min", "max", "unit"):
        if key in body and not numeric:
            refuse(key, f"`{key}` with the type {body['type']}", f"remove it; it goes with {', '.join(NUMERIC)}")
    least, most = body.get("min"), body.get("max")
    if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
        refuse("min", f"`min` {least} is above `max` {most}", "exchange them")
    if (body["type"] == "choice") != bool(body.get("choices")):
        refuse("choices", "`type: choice` and `choices` go together", "give both, or neither")
    if body.get("secret") and body["type"] != "string":
        refuse("secret", f"a secret of the type {body['type']}", "make it a string")


def _check_presence(body: dict[str, object], refuse: Refuse) -> None:
    """A default, or required with an example."""
    required = body.get("required") is True
    if required and "default" in body:
        refuse("required", "is required and has a default", "keep one of the two")
    if not required and "default" not in body:
        refuse("", "has neither `default` nor `required: true`", "give one of the two")
    if required and "example" not in body:
        refuse("", "is required and has no `example`", "show a value that a person could start from")


def _check_values(entry: Declaration, body: dict[str, object], refuse: Refuse) -> None:
    """Default and example are values that the variable could take."""
    for key in ("default", "example"):
        value = body.get(key)
        if key not in body:
            continue
        if entry.secret:
            if value != "" and not is_source(value) and not (isinstance(value, str) and "{{" in value):
                refuse(key, f"the `{key}` of a secret is written out", "write {env: NAME} or {file: path}")
        elif not (isinstance(value, str) and "{{" in value) and (reason := entry.misfit(value)):
            refuse(key, f"`{key}` {reason}", f"make it {entry.wanted()}")


def is_source(value: object) -> bool:
    """Whether the value says where a secret comes from: `{env: NAME}` or `{file: path}`."""
    return not source_misfit(value)


# Reads roles/<role>/defaults.yml, where each variable of a role is declared: documentation, schema and example in one.
# Every variable belongs to one role and has a `type`, a `doc`, and a `default` or else `required: true` and an `example`.

BUILT_IN = tuple(Host("", "", "", Path()).names)


@dataclass(frozen=True)
class Declarations(Mapping[str, Declaration]):
    """Every variable that the roles of a run declare, by name, in the order of the roles and their files."""

    entries: Mapping[str, Declaration]

    def __getitem__(self, name: str) -> Declaration:
        return self.entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def declarations(roles_dir: Path, roles: Sequence[str]) -> Declarations:
    """The declarations of these roles; UsageError with everything that is wrong in their defaults.yml."""
    problems: list[Problem] = []
    entries: dict[str, Declaration] = {}
    for role in roles:
        for entry in _of_role(roles_dir, role, problems):
            other = entries.setdefault(entry.name, entry)
            if other is not entry:
                found = f"`{entry.name}` is declared by the role {other.role} as well, at {other.where}"
                problems.append(Problem(found, "declare it in the one role that owns it", path=entry.where))
    for entry in entries.values():
        problems += _bad_references(entry, entries)
    if problems:
        raise UsageError(problems)
    return Declarations(entries)


def _of_role(roles_dir: Path, role: str, problems: list[Problem]) -> list[Declaration]:
    folder = roles_dir / role
    if not folder.is_dir():
        there = sorted(path.name for path in roles_dir.iterdir() if path.is_dir()) if roles_dir.is_dir() else []
        advice = f"{did_you_mean(role, there)}roles: {listed(there)}"
        problems.append(Problem(f"there is no role `{role}`", advice, path=shown(folder)))
        return []
    path = folder / "defaults.yml"
    document = read(path, problems) if path.exists() else None  # a role may do without variables
    if document is None or document.value is None:
        return []
    if not isinstance(document.value, dict):
        found = "holds no declarations"
        problems.append(Problem(found, "write `name: {type: ..., default: ..., doc: ...}`", path=document.name))
        return []
    made = [declaration(role, name, body, document, problems) for name, body in document.value.items()]
    return [entry for entry in made if entry is not None]


def _bad_references(entry: Declaration, known: Mapping[str, Declaration]) -> list[Problem]:
    """References of a default to what nobody declares, and Jinja2 that is more than a reference."""
    problems = []
    for text in texts(entry.default):
        try:
            names = [part.name for part in parts(text) if isinstance(part, Reference)]
        except NotPlainError as error:
            advice = "use plain `{{ name }}` references, or {% raw %}...{% endraw %} around literal braces"
            problems.append(Problem(str(error), advice, path=f"{entry.where}.default"))
            continue
        for name in names:
            if name not in known and name not in BUILT_IN:
                advice = f"{did_you_mean(name, [*known, *BUILT_IN])}declare it, or correct the name"
                problems.append(Problem(f"refers to `{name}`, which no role declares", advice, path=entry.where))
    return problems


def texts(value: object) -> Iterator[str]:
    """Every text inside a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
