"""Reads roles/<role>/defaults.yml, where each variable of a role is declared: documentation, schema and example in one.

    service_stop_seconds: {type: number, default: 20, unit: s, min: 1, max: 600, doc: "How long V1 may take to stop."}
    service_alert_token: {type: string, required: true, secret: true, example: {env: ALERT_TOKEN}, doc: "..."}

Every variable belongs to one role and has a `type`, a `doc`, and a `default` or else `required: true` and an `example`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cutover.decide.declaring import Declaration, declaration
from cutover.decide.substitution import NotPlainError, Reference, parts
from cutover.decide.suggest import did_you_mean, listed
from cutover.decide.yamlfile import read, shown
from cutover.words.errors import Problem, UsageError
from cutover.words.host import Host

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
