"""The judges of all hosts of a watch, fed look by look; after a restart of the controller they are fed the journal."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cutover.decide.watch.judge import HostJudge
from cutover.decide.watch.points import Answer, History, Standing, judge_point
from cutover.decide.watch.rulebook import Point, RuleBook
from cutover.words.record import Record
from cutover.words.watching import Judgement, Sample


@dataclass(frozen=True)
class _Seat:
    judge: HostJudge
    history: History


class Jury:
    """One judge and one history a host."""

    def __init__(self, book: RuleBook, hosts: Sequence[str], look_s: float) -> None:
        self.book = book
        self._seats = {host: _Seat(HostJudge(book, host, look_s), History()) for host in hosts}
        self._rows: dict[str, tuple[Judgement, ...]] = {}

    def take(self, samples: Iterable[Sample]) -> dict[str, tuple[Judgement, ...]]:
        """What the rules say of each host after this look."""
        found = {}
        for sample in samples:
            seat = self._seats[sample.host]
            found[sample.host] = judgements = seat.judge.take(sample)
            seat.history.take(judgements)
            if sample.row:
                self._rows[sample.host] = judgements
        return found

    def at_point(self, point: Point) -> Answer:
        """What the hosts' newest rows, and everything since the last decision, come to at a point."""
        return judge_point(point, self._standings(), self.book)

    def mark(self, point: str) -> None:
        """Keep how the hosts are at a point, for later ones."""
        for seat in self._seats.values():
            seat.history.mark(point, seat.judge.metrics())

    def decided(self) -> None:
        """What failed so far was decided on, and is not asked again."""
        for seat in self._seats.values():
            seat.history.decided()

    def replay(self, records: Iterable[Record]) -> None:
        """Take in what a journal says, as if it had been seen just now."""
        for record in records:
            if record.kind == "sample":
                self.take([Sample.from_json(record.data)])
            elif record.kind == "point":
                self.mark(record.data["name"])
                if record.data["answer"] != "hold":
                    self.decided()
            elif record.kind == "hold.closed":
                self.decided()

    def _standings(self) -> dict[str, Standing]:
        return {
            host: seat.history.standing(self._rows.get(host, ()), seat.judge.metrics())
            for host, seat in self._seats.items()
        }
