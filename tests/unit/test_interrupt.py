"""An interrupt in the middle of something waits until its end, or until somebody looks."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from labhelpers.linux.interrupt import held, let_through


@pytest.fixture(autouse=True)
def _the_handler_is_put_back() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is before


def _interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def test_the_block_ends_before_it_is_raised() -> None:
    done = []

    def work() -> None:
        with held():
            _interrupt()
            done.append("the rest")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["the rest"]


def test_nothing_is_raised_where_nobody_interrupted() -> None:
    with held() as interrupt:
        interrupt.check()


def test_a_block_may_look_where_it_can_undo() -> None:
    undone = []

    def work() -> None:
        with held() as interrupt:
            _interrupt()
            try:
                interrupt.check()
            except KeyboardInterrupt:
                _interrupt()  # an impatient person
                undone.append("all of it")
                raise

    with pytest.raises(KeyboardInterrupt):
        work()
    assert undone == ["all of it"]


def test_blocks_inside_blocks_are_one() -> None:
    done = []

    def work() -> None:
        with held():
            with held():
                _interrupt()
            done.append("the inner block has ended")
            with held() as inner, pytest.raises(KeyboardInterrupt):
                inner.check()
            _interrupt()
            done.append("the outer block too")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert len(done) == 2


def test_an_error_in_the_block_is_the_error() -> None:
    def work() -> None:
        with held():
            _interrupt()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()


def test_the_handler_that_was_there_hears_of_it() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        with held():
            _interrupt()
            assert heard == []
        assert heard == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_do_not_touch_the_handler() -> None:
    seen = []

    def work() -> None:
        with held() as interrupt:
            interrupt.check()
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]


def test_one_may_be_let_through_where_it_is_waited() -> None:
    done = []

    def work() -> None:
        with held():
            try:
                with let_through():
                    _interrupt()
                    done.append("never")
            finally:
                _interrupt()  # an impatient person
                done.append("the tidying up")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["the tidying up"]


def test_one_that_came_before_ends_the_wait_at_once() -> None:
    done = []

    def work() -> None:
        with held():
            _interrupt()
            with let_through():
                done.append("never")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == []


def test_in_what_is_let_through_a_block_holds_them_back_again() -> None:
    done = []

    def work() -> None:
        with held(), let_through():
            with held():
                _interrupt()
                done.append("the block inside")
            done.append("never")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["the block inside"]


def test_after_a_quiet_wait_they_are_held_back_as_before() -> None:
    done = []

    def work() -> None:
        with held():
            with let_through():
                pass
            _interrupt()
            done.append("the rest")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["the rest"]


def test_a_handler_that_goes_on_lets_the_wait_go_on() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        with held(), let_through():
            _interrupt()
            _interrupt()
        assert heard == [signal.SIGINT, signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


def test_where_nothing_is_held_nothing_needs_to_be_let_through() -> None:
    with let_through():
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
