"""What the agent's answers must be: a host is trusted with itself, and not with the controller's memory, paths or way back.

Each is checked where it comes in, with sizes; what is wrong with one is that host's own finding, and the others go on.
"""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from cutover.agent.document import refuse_unusable
from cutover.agent.state_dir import KNOWN_RUNS, RUN_ID

DEEPEST = 64  # lists and objects in each other
HALF_A_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")  # it may be one; only in pairs can it be written anywhere

Text = Annotated[str, Field(max_length=1 << 20)]
Word = Annotated[str, Field(max_length=1000)]
RunId = Annotated[str, Field(pattern=rf"^{RUN_ID}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]  # becomes a path here
Seconds = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
Number = Annotated[int, Field(ge=0, le=2**53)]
Document = dict[str, Any]


class _Answer(BaseModel):
    """Strict: 1 is not true, "1" is not 1. What we do not know is kept, since another version may say more."""

    model_config = ConfigDict(strict=True, extra="allow")


class Lease(_Answer):
    """Who holds the host."""

    token: Number
    run: RunId | None
    holder: Word | None
    released: bool
    held: bool
    seconds_left: Seconds
    nonce: Word = ""
    process: Word = ""
    taken_at: Word = ""


class Revert(_Answer):
    """The host's own revert."""

    armed: bool
    run: RunId = ""
    armed_at: Word = ""
    confirm_s: Seconds = 0.0


class Reverted(_Answer):
    """How the host's own revert went."""

    at: Word
    ok: bool


class RunState(_Answer):
    """How a run left the host."""

    status: Word
    at: Word = ""
    cause: Text = ""
    owed: Annotated[list[Name], Field(fail_fast=True)] = []


class Head(_Answer):
    """How far a journal of the run had come."""

    journal: Word
    seq: Number
    hash: Word


class KnownRun(_Answer):
    """A run that the host remembers."""

    run: RunId
    batches: Annotated[list[Name], Field(max_length=1000, fail_fast=True)]
    state: RunState | None
    reverted: Reverted | None
    heads: Annotated[list[Head], Field(max_length=1000, fail_fast=True)]


class Outcome(_Answer):
    """What came of a step."""

    id: Word
    ok: bool
    changed: bool
    left: bool
    before: Document
    after: Document
    differences: Annotated[list[Text], Field(fail_fast=True)]
    error: Text | None
    started_at: Word
    finished_at: Word
    seconds: Seconds


# An error in each of many would fill the memory before the first is shown.
Outcomes = Annotated[list[Outcome], Field(max_length=1000, fail_fast=True)]


class WholeReverted(Reverted):
    """The same with the steps of the way back."""

    steps: Outcomes = []


class BatchRefusal(_Answer):
    """Why a batch was refused."""

    reason: Word
    message: Text


class Begun(_Answer):
    """The answer to `begin`."""

    lease: Lease
    reverted: WholeReverted | None


class Leased(_Answer):
    """The answer to `renew` and `release`."""

    lease: Lease


class Status(_Answer):
    """The answer to `status`."""

    lease: Lease
    revert: Revert
    runs: Annotated[list[KnownRun], Field(max_length=KNOWN_RUNS, fail_fast=True)]
    boot_id: Word
    at: Word


class Looked(_Answer):
    """The answer to `look`."""

    states: dict[Word, Document]
    at: Word


class Measured(_Answer):
    """The answer to `measure`."""

    outcomes: Outcomes


class BatchResult(_Answer):
    """What a batch came to."""

    outcomes: Outcomes
    refused: BatchRefusal | None


class Applied(_Answer):
    """The answer to `apply`."""

    result: BatchResult


class Ran(_Answer):
    """The answer to `shell`."""

    exit_code: int | None
    stdout: str
    stderr: str
    end: Word


class Kept(_Answer):
    """The answer to `plan`: both are checked as documents of their own."""

    plan: Document | None
    approval: Document | None


class Failed(_Answer):
    """Any answer that is not ok."""

    reason: Word
    message: Text
    path: Word = ""


ANSWERS: Mapping[str, TypeAdapter[Any]] = {
    verb: TypeAdapter(model)
    for verb, model in {
        "apply": Applied, "arm": Revert, "begin": Begun, "disarm": Revert, "look": Looked, "measure": Measured, "plan": Kept,
        "record": _Answer, "release": Leased, "renew": Leased, "shell": Ran, "status": Status,
    }.items()
}  # fmt: skip
FAILED = TypeAdapter(Failed)


class Unreadable(Exception):
    """The answer is not what the agent answers; the message says what was found."""


def parse(verb: str, line: bytes) -> tuple[bool, Document]:
    """Whether an answer is ok, and the answer; Unreadable where it is not an answer to this verb."""
    try:
        document = json.loads(line.decode())  # bytes would be taken for UTF-16 as well
        if HALF_A_CHARACTER.search(line):
            json.dumps(document, ensure_ascii=False).encode()
        refuse_unusable(document, DEEPEST)
    except (ValueError, RecursionError) as wrong:
        raise Unreadable(f"{wrong}: {line[:200]!r}") from None
    if not isinstance(document, dict) or not isinstance(document.get("ok"), bool):
        raise Unreadable(f"it does not say whether it is ok: {line[:200]!r}")
    try:
        (ANSWERS[verb] if document["ok"] else FAILED).validate_python(document)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise Unreadable(f"{place}: {first['msg']}, found {str(first['input'])[:100]!r}") from None
    return document["ok"], document
