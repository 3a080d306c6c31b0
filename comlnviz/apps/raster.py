"""What Agg had better draw itself, as pixels: text, hatches, smooth triangles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.backend_bases import GraphicsContextBase
from matplotlib.backends.backend_agg import RendererAgg


def text_mask(
    agg: RendererAgg,
    gc: GraphicsContextBase,
    x: Any,
    y: Any,
    s: str,
    prop: Any,
    angle: Any,
    ismath: Any,
    mtext: Any,
) -> tuple[int, int, np.ndarray]:
    """Draw one text as `agg` would at (x, y), pixels from the top left.

    Returns:
        Where the mask belongs, left and top, and the mask: the opacity of each pixel, 0 to 255.
    """
    width, height, descent = agg.get_text_width_height_descent(s, prop, ismath)
    # Glyphs hang over their advance box; a slanted or accented one by a good part of its size.
    margin = math.ceil(2 + 0.5 * agg.points_to_pixels(prop.get_size_in_points()))
    turn = math.radians(angle)
    cos, sin = math.cos(turn), math.sin(turn)
    corners = np.array([[0, descent], [width, descent], [0, -height], [width, -height]])
    corners = corners @ np.array([[cos, -sin], [sin, cos]]) + (x, y)  # y grows downwards
    low = np.floor(corners.min(axis=0)).astype(int) - margin
    size = np.ceil(corners.max(axis=0)).astype(int) + margin - low
    tile = RendererAgg(int(size[0]), int(size[1]), agg.dpi)
    plain = tile.new_gc()
    plain.set_antialiased(bool(gc.get_antialiased()))
    at = x - int(low[0]), y - int(low[1])  # the same fraction of a pixel
    if ismath == "TeX":
        tile.draw_tex(plain, *at, s, prop, angle, mtext=mtext)
    else:
        tile.draw_text(plain, *at, s, prop, angle, ismath=ismath, mtext=mtext)
    left, top, mask = cropped(np.asarray(tile.buffer_rgba()))
    return int(low[0]) + left, int(low[1]) + top, mask[..., 3].copy()


def cropped(rgba: np.ndarray) -> tuple[int, int, np.ndarray]:
    """Cut away what is transparent; returns left, top and the pixels."""
    seen = rgba[..., 3] > 0
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not len(rows):
        return 0, 0, rgba[:0, :0]
    part = rgba[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return int(columns[0]), int(rows[0]), part
