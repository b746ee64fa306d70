"""Journals of watches made by hand, in the shape of real ones: a day of looks in a second, with what can go wrong in it."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cutover.core.samples import Judgement, Level, Sample
from cutover.core.verdict import Verdict, worst
from cutover.journal.record import Record
from cutover.monitor.rules.judge import LEVEL_VERDICT
from cutover.monitor.views.story import WatchStory
from cutover.timeline.presentation import presentation
from tests.checkout import ROOT
from tests.monitor.watch_samples import only
from tests.monitor.watches import SEEDS

SHOWN = presentation(ROOT, "abaco").watch
START = datetime(2026, 1, 2, 4, 0, 0, tzinfo=UTC)
RUN = "20260102T030405Z-abc123"
HOUR = 3600.0
HOSTS = ("web1", "web2", "web3")
POINTS = (("hour_1", HOUR), ("hour_8", 8 * HOUR), ("hour_24", 24 * HOUR))
BOOK = only("latency", "error_rate", "memory", "cpu", "restarts")
RULES = {rule.name: rule for rule in BOOK.rules}


class Server:
    """A made-up host: what it is like now."""

    def __init__(self, name: str, number: int) -> None:
        self.name, self.number, self.away = name, number, ""
        self.latency_ms, self.errors, self.memory_mb, self.cpu = 11.0 + number, 0.0, 41.0 + 2 * number, 0.03
        self.kpis = {"PAR30": 2.21 + number / 100, "PAR90": 0.32, "CollectionRate": 11.97, "PortfolioHealth": 10.0}

    def wave(self, t: float) -> float:
        """A little up and down, the same every time."""
        return math.sin(t / 700 + self.number) * math.sin(t / 90 + 2 * self.number)

    def documents(self, t: float) -> dict[str, Any]:
        """What of a sample is shown as it is."""
        return {
            "figures": {"kpis": {name: round(kpi * (1 + 0.002 * self.wave(t)), 6) for name, kpi in self.kpis.items()}}
        }

    def judged(self, t: float) -> list[Judgement]:
        """What the rules would say."""
        n = max(0, min(300, int(t / 2)))
        return [
            self.rule("latency", self.latency_ms * (1 + 0.2 * self.wave(t)), n),
            self.rule("error_rate", self.errors, n),
            self.rule("memory", self.memory_mb, 1),
            self.rule("cpu", 100 * self.cpu, 1),
            self.rule("restarts", 0, 1),
        ]

    def rule(self, name: str, value: float, n: int) -> Judgement:
        """A judgement by the limits that are shipped, without hold times."""
        limits, signal = RULES[name].limits, RULES[name].signal
        passed = [one for one in limits if value > one.limit]
        level: Level = passed[-1].level if passed else ""
        limit = passed[-1].limit if passed else limits[0].limit
        small = name == "error_rate" and n < 100
        verdict = Verdict.INCONCLUSIVE if small else LEVEL_VERDICT[level]
        words = f"{value:.4g} {signal.entry.unit}, {'over' if passed else 'within'} {limit:g}, n {n}"
        return Judgement(
            self.name, name, verdict, words, f"look after {name}" if passed else "", level, level == "rollback" and not small,
            value=value, unit=signal.entry.unit, limit=limit, n=n, bound=value if n else None, window=signal.window,
        )  # fmt: skip


class Watching:
    """Writes the journal of a watch."""

    def __init__(self, *hosts: str, look_s: float = 600.0) -> None:
        self.servers = [Server(name, number) for number, name in enumerate(hosts or HOSTS)]
        self.look_s, self.t = look_s, 0.0
        self.records: list[Record] = []
        self.write(
            "watch.started", run=RUN, environment="stage", hosts=[one.name for one in self.servers], head=None, began=START.timestamp(),
            cadence=[list(stretch) for stretch in SEEDS.stretches], points=[{"name": name, "at": at} for name, at in POINTS], look_s=look_s,
            live_s=24 * HOUR, scale=1.0, rules=BOOK.as_json(),
        )  # fmt: skip

    @property
    def now(self) -> datetime:
        """Real time."""
        return START + timedelta(seconds=self.t)

    def write(self, kind: str, **data: Any) -> "Watching":
        """One more record, now."""
        at = self.now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.records.append(Record.following(self.records[-1] if self.records else None, at, kind, data))
        return self

    def look(self, *, row: bool = False) -> "Watching":
        """One look at every host."""
        for one in self.servers:
            documents = {} if one.away else one.documents(self.t)
            self.write("sample", **Sample(one.name, self.now.timestamp(), self.t, documents, row, one.away).as_json())
        for one in self.servers:
            said = [self.unseen(one)] if one.away else one.judged(self.t)
            verdict = worst(judged.verdict for judged in said)
            kept = [judged.as_json() for judged in said if row or judged.verdict is not Verdict.PASS]
            figures = {judged.rule: judged.value for judged in said if judged.value is not None}
            self.write(
                "judged", host=one.name, t=self.t, row=row, verdict=str(verdict), judgements=kept, figures=figures
            )
        return self

    @staticmethod
    def unseen(one: Server) -> Judgement:
        """What is said of a host that does not answer."""
        return Judgement(one.name, "seen", Verdict.INCONCLUSIVE, f"no sample: {one.away}", "look after the way to it")

    def until(self, t: float, change: Callable[["Watching"], None] | None = None) -> "Watching":
        """Look on until then, with the rows and the points that are due; `change` may turn something before each look."""
        while self.t < t:
            before, self.t = self.t, self.t + self.look_s
            if change:
                change(self)
            self.look(row=bool(SEEDS.between(before, self.t)))
            for name, at in POINTS:
                if before < at <= self.t:
                    self.write("point", name=name, t=self.t, verdict="PASS", answer="go_on", by=0.0, reasons=[])
        return self

    def pause(self, seconds: float, why: str) -> "Watching":
        """Nobody looks for a while."""
        start = self.t
        self.t += seconds
        self.write("watch.resumed", by="ann@desk (process 9)")
        return self.write("watch.gap", from_t=start, to_t=self.t, why=why)

    def finish(self, verdict: str, code: int) -> "Watching":
        """The end of it."""
        return self.write("watch.finished", verdict=verdict, exit_code=code, t=self.t)

    def notice(self, event: str, *channels: tuple[str, bool]) -> "Watching":
        """Somebody was reported."""
        return self.write(
            "notice", event=event, severity="high", level=0, roles=["operations_lead"], channels=[name for name, _ in channels],
            sent={name: 0.2 for name, ok in channels if ok}, failed={name: "connection refused" for name, ok in channels if not ok},
            subject=f"{event} of stage", body="...",
        )  # fmt: skip

    def story(self) -> WatchStory:
        """What is known of it."""
        story = WatchStory(shown=SHOWN)
        for record in self.records:
            story(record)
        return story

    def save(self, folder: Path) -> Path:
        """The journal as a file of a run's directory."""
        path = folder / "watch.jsonl"
        path.write_text("".join(record.line() for record in self.records))
        return path


def calm(*hosts: str, look_s: float = 600.0) -> Watching:
    """A day on which nothing happens."""
    watch = Watching(*hosts, look_s=look_s).look(row=True).until(24 * HOUR)
    return watch.notice("success", ("mail", True)).finish("PASS", 0)


def held(hosts: tuple[str, str, str] = HOSTS) -> Watching:
    """Memory that leaks on one host holds the watch at hour 8; a person goes on; a gap, and a host that was not seen for a while."""
    watch = Watching(*hosts).look(row=True).notice("announcement", ("mail", True)).until(3 * HOUR)

    def leak(now: Watching) -> None:
        now.servers[1].memory_mb += 7.2

    watch.until(5 * HOUR, leak).pause(1800, "the controller was not running").until(7 * HOUR, leak)
    watch.servers[2].away = "no route to host"
    watch.until(7.2 * HOUR, leak)
    watch.servers[2].away = ""
    watch.until(8 * HOUR - watch.look_s, leak)
    watch.t += watch.look_s
    watch.look(row=True)
    said = ["memory grew by 24 % an hour", "memory 214 MB is over 200 MB"]
    about = [{"host": hosts[1], "rule": "memory", "verdict": "FAIL", "words": words, "next": ""} for words in said]
    watch.write("point", name="hour_8", t=watch.t, verdict="FAIL", answer="hold", by=0.0, reasons=about)
    watch.write(
        "hold.opened", point="hour_8", reasons=[f"{hosts[1]}: {words}" for words in said], t=watch.t, about=[[hosts[1], "memory"]],
        deadline_t=watch.t + HOUR, default="rollback",
    )  # fmt: skip
    return watch.notice("hold", ("mail", True), ("chat", False)).until(8.5 * HOUR)


def held_and_gone_on(hosts: tuple[str, str, str] = HOSTS) -> Watching:
    """The same, to its end."""
    watch = held(hosts).write(
        "hold.closed", by="Ann Example, operations_lead", decision="go", note="the leak is known", t=8.5 * HOUR
    )
    watch.servers[1].memory_mb = 60
    return watch.until(24 * HOUR).finish("WARN", 0)


def rolled_back(look_s: float = 300.0, hosts: tuple[str, str, str] = HOSTS) -> Watching:
    """Errors begin on one host in the third hour; the trigger takes the fleet back."""
    watch = Watching(*hosts, look_s=look_s).look(row=True).until(2.4 * HOUR)
    watch.servers[1].latency_ms = 90.0
    watch.until(2.5 * HOUR)
    watch.servers[1].errors = 0.3
    watch.until(watch.t + 2 * look_s)
    bad = watch.servers[1].judged(watch.t)[1]
    watch.write("trigger", t=watch.t, **bad.as_json()).write("rollback.started", t=watch.t)
    watch.notice("rollback", ("mail", True))
    watch.t += 6.5
    watch.write("rollback.finished", exit_code=0, t=watch.t).notice("rollback", ("mail", True))
    return watch.finish("FAIL", 4)
