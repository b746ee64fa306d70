"""Personal data in a tape: which columns look like it, and what happens then: masked by a keyed hash, or refused.

Column names are judged word by word (split at `_`, other signs, and camelCase), never by parts of words. Where a name
says nothing, sampled values may. What the pipeline publishes of a tape's cells goes through `Privacy.shown`.
"""

import hashlib
import hmac
import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from kpi.columns import AMOUNTS, shown_name
from kpi.findings import Finding, UsageError
from kpi.personal_words import ALONE, HARMLESS, PAIRS, SOLE, THINGS
from kpi.schema import Listing, Section, Text

SCHEMA = Section(
    {},
    {
        "policy": Text(("mask", "refuse")),
        "key_file": Text(absolute=True),
        "columns": Section({"allow": Listing(Text())}),
    },
)
SAMPLES = 64
KEY_BYTES = 16
TOKEN_HEX = 16
SHAPE_SIGNS = 24
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
_CURP = re.compile(r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[A-Z0-9]\d")
_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")
_PHONE = re.compile(r"\+\d{1,3}[\s.-]?(\(?\d{1,4}\)?[\s.-]?){2,5}\d{2,4}")
_SSN = re.compile(r"\d{3}-\d{2}-\d{4}")
_RFC = re.compile(r"[A-ZÑ&]{3,4}\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])[A-Z0-9]{3}")
_CARD = re.compile(r"\d{4}[ -]?\d{4}[ -]?\d{4}[ -]?\d{3,4}")
_WEAK_SHARE, _WEAK_LEAST = 0.8, 5
# What may stand in an amount, a date or a count, right or wrong; anything else could be about a person.
_PLAIN = re.compile(
    r"[+-]?(USD|US\$|MXN|\$|€)?\s?[+-]?(\d{1,3}([.,]\d{3})+([.,]\d*)?|\d{1,24}([.,]\d*)?|[.,]\d+)([eE][+-]?\d{1,3})?\s?(USD|MXN|%)?"
    r"|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ][\d:.]{4,15}Z?)?|[+-]?(inf|infinity)|nan|null|none|n/?a|-*",
    re.IGNORECASE,
)


def words_of(name: str) -> tuple[str, ...]:
    """The words of a column name, in lower case and without accents: `fechaNacimiento` -> fecha, nacimiento."""
    plain = "".join(one for one in unicodedata.normalize("NFKD", name) if not unicodedata.combining(one))
    return tuple(word.lower() for word in _WORD.findall(plain))


def why_name(name: str) -> str:
    """Why a column's name looks personal; empty when it does not."""
    words = words_of(name)
    known = set(words)
    if not words or words[-1] in HARMLESS:
        return ""
    if len(words) == 1 and words[0] in SOLE:
        return f"its name is `{words[0]}`"
    for word in words:
        if word in ALONE or (word in ("name", "nombre", "nombres") and not known & THINGS):
            return f"the word `{word}` in its name"
    found = next((pair for pair in PAIRS if pair[0] in known and known & pair[1]), None)
    return f"the words `{found[0]}` and `{next(one for one in words if one in found[1])}` in its name" if found else ""


def why_values(name: str, values: Sequence[str]) -> str:
    """Why sampled values of a column look personal; empty when they do not. No value is reported."""
    present = [value.strip() for value in values if value.strip()]
    for kind, looks in _STRONG.items():
        if count := sum(1 for value in present if looks(value)):
            return f"{count} of {len(present)} sampled values look like {kind}"
    if {"id", "loan", "key", "reference", "referencia", "folio"} & set(words_of(name)):
        return ""  # an identifier of a loan may look like many things
    for kind, looks in _WEAK.items():
        count = sum(1 for value in present if looks(value))
        if count >= _WEAK_LEAST and count >= _WEAK_SHARE * len(present):
            return f"{count} of {len(present)} sampled values look like {kind}"
    return ""


@dataclass(frozen=True)
class Privacy:
    """The policy of one config. Without a key nothing can be masked, so a tape with personal columns is refused."""

    policy: str = "refuse"
    key: bytes = field(default=b"", repr=False)
    allowed: frozenset[str] = frozenset()

    @classmethod
    def of(cls, section: Mapping[str, Any] | None) -> "Privacy":
        """From the config's section `personal`; UsageError when its key file cannot be relied on."""
        section = section or {}
        path = section.get("key_file")
        key = read_key(Path(path)) if path else b""
        policy = section.get("policy", "mask") if key else "refuse"
        return cls(policy, key, frozenset(section.get("columns", {}).get("allow", ())))

    @property
    def key_id(self) -> str:
        """Which key masks, without showing it; empty without one."""
        return _keyed(self.key, "which key this is")[:12] if self.key else ""

    def find(self, names: Iterable[str], samples: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """The personal columns of a tape and why they look so; `samples` has cells of columns that are not amounts."""
        found = {}
        for name in names:
            if name not in self.allowed and (why := why_name(name) or why_values(name, samples.get(name, ()))):
                found[name] = why
        return found

    def judge(self, source: str, found: Mapping[str, str]) -> list[Finding]:
        """The finding that refuses a tape with these personal columns; none where they are masked."""
        if not found or self.policy == "mask":
            return []
        columns = "; ".join(f"{shown_name(name)} ({why})" for name, why in found.items())
        step = (
            "have the tape delivered without them, or set personal.key_file so that they are masked, "
            "or list those that are not personal in personal.columns.allow"
        )
        return [Finding("personal_data", source, f"{len(found)} columns look personal: {columns}", step)]

    def as_json(self, found: Mapping[str, str]) -> dict[str, Any]:
        """For the record of a run: what was found and what was done about it."""
        columns = {shown_name(name): why for name, why in found.items()}
        return {"policy": self.policy, "key_id": self.key_id, "columns": columns}

    def masked(self, value: str) -> str:
        """A value as its token: the same value gives the same one under the same key; nothing leads back."""
        if not self.key:
            return f"(hidden: {shape(value)})"
        return f"masked:{_keyed(self.key, unicodedata.normalize('NFC', value.strip()))[:TOKEN_HEX]}"

    def shown(self, value: str, *, personal: bool = False) -> str:
        """A cell as it may be published: amounts and dates as they are, all else masked. `personal`: masked always."""
        return value if not personal and is_plain(value) else self.masked(value)


REFUSING = Privacy()
_CURRENT: ContextVar[Privacy] = ContextVar("privacy")


@contextmanager
def publishing(privacy: Privacy) -> Iterator[None]:
    """Within it this policy holds for `shown` and `judge_columns`; outside of any, nothing is masked and all is hidden."""
    token = _CURRENT.set(privacy)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def shown(value: str, *, personal: bool = False) -> str:
    """A cell of a tape as it may stand in a finding, a reason, a log line: by the policy that holds here."""
    return _CURRENT.get(REFUSING).shown(value, personal=personal)


def judge_columns(source: str, names: Sequence[str], rows: Iterable[Sequence[str]] = ()) -> list[Finding]:
    """Whether these columns may be in a tape, by the policy that holds here; `rows` are some of its rows, as text."""
    known = set(AMOUNTS)
    chosen = [(at, name) for at, name in enumerate(names) if name not in known]
    samples: dict[str, list[str]] = {name: [] for _, name in chosen}
    for row in islice(rows, SAMPLES):
        for at, name in chosen:
            samples[name] += row[at : at + 1]
    privacy = _CURRENT.get(REFUSING)
    return privacy.judge(source, privacy.find([name for _, name in chosen], samples))


def describe(names: Iterable[str]) -> dict[str, Any]:
    """For the record of a run: which of its columns look personal, and what is done about it here."""
    privacy = _CURRENT.get(REFUSING)
    return privacy.as_json(privacy.find(names, {}))


def shape(value: str) -> str:
    """What a value looks like without showing it: letters become `?`, digits `9`."""
    cut = value.strip()[:SHAPE_SIGNS]
    return "".join("9" if sign.isdigit() else "?" if sign.isalnum() else sign for sign in cut) + "..." * (
        len(value) > len(cut)
    )


def is_plain(value: str) -> bool:
    """Whether a cell can only be an amount, a date or a word for null, and so is about nobody."""
    text = value.strip()
    number = text.lstrip("+-")  # so many digits and nothing else: a telephone, an account, a national id
    return bool(_PLAIN.fullmatch(text)) and not (number.isdigit() and len(number) >= 8) and not _SSN.fullmatch(text)


def read_key(path: Path) -> bytes:
    """The masking key, from a file that its owner alone may read."""
    step = "make one with: head -c 32 /dev/urandom > FILE; owner: the service's user, mode 0400"
    try:
        mode, key = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise UsageError(
            Finding("config", str(path), f"the masking key cannot be read: {error.strerror}", step)
        ) from error
    findings = []
    if stat.S_IMODE(mode) & 0o077:
        findings.append(Finding("config", str(path), f"mode {stat.S_IMODE(mode):04o}: others may read the key", step))
    if len(key) < KEY_BYTES:
        findings.append(Finding("config", str(path), f"a key of {len(key)} bytes, {KEY_BYTES} are the least", step))
    if findings:
        raise UsageError(findings)
    return key


def _keyed(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _is_iban(value: str) -> bool:
    text = value.replace(" ", "").upper()
    if not _IBAN.fullmatch(text):
        return False
    return int("".join(str(int(sign, 36)) for sign in text[4:] + text[:4])) % 97 == 1


def _is_card(value: str) -> bool:
    if not _CARD.fullmatch(value):
        return False
    digits = [int(sign) for sign in reversed(value) if sign.isdigit()]
    doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + doubled) % 10 == 0


_STRONG = {
    "e-mail addresses": lambda value: bool(_EMAIL.fullmatch(value)),
    "CURPs": lambda value: bool(_CURP.fullmatch(value.upper())),
    "IBANs": _is_iban,
}
_WEAK = {
    "telephone numbers": lambda value: bool(_PHONE.fullmatch(value)),
    "social security numbers": lambda value: bool(_SSN.fullmatch(value)),
    "tax ids": lambda value: bool(_RFC.fullmatch(value.upper())),
    "card numbers": _is_card,
}
