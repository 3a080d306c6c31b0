"""While a reader rests, compute what the slider just moved would show a step further on, and back.

The page has those pictures before they are asked for: it paints one in the very frame in which the
slider gets there, instead of waiting for the way to the kernel and back. The kernel answers that
move as any other, and its answer takes the place of the foreseen picture.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .canvas import FigureCanvas, Foreseen
from .controls import neighbours, pretending
from .scheduler import Coalescer

_REST = 0.06  # seconds without a move after which a reader is thought to rest
_QUICK = 0.03  # seconds: work that takes longer would keep the next move waiting


class NotForeseen(Exception):
    """Raised by work that is too slow, or too visible, to be done before it is asked for."""


class Foresight:
    """Look at the neighbours of a slider's place.

    Looked at is only where the move before was quick and changed nothing but what moves: no new
    surface, no limits, nothing to compile.

    Args:
        canvas: what shows the figure.
        updates: what a move is answered by.
        update: compute and feed the figure for the controls as they are; nothing else may come of
            it, since it is called for values that the reader may never choose.
    """

    def __init__(
        self, canvas: FigureCanvas, updates: Coalescer, update: Callable[[], object]
    ) -> None:
        self._canvas, self._updates, self._update = canvas, updates, update
        self._backgrounds = 0
        self._handle: asyncio.TimerHandle | None = None
        self.looking = False

    def follow(self, control: Any) -> None:
        """A reader is moving `control`; its picture has yet to be made."""
        self.close()
        self._backgrounds = self._canvas.backgrounds
        self._wait(control)

    def _wait(self, control: Any) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self._handle = loop.call_later(_REST, self._look, control)

    def close(self) -> None:
        """Look no more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _look(self, control: Any) -> None:
        self._handle = None
        if self._updates.dirty:  # the move itself is not answered yet
            self._wait(control)
            return
        if self._canvas.backgrounds != self._backgrounds or self._updates.seconds > _QUICK:
            return
        pictures: dict[float, Foreseen] = {}
        for value in neighbours(control):
            with pretending(control, value):
                picture = self._see()
            if picture is not None:
                pictures[value] = picture
        self._update()
        self._canvas.refresh()  # sends nothing where the picture is the one from before
        if pictures:
            self._canvas.foresee(control, pictures)

    def _see(self) -> Foreseen | None:
        """The picture for the controls as they pretend to be."""
        self.looking = True
        try:
            self._update()
        except Exception:  # whoever comes here is told then
            return None
        finally:
            self.looking = False
        return self._canvas.foreseen()
