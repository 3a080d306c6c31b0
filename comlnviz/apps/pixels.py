"""From matplotlib's terms to pixels counted from the top left, each the way Agg does it."""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
from matplotlib.backend_bases import GraphicsContextBase
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.path import Path
from matplotlib.transforms import Affine2D, Transform

from comlnviz.apps.operations import Style, css

FAR = 1e6  # canvas and Agg both lose precision beyond; a diverged curve may well get there
_CAPS = {"butt": "butt", "round": "round", "projecting": "square"}


def flipped(transform: Transform, height: Any) -> Affine2D:
    """Follow `transform` by the change to pixels counted from the top."""
    matrix = np.array(transform.get_matrix(), float)
    matrix[1] *= -1
    matrix[1, 2] += height
    return Affine2D(matrix)


def cleaned(path: Path, transform: Affine2D, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and codes without gaps; `options` as `Path.cleaned` has them."""
    clean = path.cleaned(transform, remove_nans=True, curves=True, **options)
    vertices, codes = np.asarray(clean.vertices), np.asarray(clean.codes)
    return np.clip(vertices[:-1], -FAR, FAR), codes[:-1]  # the last is STOP


def rectilinear(path: Path, transform: Affine2D) -> bool:
    """Whether Agg would snap this path unasked: few vertices, horizontal and vertical edges."""
    vertices, codes = np.asarray(path.vertices), cast(Any, path.codes)
    if len(vertices) > 1024 or (codes is not None and np.isin(codes, (3, 4)).any()):
        return False
    steps = np.abs(np.diff(transform.transform(vertices), axis=0))
    if codes is not None:  # no edge leads to MOVETO, and CLOSEPOLY's vertex has no place
        steps = steps[(codes[1:] == Path.LINETO)]
    return bool((steps.min(axis=1, initial=math.inf) < 1e-4).all())


def rounded(value: Any) -> float:
    """Pixels, short enough for JSON."""
    return round(float(value), 3)


def stroke(gc: GraphicsContextBase) -> str | None:
    """Colour of a line."""
    return css(gc.get_rgb()) if gc.get_linewidth() else None


def face(gc: GraphicsContextBase, rgb: Any) -> str | None:
    """Colour of a filling, or of a text."""
    if rgb is None:
        return None
    if len(rgb) == 3 or gc.get_forced_alpha():
        rgb = (*rgb[:3], gc.get_alpha())
    return css(rgb)


def stroke_style(gc: GraphicsContextBase, scale: float, height: int) -> Style:
    """Line width, dashes, dash offset, cap, join, clip rectangle, clip path.

    Args:
        gc: has lengths in points.
        scale: pixels a point.
        height: of the picture, in pixels.
    """
    offset, dashes = gc.get_dashes()
    clip = gc.get_clip_rectangle()
    rectangle = None
    if clip is not None:  # rounded as Agg does, so that the edge of the axes stays sharp
        x0, x1 = (math.floor(v + 0.5) for v in (clip.x0, clip.x1))
        y0, y1 = (math.floor(height - v + 0.5) for v in (clip.y1, clip.y0))
        rectangle = (x0, y0, x1 - x0, y1 - y0)
    path, transform = cast(Any, gc.get_clip_path())
    outline = None
    if path is not None:
        points, codes = cleaned(path, flipped(transform, height))
        outline = (tuple(np.round(points, 2).ravel().tolist()), tuple(codes.tolist()))
    return (
        rounded(gc.get_linewidth() * scale),
        () if dashes is None else tuple(rounded(d * scale) for d in cast(Any, dashes)),
        rounded((offset or 0) * scale),
        _CAPS[str(gc.get_capstyle())],
        str(gc.get_joinstyle()),
        rectangle,
        outline,
    )


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
    margin = math.ceil(2 + 0.5 * prop.get_size_in_points() * agg.dpi / 72)
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


def composed(
    tiles: list[tuple[int, tuple[int, int, np.ndarray]]],
) -> tuple[int, int, np.ndarray]:
    """Put masks side by side; each with how far it is to be shifted to the right, in pixels.

    Returns:
        Left, top and the mask, as `text_mask` does. Where two letters touch, the darker one stays.
    """
    placed = [(left + dx, top, m) for dx, (left, top, m) in tiles if m.size]
    if not placed:
        return 0, 0, np.empty((0, 0), np.uint8)
    x0, y0 = min(x for x, _, _ in placed), min(y for _, y, _ in placed)
    x1 = max(x + m.shape[1] for x, _, m in placed)
    y1 = max(y + m.shape[0] for _, y, m in placed)
    whole = np.zeros((y1 - y0, x1 - x0), np.uint8)
    for x, y, m in placed:
        part = whole[y - y0 : y - y0 + m.shape[0], x - x0 : x - x0 + m.shape[1]]
        np.maximum(part, m, out=part)
    return x0, y0, whole


def cropped(rgba: np.ndarray) -> tuple[int, int, np.ndarray]:
    """Cut away what is transparent; returns left, top and the pixels."""
    seen = rgba[..., 3] > 0
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not len(rows):
        return 0, 0, rgba[:0, :0]
    part = rgba[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return int(columns[0]), int(rows[0]), part
