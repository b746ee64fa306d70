"""Sends notices through Apprise, in the background: the sender never waits for a mail server, and learns how each went.

Each channel has a thread and a queue of its own, so that a slow one delays no other. An address holds tokens:
no log line, outcome or error shows any part of one.
"""

import logging
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from cutover.core.secret import Secret

if TYPE_CHECKING:
    import apprise

Kind = Literal["info", "success", "warning", "failure"]
NOISY = ("urllib3", "requests", "requests_oauthlib", "oauthlib", "markdown")  # loggers of what Apprise brings
OPEN = ("smtp", "mode", "format")  # settings of an address that hold no token
SHORTEST_TOKEN = 4
HIDDEN = "***"


@dataclass(frozen=True)
class Message:
    """What is sent: a line, a text, and how severe it is."""

    subject: str
    body: str
    kind: Kind = "info"


@dataclass(frozen=True)
class DeliveryOutcome:
    """How it went on a channel; `why` gives the reason for a failure."""

    channel: str
    ok: bool
    why: str = ""
    seconds: float = 0.0


Deliver = Callable[[Secret, Message], str]  # gives why it failed, or "" where it was accepted


class Sending:
    """One message on its way over one channel. Only one thread may ask for its outcome."""

    def __init__(self, channel: str, address: Secret | str, message: Message, deadline_s: float) -> None:
        self.channel, self._address, self._message, self._deadline_s = channel, address, message, deadline_s
        self._began = time.monotonic()
        self._future: Future[DeliveryOutcome] = Future()
        self._outcome: DeliveryOutcome | None = None

    def run(self, deliver: Deliver) -> None:
        """Send it, unless it was given up before its turn came."""
        if self._future.set_running_or_notify_cancel():
            self._future.set_result(self._ended(self._delivered(deliver)))

    def _delivered(self, deliver: Deliver) -> str:
        if isinstance(self._address, str):
            return self._address
        try:
            return deliver(self._address, self._message)
        except Exception as error:  # noqa: BLE001 - whatever a notifier does wrong is its outcome, and ends no run
            return redacted(f"{type(error).__name__}: {error}", self._address)

    def outcome(self) -> DeliveryOutcome | None:
        """How it went; None while it is on its way."""
        return self.wait() if self._future.done() or self._left() <= 0 else None

    def wait(self) -> DeliveryOutcome:
        """Wait for its outcome; at its deadline it is given up."""
        if self._outcome is None:
            try:
                self._outcome = self._future.result(max(0.0, self._left()))
            except TimeoutError:
                waiting = self._future.cancel()
                why = "the channel was busy and it was not sent" if waiting else "no answer"
                after = "" if waiting else "; it may still arrive"
                self._outcome = self._ended(f"{why} within {self._deadline_s:g} s{after}")
        return self._outcome

    def _left(self) -> float:
        return self._began + self._deadline_s - time.monotonic()

    def _ended(self, why: str) -> DeliveryOutcome:
        return DeliveryOutcome(self.channel, not why, why, round(time.monotonic() - self._began, 3))


class Sender:
    """Sends over channels; `deliver` does the work, one call at a time on each channel."""

    def __init__(self, deadline_s: float, deliver: Deliver | None = None) -> None:
        self._deadline_s, self._deliver = deadline_s, deliver or over_apprise
        self._queues: dict[str, SimpleQueue[Sending]] = {}

    def send(self, channel: str, address: Secret | str, message: Message) -> Sending:
        """Queue a message and return at once. In place of an address there may be the reason why there is none."""
        sending = Sending(channel, address, message, self._deadline_s)
        if channel not in self._queues:
            # Not a ThreadPoolExecutor: Python joins its threads at exit, and a mail server that hangs would keep us here.
            queue = self._queues[channel] = SimpleQueue()
            threading.Thread(target=self._work, args=(queue,), name=f"notices-{channel}", daemon=True).start()
        self._queues[channel].put(sending)
        return sending

    def _work(self, queue: "SimpleQueue[Sending]") -> None:
        while True:
            queue.get().run(self._deliver)


def over_apprise(address: Secret, message: Message) -> str:
    """Send one message; gives why it failed, without any part of the address."""
    import apprise

    notifier = _notifier()
    if why := _added(notifier, address):
        return why
    result = notifier.notify(
        body=message.body, title=message.subject, notify_type=apprise.NotifyType(message.kind),
        body_format=apprise.NotifyFormat.TEXT,
    )  # fmt: skip
    if result:
        return ""
    said = "; ".join(dict.fromkeys(entry.message for entry in result.logs()))
    return redacted(said or "the service rejected it without a reason", address)


def unusable(address: Secret) -> str:
    """Why an address cannot be used, as far as that shows without sending; "" where it can."""
    return _added(_notifier(), address)


def _added(notifier: "apprise.Apprise", address: Secret) -> str:
    """Give the notifier an address, and keep it out of every log, however loud logging is set elsewhere."""
    _REDACTING.known.add(address)
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.addFilter(_REDACTING)  # once, however often it is added
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    if notifier.add(address.reveal()):
        return ""
    scheme = re.match(
        r"([a-z][a-z0-9+.-]{1,20})://", address.reveal(), re.IGNORECASE
    )  # the one part that is not secret
    return f"the address is not usable ({f'{scheme[1]}://...' if scheme else 'it has no scheme such as mailto://'})"


def redacted(words: str, address: Secret) -> str:
    """Words without any part of an address but its host: no users, passwords, tokens, targets."""
    for part in sorted(_parts(address.reveal()), key=len, reverse=True):
        words = words.replace(part, HIDDEN)
    return " ".join(words.split())


def _notifier() -> "apprise.Apprise":
    """Works in the calling thread, stores nothing on disk, loads no plugins, follows no redirect with a token."""
    import apprise

    asset = apprise.AppriseAsset(
        app_id="cutover", app_desc="cutover", app_url="", async_mode=False, service_timeout=0, storage_mode="memory",
        timezone="UTC", http_redirects=False, secure_logging=True,
    )  # fmt: skip
    return apprise.Apprise(asset=asset)


class _Redacting(logging.Filter):
    """Takes every known address out of what Apprise logs, before any handler sees it; some of it has addresses in full."""

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


def _parts(address: str) -> set[str]:
    """Every part of an address that could be a token, as written and unquoted."""
    whole = urlsplit(address)
    query = [value for name, value in parse_qsl(whole.query, keep_blank_values=True) if name not in OPEN]
    user = whole.netloc.rpartition("@")[0].split(":")
    # Services such as slack://TOKEN/TOKEN keep a token in the place of the host.
    host = [whole.netloc.rpartition("@")[2]] if not re.search(r"[.:]", whole.netloc) else []
    found = {address, *query, *user, *host, *re.split(r"[/:@,?&=#]", whole.path), whole.fragment}
    return {part for one in found for part in (one, unquote(one)) if len(part) >= SHORTEST_TOKEN}
