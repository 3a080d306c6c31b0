"""Let many quick changes cost one computation, and let the newest win.

ipywidgets has neither a debounce nor a throttle, so a drag would queue work for values long gone.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

_GLANCE = 0.008  # seconds between two looks at a frame that is under way
_LONGEST = 1.0  # seconds that work may wait for the page


@runtime_checkable
class Screen(Protocol):
    """What the scheduler wants to know of a `FigureCanvas`."""

    @property
    def round_trip(self) -> float:
        """Seconds from sending a frame to seeing it."""
        ...

    @property
    def in_flight(self) -> bool:
        """Whether a frame is on its way, of those that the page is asked to confirm."""
        ...


class Coalescer:
    """Run `work` soon after `request()`, once for all requests made until then.

    Args:
        work: computes and draws; reads the state itself, so that the last request wins.
        screen: a `FigureCanvas`, or None. While a frame that is to be confirmed is under way work
            waits for half a round trip; twice, three times that for each further frame sent before
            the answer. A slow line thus gets fewer frames, and no queue of old ones.
        on_error: given the exception when `work` fails. Without it the exception goes to the
            event loop's handler, or, from `flush()`, to the caller.

    Attributes:
        seconds: how long the last run took; infinite before the first, and when it failed.

    Where no event loop runs (plain Python, tests), `request()` only notes that there is work;
    `flush()` does it.
    """

    def __init__(
        self,
        work: Callable[[], object],
        screen: Screen | None = None,
        on_error: Callable[[Exception], object] | None = None,
    ) -> None:
        self._work, self._screen, self._on_error = work, screen, on_error
        self._dirty = False
        self._ahead = 0  # runs since no answer was outstanding
        self._last = float("-inf")  # loop time of the last run
        self.seconds = math.inf
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handle: asyncio.Handle | None = None

    @property
    def dirty(self) -> bool:
        """Whether work is waiting."""
        return self._dirty

    def request(self) -> None:
        """Ask for one run of `work`."""
        self._dirty = True
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        if self._handle is None or self._loop is not loop:  # another loop may have died waiting
            self._loop, self._handle = loop, loop.call_soon(self._turn)

    def hurry(self) -> None:
        """Do waiting work now, unless the page has yet to show the last."""
        if self._dirty and self._handle is not None and self._delay() <= 0:
            self.flush()

    def flush(self) -> None:
        """Do waiting work now."""
        self._forget_handle()
        if self._dirty:
            self._run()

    def close(self) -> None:
        """Drop waiting work."""
        self._forget_handle()
        self._dirty = False

    def _forget_handle(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _turn(self) -> None:
        self._handle = None
        if not self._dirty:
            return
        delay = self._delay()
        if delay > 0 and self._loop is not None:
            self._handle = self._loop.call_later(min(delay, _GLANCE), self._turn)
        else:
            self._run()

    def _delay(self) -> float:
        if self._screen is None or self._loop is None:
            return 0.0
        if not self._screen.in_flight:
            self._ahead = 0
            return 0.0
        pause = min(0.5 * self._screen.round_trip * self._ahead, _LONGEST)
        return self._last + pause - self._loop.time()

    def _run(self) -> None:
        self._dirty = False  # first: work may itself request another run
        self._ahead += 1
        began, self.seconds = time.perf_counter(), math.inf
        try:
            self._work()
            self.seconds = time.perf_counter() - began
        except Exception as error:
            if self._on_error is None:
                raise
            self._on_error(error)
        finally:
            if self._loop is not None:
                self._last = self._loop.time()
