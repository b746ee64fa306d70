"""Looking at a host: each time anew where something may have changed it, once for all who ask the same where nothing does."""

from collections.abc import Mapping
from typing import Any

import pytest

from cutover.agent.work import Module, State, Work, look_at


class Counted:
    """A kind that shows how often it was looked at."""

    def __init__(self) -> None:
        self.looks = 0
        self.kinds = {"counted": Module(self.look, self.change)}

    def look(self, _args: Mapping[str, Any], _work: Work) -> State:
        self.looks += 1
        if self.looks == 100:
            raise OSError("gone")
        return {"looks": self.looks}

    def change(self, *_: object) -> None:
        """Nothing to be changed."""


def step(**args: str) -> dict[str, Any]:
    return {"id": "s", "kind": "counted", "args": args, "desired": {"looks": 0}, "probe": False}


def test_the_same_question_of_one_request_that_only_looks_is_asked_once() -> None:
    counted, work = Counted(), Work(only_looks=True)
    seen = [look_at(counted.kinds, step(unit=unit), work) for unit in ("v1", "v1", "v2", "v1")]
    assert [state["looks"] for state in seen] == [1, 1, 2, 1]


@pytest.mark.parametrize("only_looks", [True, False])
def test_the_next_request_looks_anew(only_looks: bool) -> None:
    counted = Counted()
    seen = [look_at(counted.kinds, step(), Work(only_looks=only_looks)) for _ in range(2)]
    assert [state["looks"] for state in seen] == [1, 2]


def test_what_could_not_be_looked_at_is_not_tried_again_for_each_who_asks() -> None:
    counted, work = Counted(), Work(only_looks=True)
    counted.looks = 99
    assert [look_at(counted.kinds, step(), work) for _ in range(2)] == [{"error": "gone"}] * 2
