"""Sends notices through Apprise, in the background: who sends never waits for a mail server, and hears how each went.

Each channel has a thread and a bounded queue of its own, so that a slow one delays no other. An address holds tokens:
no log line, no outcome and no error shows any part of one.
"""

import logging
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Full, Queue
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from cutover.core.secret import Secret

if TYPE_CHECKING:
    import apprise

Kind = Literal["info", "success", "warning", "failure"]
QUEUED = 50  # notices that may wait on one channel
TALKATIVE = (
    "urllib3",
    "requests",
    "requests_oauthlib",
    "oauthlib",
    "markdown",
)  # what Apprise brings, and does not need to be heard
OPEN = ("smtp", "mode", "format")  # settings of an address that hold no token
SHORTEST_TOKEN = 4
HIDDEN = "***"


@dataclass(frozen=True)
class Message:
    """What is sent: a line, a text, and how grave it is."""

    subject: str
    body: str
    kind: Kind = "info"


@dataclass(frozen=True)
class Outcome:
    """How it went on a channel; `why` says so where it did not go well."""

    channel: str
    ok: bool
    why: str = ""
    seconds: float = 0.0


Deliver = Callable[[Secret, Message], str]  # gives why it failed, or "" where it was taken


@dataclass
class Sending:
    """One message on its way over one channel."""

    channel: str
    address: Secret
    message: Message
    deadline: float
    began: float = field(default_factory=time.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ended: threading.Event = field(default_factory=threading.Event)
    _outcome: Outcome | None = None
    _started: bool = False

    def start(self) -> bool:
        """Take it in hand; False where it was given up before that, and so is not sent any more."""
        with self._lock:
            self._started = self._outcome is None
            return self._started

    def end(self, why: str) -> None:
        """Note how it went; what was given up stays given up."""
        with self._lock:
            if self._outcome is None:
                self._outcome = Outcome(self.channel, not why, why, round(time.monotonic() - self.began, 3))
                self._ended.set()

    def outcome(self) -> Outcome | None:
        """How it went; None while that is open. Past its deadline it is given up."""
        if time.monotonic() - self.began >= self.deadline:
            sent = "no answer" if self._started else "the channel was busy and it was not sent"
            late = "; it may still arrive" if self._started else ""
            self.end(f"{sent} within {self.deadline:g} s{late}")
        return self._outcome

    def wait(self, seconds: float) -> Outcome | None:
        """Wait so long for its outcome, and not beyond its deadline."""
        left = self.began + self.deadline - time.monotonic()
        self._ended.wait(max(0.0, min(seconds, left)))
        return self.outcome()


class Sender:
    """Sends over channels; `deliver` does the work, one call at a time on each channel."""

    def __init__(self, deadline_s: float, deliver: "Deliver | None" = None) -> None:
        self._deadline = deadline_s
        self._deliver = deliver or over_apprise
        self._queues: dict[str, Queue[Sending]] = {}
        self._lock = threading.Lock()

    def send(self, channel: str, address: Secret, message: Message) -> Sending:
        """Queue a message and return at once."""
        sending = Sending(channel, address, message, self._deadline)
        try:
            self._queue(channel).put_nowait(sending)
        except Full:
            sending.end(f"{QUEUED} earlier notices wait on this channel already")
        return sending

    def _queue(self, channel: str) -> "Queue[Sending]":
        with self._lock:
            if channel not in self._queues:
                queue: Queue[Sending] = Queue(QUEUED)
                self._queues[channel] = queue
                threading.Thread(target=self._work, args=(queue,), name=f"notices-{channel}", daemon=True).start()
            return self._queues[channel]

    def _work(self, queue: "Queue[Sending]") -> None:
        while True:
            sending = queue.get()
            if sending.start():
                sending.end(self._tried(sending))

    def _tried(self, sending: Sending) -> str:
        try:
            return self._deliver(sending.address, sending.message)
        except Exception as error:  # noqa: BLE001 - whatever a notifier does wrong is its outcome, and ends no run
            return redacted(f"{type(error).__name__}: {error}", sending.address)


def over_apprise(address: Secret, message: Message) -> str:
    """Send one message; gives why it failed, in words without any part of the address."""
    import apprise

    _hush(address)
    notifier = _notifier()
    if not notifier.add(address.reveal()):
        return f"its address is none that can be used{_scheme(address)}"
    result = notifier.notify(
        body=message.body, title=message.subject, notify_type=apprise.NotifyType(message.kind),
        body_format=apprise.NotifyFormat.TEXT,
    )  # fmt: skip
    if result:
        return ""
    said = "; ".join(dict.fromkeys(entry.message for entry in result.logs()))
    return redacted(said or "the service did not take it, and does not say why", address)


def unusable(address: Secret) -> str:
    """Why an address cannot be used, as far as that shows without sending; "" where it can."""
    _hush(address)
    return "" if _notifier().add(address.reveal()) else f"its address is none that can be used{_scheme(address)}"


def redacted(words: str, address: Secret) -> str:
    """Words in which no part of an address is left but its host: users, passwords, tokens, targets."""
    for part in sorted(_parts(address.reveal()), key=len, reverse=True):
        words = words.replace(part, HIDDEN)
    return " ".join(words.split())


def _notifier() -> "apprise.Apprise":
    """Works in the thread that calls it, keeps nothing on disk, loads no plugins of its own, follows no redirect with a token."""
    import apprise

    asset = apprise.AppriseAsset(
        app_id="cutover", app_desc="cutover", app_url="", async_mode=False, service_timeout=0, storage_mode="memory",
        timezone="UTC", http_redirects=False, secure_logging=True,
    )  # fmt: skip
    return apprise.Apprise(asset=asset)


class _Redacting(logging.Filter):
    """Takes every known address out of what Apprise logs, before any handler sees it; some of it names addresses in full."""

    def __init__(self) -> None:
        super().__init__()
        self.known: set[Secret] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the record pass, redacted."""
        words = record.getMessage()
        for address in list(self.known):
            words = redacted(words, address)
        record.msg, record.args = words, ()
        return True


_REDACTING = _Redacting()


def _hush(address: Secret) -> None:
    """Nothing that is logged of an address shows it, however loud logging is set elsewhere."""
    _REDACTING.known.add(address)
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.addFilter(_REDACTING)  # once, however often it is added
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _scheme(address: Secret) -> str:
    """What kind of address it claims to be; the one part of it that is no secret."""
    scheme = re.match(r"([a-z][a-z0-9+.-]{1,20})://", address.reveal(), re.IGNORECASE)
    return f" ({scheme[1]}://...)" if scheme else " (it does not begin with a scheme such as mailto://)"


def _parts(address: str) -> set[str]:
    """Every part of an address that could be a token, as written and unquoted."""
    whole = urlsplit(address)
    query = [value for name, value in parse_qsl(whole.query, keep_blank_values=True) if name not in OPEN]
    user = whole.netloc.rpartition("@")[0].split(":")
    # Where there is a path, services such as slack://TOKEN/TOKEN keep a token in the place of the host too.
    host = [whole.netloc.rpartition("@")[2]] if not re.search(r"[.:]", whole.netloc) else []
    found = {address, *query, *user, *host, *re.split(r"[/:@,?&=#]", whole.path), whole.fragment}
    return {part for one in found for part in (one, unquote(one)) if len(part) >= SHORTEST_TOKEN}
