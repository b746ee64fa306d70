"""Plain `{{ name }}` references inside values, as Ansible's users write them; never filters, tests or logic."""

from collections.abc import Callable
from dataclasses import dataclass

from jinja2 import Environment, TemplateSyntaxError, nodes

from cutover.words.secret import Secret

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
