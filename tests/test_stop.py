"""bench.stop: which work a signal ends at once, and which may finish its step."""

import signal
import threading

import pytest

from bench.stop import SIGNALS, Interrupted, Stop

pytestmark = pytest.mark.usefixtures("heard")


def test_a_signal_ends_work_at_once_by_its_own_exit_code():
    for number, exit_code in (
        (signal.SIGINT, 130),
        (signal.SIGTERM, 143),
        (signal.SIGUSR1, 128 + signal.SIGUSR1),
    ):
        with pytest.raises(Interrupted) as ended, Stop().listening():
            signal.raise_signal(number)
        assert ended.value.exit_code == exit_code
        assert isinstance(ended.value, KeyboardInterrupt)


def ended_by(work):
    """Do deferred work that signals come to, and return what ended it."""
    stop = Stop()
    with pytest.raises(Interrupted) as ended, stop.listening(), stop.deferred():
        work(stop)
    return ended.value.exit_code


def test_deferred_work_finishes_its_step():
    done = []

    def work(stop):
        for step in range(9):
            if step == 3:
                signal.raise_signal(signal.SIGTERM)
            done.append(step)
            stop.interrupt()

    assert ended_by(work) == 143
    assert done == [0, 1, 2, 3]


def test_work_that_does_not_look_is_ended_when_it_is_done():
    assert ended_by(lambda stop: signal.raise_signal(signal.SIGTERM)) == 143


@pytest.mark.parametrize("first", SIGNALS)
def test_ctrl_c_does_not_wait_where_a_signal_came_before(first):
    reached = []

    def work(stop):
        signal.raise_signal(first)
        reached.append(stop.asked)
        signal.raise_signal(signal.SIGINT)
        reached.append(None)

    assert ended_by(work) == 130
    assert reached == [True]


def test_schedulers_may_repeat_themselves():
    reached = []

    def work(stop):
        for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGTERM):
            signal.raise_signal(number)
            reached.append(number)

    assert ended_by(work) == 128 + signal.SIGUSR1
    assert len(reached) == 3


def test_what_comes_after_deferred_work_is_ended_at_once_again():
    stop = Stop()
    with stop.listening():
        with stop.deferred():
            assert not stop.asked
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGTERM)


def test_a_failure_of_deferred_work_is_not_hidden_by_a_stop():
    def fails():
        signal.raise_signal(signal.SIGTERM)
        raise ValueError("broken")

    stop = Stop()
    with pytest.raises(ValueError, match="broken"), stop.listening(), stop.deferred():
        fails()


def test_handlers_are_as_before_and_ignored_signals_stay_ignored():
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    found = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        with Stop().listening():
            signal.raise_signal(signal.SIGUSR1)
            assert signal.getsignal(signal.SIGTERM) != found[signal.SIGTERM]
        assert {number: signal.getsignal(number) for number in SIGNALS} == found
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_thread_that_may_set_no_handlers_works_without():
    done = []

    def work():
        with Stop().listening():
            done.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [1]
