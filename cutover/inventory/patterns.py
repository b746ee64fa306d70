"""Host patterns as in Ansible: `prod`, `web*:&prod:!db1`, `a,b`, `~regex`, `group[0]`, `group[1:3]`.

Stricter in one thing: a plain word that names nothing is refused wherever it stands, since `!db-1` for `!db1` would
leave a host in that was meant to be left out.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from cutover.core.errors import Problem, UsageError
from cutover.inventory.schema import did_you_mean, listed

_SUBSCRIPT = re.compile(r"(?P<name>.+)\[(?:(?P<one>-?\d+)|(?P<first>\d+)[:-](?P<last>\d*))\]\Z", re.ASCII)


@dataclass(frozen=True)
class PatternPart:
    """One part of a pattern: `&` keeps what matches, `!` leaves it out, nothing adds it."""

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
    """The hosts a pattern stands for, in the order of the inventory; `option` is where it came from, for messages."""
    chooser = _Chooser(option, groups, tuple(hosts))
    parts = split(pattern)
    if not parts:
        chooser.refuse(pattern, "the pattern is empty")
        return chooser.finish(pattern, set())
    found: set[str] = set() if any(not part.operator for part in parts) else set(chooser.hosts)
    for part in parts:
        if not part.operator:
            found |= chooser.matching(part)
    for part in parts:
        if part.operator == "&":
            found &= chooser.matching(part)
    for part in parts:
        if part.operator == "!":
            found -= chooser.matching(part)
    return chooser.finish(pattern, found)


class _Chooser:
    """Matches parts against one inventory and gathers what matches nothing."""

    def __init__(self, option: str, groups: Mapping[str, tuple[str, ...]], hosts: tuple[str, ...]) -> None:
        self.option = option
        self.groups = groups
        self.hosts = hosts
        self.problems: list[Problem] = []

    def matching(self, part: PatternPart) -> set[str]:
        if part.text.startswith("~"):
            return self._matching_regex(part)
        match = _SUBSCRIPT.match(part.text)
        named = self._named(part)
        if named is None:
            self.refuse(part.text, f"`{part.text}` matches no group and no host")
            return set()
        if match is None:
            return set(named)
        if match["one"] is not None:
            index = int(match["one"])
            picked = named[index : index + 1 or None]
        else:
            picked = named[int(match["first"]) : int(match["last"]) + 1 if match["last"] else None]
        if not picked:
            self.refuse(
                part.text, f"`{part.text}` is past the end: `{part.word}` has {len(named)} hosts, counted from 0"
            )
        return set(picked)

    def _named(self, part: PatternPart) -> list[str] | None:
        """The hosts of the groups and hosts whose names match; None when there is no such name and there should be."""
        word = part.word
        groups = [name for name in self.groups if fnmatchcase(name, word)]
        names = {host for group in groups for host in self.groups[group]}
        alone = [host for host in self.hosts if fnmatchcase(host, word)]
        if not groups and not alone and (part.is_plain or not part.operator):
            return None
        return [host for host in self.hosts if host in names or host in alone]

    def _matching_regex(self, part: PatternPart) -> set[str]:
        try:
            regex = re.compile(part.text[1:])
        except re.error as error:
            self.refuse(part.text, f"`{part.text}` is no regular expression: {error}")
            return set()
        found = {host for host in self.hosts if regex.match(host)}
        found |= {host for group, hosts in self.groups.items() if regex.match(group) for host in hosts}
        if not found and not part.operator:
            self.refuse(part.text, f"`{part.text}` matches no group and no host")
        return found

    def refuse(self, word: str, found: str) -> None:
        close = did_you_mean(word.partition("[")[0], [*self.groups, *self.hosts])
        filled = [name for name, hosts in self.groups.items() if hosts]
        there_is = f"groups: {listed(filled)}; hosts: {listed(self.hosts)}"
        self.problems.append(Problem(found, f"{close}{there_is}", path=self.option))

    def finish(self, pattern: str, found: set[str]) -> tuple[str, ...]:
        if not self.problems and not found:
            self.refuse("", f"the pattern `{pattern}` leaves no host")
        if self.problems:
            raise UsageError(self.problems)
        return tuple(host for host in self.hosts if host in found)
