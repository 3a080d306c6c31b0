"""Lines of text measured and laid out from what is known of their letters.

Matplotlib shapes a whole line anew, twice, whenever a number in it has changed: half a millisecond
each time, more than all else that a moving readout costs. Yet where a letter stands depends only on
the letters before it, each pair of neighbours adding its own advance; and those are soon all known.
"""

import unicodedata
from itertools import pairwise
from typing import Any, NamedTuple

from matplotlib.backends.backend_agg import RendererAgg, get_hinting_flag

_MOST = 512  # lines remembered: each is asked for twice, to be measured and to be drawn


class Line(NamedTuple):
    """In pixels, as Agg says; `places` are where the letters stand."""

    width: float
    height: float
    descent: float
    places: tuple[float, ...]


class Letters:
    """Measure lines as `agg` does, letter by letter."""

    def __init__(self, agg: RendererAgg) -> None:
        self._agg = agg
        self._lines: dict[Any, Line | None] = {}
        self._advances: dict[Any, float | None] = {}
        self._extents: dict[Any, tuple[float, float, float]] = {}

    def line(self, s: str, prop: Any) -> Line | None:
        """The line in its font; `None` when its letters change each other's shapes or order."""
        key = (s, hash(prop))
        if key not in self._lines:
            if len(self._lines) >= _MOST:
                self._lines.clear()
            self._lines[key] = self._laid_out(s, prop, key[1])
        return self._lines[key]

    def _laid_out(self, s: str, prop: Any, font: int) -> Line | None:
        x, places, script = 0.0, [0.0], ""
        for first, second in pairwise(s):
            if first.isalpha():
                script = "x" if first.isascii() else first
            advance = self._advance(script + first + second, prop, font)
            if advance is None:
                return None
            x += advance
            places.append(x)
        extents = [self._extent(letter, prop, font) for letter in s]
        if not extents:
            return None
        top, bottom = max(top for _, top, _ in extents), min(low for _, _, low in extents)
        return Line(x + extents[-1][0], top - bottom, -bottom, tuple(places))

    def _advance(self, text: str, prop: Any, font: int) -> float | None:
        """How far the last letter stands from the last but one; `None` if not side by side.

        A sign between two letters belongs to the script of the one before, which must be there.
        """
        key = (text, font)
        if key not in self._advances:
            self._advances[key] = None
            layout = getattr(self._agg._prepare_font(prop), "_layout", None)
            if layout is not None and all(map(_stands_alone, text)):
                items = list(layout(text, flags=get_hinting_flag()))
                if [item.char for item in items] == list(text) and not any(i.y for i in items):
                    self._advances[key] = items[-1].x - items[-2].x
        return self._advances[key]

    def _extent(self, letter: str, prop: Any, font: int) -> tuple[float, float, float]:
        """A letter's width, and how far it reaches up and down."""
        key = (letter, font)
        if key not in self._extents:
            width, height, descent = self._agg.get_text_width_height_descent(letter, prop, False)
            self._extents[key] = (width, height - descent, -descent)
        return self._extents[key]


def _stands_alone(letter: str) -> bool:
    """Whether it goes from left to right and sits on no other."""
    return not unicodedata.combining(letter) and unicodedata.bidirectional(letter) in (
        "L", "EN", "ES", "ET", "CS", "WS", "ON",
    )  # fmt: skip
