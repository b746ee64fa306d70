"""A watch in fast motion: hosts that are made up, the real rules, a clock that jumps; the journal is a real one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cutover.core.samples import Sample
from cutover.journal.journal import Journal
from cutover.monitor.rules.rulebook import Cadence, paced
from cutover.monitor.settings import Settings
from cutover.monitor.state import Responses, Signoff, WatchClock, WatchState
from cutover.monitor.watch import Judges, Watch, WatchEnd
from tests.monitor.watch_samples import documents, shipped

HOUR = 3600.0
SEEDS = Cadence(((4 * HOUR, 0.5 * HOUR), (8 * HOUR, HOUR), (16 * HOUR, 2 * HOUR), (24 * HOUR, 4 * HOUR)))
SEEDS_AND_DAYS = Cadence((*SEEDS.stretches, (28 * 24 * HOUR, 24 * HOUR)))
BEGAN = 1_800_000_000.0
TAPES_AN_HOUR = 1200

Disturb = Callable[[str, float, dict[str, Any]], None]  # host, watch seconds, the documents of a look


def settings(**changed: Any) -> Settings:
    """The seeds' 24 hours, looked at every five minutes so that a test is quick."""
    known = {
        "look_s": 300.0, "cadence": SEEDS, "live_s": 24 * HOUR, "scale": 1.0, "hold_s": HOUR, "hold_default": "stay",
        "deciders": ("engineering_lead",),
        "signers": {"hour_24": ("engineering_lead",)}, "book": paced(shipped(), 300.0),
    }  # fmt: skip
    return Settings(**{**known, **changed})


@dataclass
class Hosts:
    """Hosts whose service does what it should, but for what `disturb` does to a look."""

    disturb: Disturb = lambda _host, _t, _documents: None
    silent: Callable[[str, float], bool] = lambda _host, _t: False

    def __call__(self, clock: WatchClock, hosts: Sequence[str], *, row: bool) -> list[Sample]:
        """One sample of each."""
        return [self._sample(clock, host, row=row) for host in hosts]

    def _sample(self, clock: WatchClock, host: str, *, row: bool) -> Sample:
        t = clock.t
        if self.silent(host, t):
            return Sample(host, clock.now(), t, row=row, error="no route to host")
        found = healthy(t, clock.scale)
        self.disturb(host, t, found)
        return Sample(host, clock.now(), t, found, row)


def healthy(t: float, scale: float = 1.0) -> dict[str, Any]:
    """What a look at a sound service finds after so many seconds."""
    tapes = int(t / HOUR * TAPES_AN_HOUR) + 1
    return documents(tapes, 0.02 * tapes / scale)


@dataclass
class Reel:
    """One watch in fast motion: run it, look at its journal, run it again as after a restart."""

    folder: Path
    hosts: tuple[str, ...] = ("web1", "web2")
    look: Hosts = field(default_factory=Hosts)
    settings: Settings = field(default_factory=settings)
    signoffs: list[tuple[float, Signoff]] = field(default_factory=list)  # by when on the watch's clock they are said
    reported: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    now: float = BEGAN
    went_back_t: float = float("inf")
    most_t: float = 60 * HOUR  # a watch that goes on for longer is a failure, and not a test that hangs

    @property
    def t(self) -> float:
        """Now, on the watch's clock."""
        return (self.now - BEGAN) * self.settings.scale

    def run(self, *, once: bool = False, stays: bool = True) -> WatchEnd:
        """Take the watch up where its journal is."""
        journal = self.journal()
        judges = Judges(self.settings.book, self.hosts, self.settings.look_s)
        for record in journal.records:
            judges(record)
        state = WatchState.of(journal.records)
        journal.listen(state)
        journal.listen(judges)
        if not state.started_at:
            journal.write("watch.started", began=BEGAN, hosts=list(self.hosts), **self.settings.as_json())
        watch = Watch(
            self.settings, self.hosts, journal, state, judges, WatchClock(BEGAN, self.settings.scale, lambda: self.now),
            self.look, lambda event, reasons: self.reported.append((event, tuple(reasons))), self._responses, self._wait,
        )  # fmt: skip
        try:
            return watch.run(once=once, stays=stays)
        finally:
            journal.close()

    def journal(self) -> Journal:
        """Its journal."""
        return Journal(self.folder / "watch.jsonl", now=self._stamp)

    def records(self, *kinds: str) -> list[dict[str, Any]]:
        """What the journal has of some kinds."""
        journal = self.journal()
        journal.close()
        return [record.data for record in journal.of(*kinds)]

    def events(self, name: str) -> list[tuple[str, ...]]:
        """With what people were reported of an event."""
        return [reasons for event, reasons in self.reported if event == name]

    def _stamp(self) -> str:
        return f"{self.now:020.3f}"  # sorts as ISO 8601 does

    def _responses(self, _since: str) -> Responses:
        said = [one for t, one in self.signoffs if t <= self.t]
        return Responses(tuple(said), self.t >= self.went_back_t)

    def _wait(self, seconds: float) -> None:
        assert self.t < self.most_t, "the watch does not end"
        self.now += max(seconds, 1.0)
