"""Host patterns as in Ansible: `prod`, `web*:&prod:!db1`, `a,b`, `~regex`, `group[0]`, `group[1:3]`.

Stricter in one thing: a plain word that matches nothing is always refused, since `!db-1` for `!db1` would keep a host
that was meant to be excluded.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate

from cutover.core.errors import Problem, UsageError
from cutover.inventory.schema import did_you_mean, listed

_SUBSCRIPT = re.compile(r"(?P<name>.+)\[(?:(?P<one>-?\d+)|(?P<first>\d+)[:-](?P<last>\d*))\]\Z", re.ASCII)


@dataclass(frozen=True)
class PatternPart:
    """One part of a pattern; its operator `&` keeps what matches, `!` excludes it, none adds it."""

    operator: str
    text: str

    @property
    def word(self) -> str:
        """The part without its subscript."""
        match = _SUBSCRIPT.match(self.text) if not self.text.startswith("~") else None
        return match["name"] if match else self.text

    @property
    def is_plain(self) -> bool:
        """Whether it is a name rather than a wildcard or a regular expression."""
        return not self.text.startswith("~") and not set(self.word) & set("*?[")


def split(pattern: str) -> tuple[PatternPart, ...]:
    """The parts of a pattern, cut at `:` and `,` outside of brackets."""
    words, depth = [""], 0
    for character in pattern:
        depth += (character in "[({") - (character in "])}")
        if character in ":," and depth <= 0:
            words.append("")
        else:
            words[-1] += character
    stripped = [word.strip() for word in words if word.strip()]
    return tuple(
        PatternPart(word[0], word[1:].strip()) if word[0] in "&!" else PatternPart("", word) for word in stripped
    )


def choose(pattern: str, option: str, groups: Mapping[str, tuple[str, ...]], hosts: Iterable[str]) -> tuple[str, ...]:
    """The hosts that a pattern matches, in the order of the inventory; `option` is where it came from, for messages."""
    every, parts, problems = tuple(hosts), split(pattern), list[Problem]()

    def refuse(word: str, found: str) -> None:
        close = did_you_mean(word.partition("[")[0], [*groups, *every])
        filled = listed(name for name, inside in groups.items() if inside)
        problems.append(Problem(found, f"{close}groups: {filled}; hosts: {listed(every)}", path=option))

    def matching(operator: str) -> Iterator[set[str]]:
        for part in parts:
            if part.operator == operator:
                try:
                    yield set(_picked(part, groups, every))
                except _NoMatchError as error:
                    refuse(part.text, f"`{part.text}` {error}")

    found = set[str]().union(*matching(""))
    if all(part.operator for part in parts):
        found = set(every)
    found = found.intersection(*matching("&")).difference(*matching("!"))
    if not parts:
        refuse("", "the pattern is empty")
    elif not problems and not found:
        refuse("", f"the pattern `{pattern}` matches no host")
    if problems:
        raise UsageError(problems)
    return tuple(host for host in every if host in found)


class _NoMatchError(LookupError):
    """A part of a pattern cannot be used; the message says why."""


def _picked(part: PatternPart, groups: Mapping[str, tuple[str, ...]], hosts: Sequence[str]) -> list[str]:
    """The hosts that a part names, or those of them that its subscript picks."""
    named = _named(part, groups, hosts)
    match = _SUBSCRIPT.match(part.text)
    if part.text.startswith("~") or match is None:
        return named
    if match["one"] is not None:
        index = int(match["one"])
        picked = named[index : index + 1 or None]
    else:
        picked = named[int(match["first"]) : int(match["last"]) + 1 if match["last"] else None]
    if not picked:
        raise _NoMatchError(f"is out of range: `{part.word}` has {len(named)} hosts, counted from 0")
    return picked


def _named(part: PatternPart, groups: Mapping[str, tuple[str, ...]], hosts: Sequence[str]) -> list[str]:
    """The hosts of the groups and hosts whose names match, in order; something must, unless it is a mere restriction."""
    try:
        regex = re.compile(part.text[1:] if part.text.startswith("~") else translate(part.word))
    except re.error as error:
        raise _NoMatchError(f"is not a valid regular expression: {error}") from error
    inside = {name for group, members in groups.items() if regex.match(group) for name in members}
    matched = any(regex.match(name) for name in (*groups, *hosts))
    if not matched and (part.is_plain or not part.operator):
        raise _NoMatchError("matches no group and no host")
    return [host for host in hosts if host in inside or regex.match(host)]
