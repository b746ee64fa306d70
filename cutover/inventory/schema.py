"""Checks what people wrote against pydantic models: each misfit is a Problem with its place, what was expected and found."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Self, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from cutover.agent.compare import is_number
from cutover.core.errors import Problem
from cutover.core.secret import Secret
from cutover.inventory.yamlfile import Keys

_EXPECTED = {  # where pydantic's own words are not a user's
    "string_type": "text",
    "model_type": "a map",
    "dict_type": "a map",
    "list_type": "a list",
    "tuple_type": "a list",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
}


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean web1? `, with a space behind it, or "" when no known word is close."""
    return "".join(f"did you mean {match}? " for match in get_close_matches(word, list(known), n=1))


def listed(words: Iterable[str], at_most: int = 20) -> str:
    """The words separated by commas; past `at_most` their number instead, so that a message stays readable."""
    all_words = list(words)
    more = len(all_words) - at_most
    return (", ".join(all_words[:at_most]) or "none") + (f" and {more} more" if more > 0 else "")


def named(value: object) -> str:
    """What a value is, for a person: `text "20"`, `the number 7`, `a list`; never the inside of a secret."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f'text "{value}"'
    return str(value) if isinstance(value, Secret) else "a map" if isinstance(value, dict) else "a list"


Refusals = Iterator[tuple[Keys, str, str]]  # key path, what was found, what to do next


class Schema(BaseModel):
    """Base of the models of files: keys must be known, values of their type, numbers finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def refusals(self) -> Refusals:
        """What is wrong with values that fit their types; a model with more to check has its own."""
        yield from ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        errors = [
            InitErrorDetails(type=misfit(found, advice), loc=keys, input=None)
            for keys, found, advice in self.refusals()
        ]
        if errors:
            raise ValidationError.from_exception_data("misfits", errors)
        return self


ModelT = TypeVar("ModelT", bound=BaseModel)


def misfit(found: str, advice: str) -> PydanticCustomError:
    """What a validator raises: it becomes a Problem with these words."""
    return PydanticCustomError("misfit", "{found}", {"found": found, "next": advice})


def one_of(what: str, names: Iterable[str] = ()) -> AfterValidator:
    """Accepts one of these names, or of those that the validation's context has under `what`."""
    there = tuple(names)

    def check(value: str, info: ValidationInfo) -> str:
        known = (info.context or {}).get(what, there)
        if value not in known:
            raise misfit(f"unknown {what} `{value}`", f"{did_you_mean(value, known)}there are {listed(known)}")
        return value

    return AfterValidator(check)


def _filled(text: str) -> str:
    if not (stripped := text.strip()):
        raise misfit("is empty", "write at least one word")
    return stripped


def unique(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, none of which may stand there twice."""
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise misfit(f"lists {', '.join(f'`{name}`' for name in twice)} more than once", "keep one")
    return names


# Text that ends up in paths, unit files and command lines: its pattern, and what it is in words.
FORMS = {
    "line": (r"[^\x00-\x1f\x7f\x85\u2028\u2029]*", "text of one line"),
    "path": (
        r"/(?!(.*/)?\.\.(/|\Z))[\w./@:,=+~-]*",
        "an absolute path of letters, digits and . _ @ : , = + ~ -, without `..`",
    ),
    "inside": (r"[\w+-][\w.+-]*(/[\w+-][\w.+-]*)*", "a path inside a directory, such as files/app.conf"),
    "name": (r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}", "a name of letters, digits and . _ + -"),
    "user": (r"[a-z_][a-z0-9_-]{0,31}", "a user name as useradd accepts it"),
    "unit": (r"[A-Za-z0-9:_.@-]{1,200}\.service", "the name of a unit, such as app.service"),
    "memory": (r"[1-9][0-9]{0,15}[KMGT]?|infinity", "a memory size as systemd reads it, such as 512M or 1G"),
    "url": (r"https?://[^\s\x00-\x1f\x7f\"'\\]+", "a URL, such as http://127.0.0.1:8000/healthz"),
    "connection": (r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+):[0-9]{1,5}", "HOST:PORT"),
}


def form(name: str) -> AfterValidator:
    """Accepts text of one of the FORMS, whole."""
    pattern, expected = FORMS[name]
    whole = re.compile(pattern)

    def check(text: str) -> str:
        if not whole.fullmatch(text):
            raise ValueError(f"expected {expected}")
        return text

    return AfterValidator(check)


Text = Annotated[str, AfterValidator(_filled)]
Names = Annotated[tuple[Text, ...], Field(strict=False), AfterValidator(unique)]


# Durations, as people write them.

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def seconds(written: object) -> float:
    """The seconds of a duration as people write it: 15s, 1h30m, 7d, or a number of seconds; ValueError otherwise."""
    if is_number(written) and math.isfinite(written) and written >= 0:
        return float(written)
    parts = _PART.findall(written) if isinstance(written, str) else []
    if not parts or "".join(number + unit for number, unit in parts) != str(written).strip():
        how = "write a number and one of s, m, h, d, w, for instance 15s, 30m, 4h, 7d or 1h30m"
        raise misfit(f"`{written}` is not a duration", how)
    return math.fsum(float(number) * UNITS[unit] for number, unit in parts)


Duration = Annotated[float, BeforeValidator(seconds)]


def words(duration: float) -> str:
    """A number of seconds as people and Prometheus write it: 500ms, 15s, 10m, 1h30m, 7d."""
    left, text = round(duration * 1000), ""
    for unit in ("d", "h", "m", "s", "ms"):
        whole, left = divmod(left, round(UNITS.get(unit, 0.001) * 1000))
        text += f"{whole}{unit}" if whole else ""
    return text or "0s"


def validate(
    model: type[ModelT],
    value: object,
    where: Callable[..., str],
    problems: list[Problem],
    context: Mapping[str, Iterable[str]] | None = None,
) -> ModelT | None:
    """The value as its model; None when it does not fit, with every reason added to `problems`.

    `where(*keys)` gives the place of a key path. `context` has the names that `one_of` accepts.
    """
    try:
        return model.model_validate(value, context=context)
    except ValidationError as error:
        problems += [_problem(model, one, where) for one in error.errors()]
        return None


def _problem(model: type[BaseModel], error: ErrorDetails, where: Callable[..., str]) -> Problem:
    keys: Keys = tuple(key for key in error["loc"] if key != "[key]")
    known = listed(_fields(model, keys[:-1]))
    match error["type"]:
        case "misfit":
            found, advice = error["ctx"]["found"], error["ctx"]["next"]
        case "extra_forbidden":
            close = did_you_mean(str(keys[-1]), _fields(model, keys[:-1]))
            found, advice = f"unknown key `{keys[-1]}`", f"{close}known keys: {known}"
        case "missing":
            found, advice = f"`{keys[-1]}` is missing", f"add it; known keys: {known}"
        case _:
            expected = _EXPECTED.get(error["type"], error["msg"].removeprefix("Input should be "))
            found = f"expected {expected}, found {named(error['input'])}"
            advice = "write `key: value` lines below it" if expected == "a map" else "correct the value"
    return Problem(found, advice, path=where(*keys))


def _fields(model: type[BaseModel], keys: Keys) -> list[str]:
    """The keys that the model below a key path has."""
    model = (_model_in(model.model_fields["root"].annotation) or model) if "root" in model.model_fields else model
    for key in keys:
        if key in model.model_fields:
            model = _model_in(model.model_fields[str(key)].annotation) or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside a type such as `dict[str, Model] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model_in(inner))), None)
