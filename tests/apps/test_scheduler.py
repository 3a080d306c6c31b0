"""Coalescer: many requests, few runs, the newest value, no lost exception."""

import asyncio
from itertools import pairwise

import pytest

from comlnviz.apps.scheduler import Coalescer


class Screen:
    """A page as the scheduler sees it."""

    def __init__(self, round_trip=0.0, in_flight=False):
        self.round_trip, self.in_flight = round_trip, in_flight


class Control:
    """A value, and what the work has seen of it."""

    def __init__(self, screen=None, on_error=None):
        self.value, self.seen = 0, []
        self.queue = Coalescer(lambda: self.seen.append(self.value), screen, on_error)

    def change(self, value):
        self.value = value
        self.queue.request()


def test_100_quick_changes_cost_one_run_in_a_running_loop():
    control = Control()

    async def drag():
        for value in range(100):
            control.change(value)
        assert control.seen == []
        await asyncio.sleep(0)
        assert control.seen == [99]
        await asyncio.sleep(0.02)

    asyncio.run(drag())
    assert control.seen == [99]


def test_100_quick_changes_cost_two_runs_when_the_loop_turns_between_them():
    screen = Screen(round_trip=0.5)
    control = Control(screen)

    async def drag():
        for value in range(100):
            control.change(value)
            await asyncio.sleep(0)
            screen.in_flight = True  # the first frame is on its way
        await asyncio.sleep(0.3)
        assert control.seen == [0, 99]  # half a round trip later, without any answer
        screen.in_flight = False

    asyncio.run(drag())


def test_100_quick_changes_cost_one_run_without_a_loop():
    control = Control()
    for value in range(100):
        control.change(value)
    assert control.seen == [] and control.queue.dirty
    control.queue.flush()
    control.queue.flush()
    assert control.seen == [99] and not control.queue.dirty


def test_flush_takes_the_place_of_the_scheduled_run():
    control = Control()

    async def main():
        control.change(1)
        control.queue.flush()
        assert control.seen == [1]
        await asyncio.sleep(0.01)

    asyncio.run(main())
    assert control.seen == [1]


def test_in_a_hurry_work_is_done_at_once_unless_a_frame_is_under_way():
    screen = Screen(round_trip=10.0)
    control = Control(screen)

    async def main():
        control.change(1)
        control.queue.hurry()
        control.queue.hurry()  # there is nothing left to do
        assert control.seen == [1]
        screen.in_flight = True
        control.change(2)
        control.queue.hurry()
        assert control.seen == [1]
        screen.in_flight = False
        await asyncio.sleep(0.05)
        assert control.seen == [1, 2]

    asyncio.run(main())
    control.change(3)
    control.queue.hurry()  # where nobody waits
    assert control.seen == [1, 2] and control.queue.dirty


def test_an_answer_from_the_page_releases_the_next_run():
    screen = Screen(round_trip=10.0)
    control = Control(screen)

    async def main():
        control.change(1)
        await asyncio.sleep(0)
        screen.in_flight = True
        control.change(2)
        await asyncio.sleep(0.05)
        assert control.seen == [1]
        screen.in_flight = False
        control.change(3)
        await asyncio.sleep(0.05)
        assert control.seen == [1, 3]

    asyncio.run(main())


def test_pauses_grow_while_the_page_lags_and_no_request_is_lost():
    screen = Screen(round_trip=0.04, in_flight=True)
    times = []

    async def main():
        loop = asyncio.get_running_loop()
        queue = Coalescer(lambda: times.append(loop.time()), screen)
        while len(times) < 4:
            queue.request()
            await asyncio.sleep(0.001)

    asyncio.run(main())
    pauses = [b - a for a, b in pairwise(times)]
    assert pauses[0] >= 0.019 and pauses[1] >= 0.039 and pauses[2] >= 0.059


def test_exceptions_reach_on_error():
    errors = []

    def work():
        raise ValueError("diverged")

    queue = Coalescer(work, on_error=errors.append)

    async def main():
        queue.request()
        await asyncio.sleep(0.01)

    asyncio.run(main())
    queue.request()
    queue.flush()
    assert [str(error) for error in errors] == ["diverged", "diverged"]


def test_without_on_error_they_reach_the_caller_or_the_loop():
    def work():
        raise ValueError("diverged")

    queue = Coalescer(work)
    queue.request()
    with pytest.raises(ValueError, match="diverged"):
        queue.flush()
    heard = []

    async def main():
        asyncio.get_running_loop().set_exception_handler(lambda loop, what: heard.append(what))
        queue.request()
        await asyncio.sleep(0.01)

    asyncio.run(main())
    assert isinstance(heard[0]["exception"], ValueError)


def test_work_that_requests_work_runs_again():
    seen = []

    def work():
        seen.append(len(seen))
        if len(seen) < 3:
            queue.request()

    queue = Coalescer(work)

    async def main():
        queue.request()
        await asyncio.sleep(0.05)

    asyncio.run(main())
    assert seen == [0, 1, 2]


def test_a_loop_that_ended_does_not_block_the_next():
    control = Control()

    async def ask():
        control.change(1)

    asyncio.run(ask())  # ends before the scheduled run
    asyncio.run(asyncio.sleep(0))

    async def again():
        control.change(2)
        await asyncio.sleep(0.01)

    asyncio.run(again())
    assert control.seen[-1] == 2 and len(control.seen) <= 2


def test_close_drops_waiting_work():
    control = Control()

    async def main():
        control.change(1)
        control.queue.close()
        await asyncio.sleep(0.01)

    asyncio.run(main())
    assert control.seen == []
