"""What `recorder` records and canvas.js draws: a list of styles and one buffer of geometry.

Styles rarely change and go as JSON; geometry changes with every frame and goes as bytes. All
coordinates are device pixels with the origin at the top left.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

# kind, fill, stroke, line width, dashes, dash offset, cap, join, clip rectangle, clip path.
# Fill, stroke and width of MARKERS may be tuples: one entry for each position in turn.
Style = tuple[Any, ...]
PATH, MARKERS, IMAGE, MASK = "path", "markers", "image", "mask"

_NOWHERE = np.empty((0, 2))


class Operations:
    """Drawing operations in drawing order."""

    def __init__(self) -> None:
        self.styles: list[Style] = []
        self._counts: list[tuple[int, int, int]] = []  # shape vertices, positions, bytes
        self._points: list[np.ndarray] = []
        self._codes: list[np.ndarray] = []
        self._bytes: list[bytes] = []

    def geometry(self) -> bytes:
        """All coordinates as one buffer.

        uint32 number of operations; three uint32 for each: vertices of its shape, positions, bytes;
        all points as float32 pairs; one uint8 path code for each shape vertex; the bytes.
        """
        head = np.array([len(self._counts), *sum(self._counts, ())], "<u4")
        points = (part.astype("<f4").tobytes() for part in self._points)
        codes = (part.astype("u1").tobytes() for part in self._codes)
        return b"".join([head.tobytes(), *points, *codes, *self._bytes])

    def extend(self, others: Operations) -> None:
        """Add what others hold."""
        self.styles += others.styles
        self._counts += others._counts
        self._points += others._points
        self._codes += others._codes
        self._bytes += others._bytes

    def path(self, style: Style, shape: np.ndarray, codes: np.ndarray) -> None:
        """Add a path."""
        if not len(shape):
            return
        *_, stroke = style[:3]
        if self.styles and style == self.styles[-1] and not style[1] and is_opaque(stroke):
            # Opaque strokes of one style look the same drawn at once: a collection of lines
            # becomes one operation.
            self._counts[-1] = (self._counts[-1][0] + len(shape), 0, 0)
            self._points.append(shape)
            self._codes.append(codes)
        else:
            self.markers(style, shape, codes, _NOWHERE)

    def markers(
        self, style: Style, shape: np.ndarray, codes: np.ndarray, positions: np.ndarray
    ) -> None:
        """Add one shape that stands at many positions; none where a position is NaN."""
        self.styles.append(style)
        self._counts.append((len(shape), len(positions), 0))
        self._points += [shape, positions]
        self._codes.append(codes)

    def image(
        self,
        style: Style,
        x: int,
        y: int,
        pixels: np.ndarray,
        size: tuple[int, int] | None = None,
    ) -> None:
        """Add an image: RGBA (IMAGE) or one byte a pixel that scales the fill's alpha (MASK).

        Its pixels grow to the `size` given, (width, height), with sharp edges.
        """
        rows, columns = pixels.shape[:2]
        if not pixels.size:
            return
        self.styles.append(style)
        self._counts.append((0, 3, pixels.size))
        self._points.append(np.array([[x, y], [columns, rows], size or (columns, rows)], float))
        self._bytes.append(np.ascontiguousarray(pixels, np.uint8).tobytes())


def css(rgba: Any) -> str | None:
    """Colour as CSS writes it; None when nothing can be seen of it."""
    red, green, blue = (round(255 * float(v)) for v in rgba[:3])
    alpha = float(rgba[3]) if len(rgba) > 3 else 1.0
    if alpha >= 1:
        return f"#{red:02x}{green:02x}{blue:02x}"
    return f"rgba({red},{green},{blue},{alpha:.4g})" if alpha > 0 else None


def css_all(colours: Any) -> tuple[str | None, ...]:
    """Colours of a collection. They stay while its points move: remembered."""
    table = np.asarray(colours, float)
    return _css_table(table.tobytes(), table.shape[1]) if len(table) else ()


@lru_cache(maxsize=64)
def _css_table(table: bytes, columns: int) -> tuple[str | None, ...]:
    return tuple(css(row) for row in np.frombuffer(table).reshape(-1, columns).tolist())


def is_opaque(colour: str | None) -> bool:
    """Whether `css` made this of a colour that can be seen and not seen through."""
    return colour is not None and colour.startswith("#")
