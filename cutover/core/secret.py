"""A value that shows itself only as a digest: in plan, diff, journal, evidence and log alike."""

import hashlib
import hmac
from typing import NoReturn


class Secret:
    """Text that prints as `<secret sha256:1a2b3c4d>`; only `reveal()` gives it away, and nothing stores it in clear."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself; call it only where it is written to its host or compared."""
        return self._text

    @property
    def digest(self) -> str:
        """SHA-256 of the text, in hexadecimal."""
        return hashlib.sha256(self._text.encode()).hexdigest()

    def __str__(self) -> str:
        return f"<secret sha256:{self.digest[:8]}>"

    def __repr__(self) -> str:
        return str(self)

    def __format__(self, _spec: str) -> str:
        return str(self)  # whole, whatever width is given: half a mask would look like half a secret

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self.digest)

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, _memo: object) -> "Secret":
        return self  # immutable, and `dataclasses.asdict` copies deeply

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a Secret is not pickled: keep str(secret), its digest, instead")
