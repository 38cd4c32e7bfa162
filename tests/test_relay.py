"""bench.execution.relay: what a worker tells is what its parent shows."""

from contextlib import nullcontext

import pytest

from bench.execution.messages import Advanced, Begun, Ended, Note
from bench.execution.relay import Shown, Teller
from bench.progress import Lines


class Clock:
    """Seconds that are moved by hand."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr("bench.execution.relay.time.monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_a_step_is_told_now_and_then_and_nothing_is_lost(clock, capsys):
    sent = []
    with Teller(sent.append).step("scoring", 100, "queries", 10) as advance:
        for seconds in (0.1, 0.2, 0.1, 0.05, 0.35):
            clock.now += seconds
            advance(15)
    assert sent[0] == Begun("scoring", 100, "queries", 10)
    assert sent[1:-1] == [Advanced(30), Advanced(45), Advanced(0)]
    assert sent[-1] == Ended()
    assert capsys.readouterr().out == "scoring: 90 queries in 0.8 s\n"


def test_a_step_that_fails_does_not_end(capsys):
    sent = []
    with pytest.raises(ZeroDivisionError), Teller(sent.append).step("scoring", 1, "queries"):
        raise ZeroDivisionError
    assert sent == [Begun("scoring", 1, "queries", 0)]
    assert capsys.readouterr().out == ""


def test_what_is_told_is_shown(clock):
    written = []
    shown = Shown(Lines(written.append, 3))
    shown.hear(Note("by the way"))
    shown.hear(Begun("training", 30, "steps", 10))
    clock.now += 2
    shown.hear(Advanced(5))
    assert shown.told() == {
        "name": "training",
        "done": 15,
        "total": 30,
        "unit": "steps",
        "per_second": 2.5,
    }
    clock.now += 8
    shown.hear(Advanced(15))
    shown.hear(Ended())
    assert shown.told() is None
    assert written[0] == "by the way"
    assert written[1].startswith("training: 20 steps in ")
    assert len(written) == 2


def test_units_reach_the_display():
    advanced = []

    class Display(Lines):
        def step(self, *about):
            return nullcontext(lambda n, said="": advanced.append((n, said)))

    shown = Shown(Display(print, 1))
    shown.hear(Begun("training", 30, "steps", 0))
    shown.hear(Advanced(5, "loss 0.5"))
    shown.hear(Advanced(2))
    assert advanced == [(5, "loss 0.5"), (2, "")]


def test_a_step_that_is_lost_is_not_shown_as_done():
    written = []
    shown = Shown(Lines(written.append, 3))
    shown.hear(Begun("training", 30, "steps", 0))
    shown.close()
    shown.close()
    shown.hear(Begun("training", 30, "steps", 0))
    shown.hear(Begun("training again", 30, "steps", 0))
    shown.hear(Ended())
    assert len(written) == 1
    assert written[0].startswith("training again: 30 steps")
    assert shown.told() is None
