"""Turn matplotlib artists into display-space paths that a browser canvas can draw.

A full Agg redraw of a figure costs 10 to 60 ms; drawing only what moves costs a fraction of one.
`RecordingRenderer` is a matplotlib renderer that draws nothing: every artist goes through its own
`draw`, so any kind of artist works, and what arrives here is kept as `Operations`.

Cleaning, clipping, snapping and simplifying are matplotlib's own C++ code with the arguments that
Agg itself uses, so strokes fall on the same pixels. Text is rendered by Agg into a small mask: the
reader's browser need not have the font, hinting is the same, and mathtext simply works.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import GraphicsContextBase, RendererBase
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Affine2D, Transform

from comlnviz.apps.letters import Letters
from comlnviz.apps.operations import IMAGE, MARKERS, MASK, PATH, Operations, Style, css_all
from comlnviz.apps.pixels import (
    FAR,
    cleaned,
    composed,
    cropped,
    face,
    flipped,
    rectilinear,
    rounded,
    stroke,
    stroke_style,
    text_mask,
)  # fmt: skip

_SIMPLE = (Line2D, Text, Rectangle)  # others have parts that may change without their knowing
Number = Any  # int, float or one of NumPy's: matplotlib passes what it has
_TILES = 512  # texts and letters kept rendered
_LONG = 5  # letters: a shorter text is rendered whole, for it may move by parts of a pixel


def animated_artists(figure: Figure) -> list[Artist]:
    """Return the visible artists marked `set_animated(True)`, in drawing order.

    Looks at the children of figures and axes, not at every tick: an axis or a legend is animated
    as a whole or not at all.
    """
    return [artist for _, artist in sorted(_walk(figure, ()), key=lambda found: found[0])]


def _walk(
    parent: FigureBase | Axes, order: tuple[Number, ...]
) -> Iterator[tuple[tuple[Number, ...], Artist]]:
    for place, child in enumerate(parent.get_children()):
        if not child.get_visible():
            continue
        key = (*order, child.get_zorder(), place)
        if child.get_animated():
            yield key, child
        if isinstance(child, (Axes, FigureBase)):
            yield from _walk(child, key)


class RecordingRenderer(RendererBase):
    """Record what artists draw in `operations`.

    Keep one for as long as `agg`, an Agg renderer of the same size and resolution, lives: texts,
    their measures, and what has not changed since the last `frame` are remembered.
    """

    def __init__(self, agg: RendererAgg) -> None:
        super().__init__()
        self.agg, self.dpi = agg, agg.dpi
        self.width, self.height = int(agg.width), int(agg.height)
        self.operations = Operations()
        self._letters = Letters(agg)
        self._tiles: OrderedDict[Any, tuple[int, int, np.ndarray]] = OrderedDict()
        self._kept: dict[Artist, Operations] = {}

    def frame(self, figure: Figure) -> Operations:
        """Record all animated artists, as they were in the frame before where they are not stale.

        `forget()` first when axes have moved, or when others have drawn the artists.
        """
        kept, whole = {}, Operations()
        for artist in animated_artists(figure):
            part = None if artist.stale else self._kept.get(artist)
            if part is None:
                part = self.operations = Operations()
                artist.draw(self)
            if type(artist) in _SIMPLE:
                kept[artist] = part
            whole.extend(part)
        self._kept = kept
        return whole

    def forget(self) -> None:
        """Record every artist anew in the next frame."""
        self._kept = {}

    # What artists ask of a renderer

    def get_canvas_width_height(self) -> tuple[Number, Number]:
        """Size in device pixels."""
        return self.width, self.height

    def points_to_pixels(self, points: Any) -> Any:
        """Convert points, 1/72 inch, to device pixels."""
        return points * self.dpi / 72

    def get_text_width_height_descent(
        self, s: str, prop: Any, ismath: Any
    ) -> tuple[Number, Number, Number]:
        """Measure as Agg does: otherwise a moving text is laid out unlike a still one."""
        line = None if ismath else self._letters.line(s, prop)
        return line[:3] if line else self.agg.get_text_width_height_descent(s, prop, ismath)

    def option_image_nocomposite(self) -> bool:
        """Images come one by one."""
        return True

    def option_scale_image(self) -> bool:
        """Images with `interpolation="none"` go to the browser as they are, and grow there."""
        return True

    # What artists draw

    def draw_path(
        self, gc: GraphicsContextBase, path: Path, transform: Transform, rgbFace: Any = None
    ) -> None:
        """Record a path: line, polygon, or both."""
        if gc.get_hatch():
            return self._through_agg(lambda agg: agg.draw_path(gc, path, transform, rgbFace))
        outline = stroke(gc)
        shape = cleaned(
            path,
            flipped(transform, self.height),
            snap=gc.get_snap(),
            stroke_width=self.points_to_pixels(gc.get_linewidth()) if outline else 0.0,
            # A filled outline must stay whole; so says Agg, too.
            clip=None if rgbFace is not None else (-1, -1, self.width + 1, self.height + 1),
            simplify=path.should_simplify and rgbFace is None,
            sketch=gc.get_sketch_params(),
        )
        style = (PATH, face(gc, rgbFace), outline, *self._stroke_style(gc))
        self.operations.path(style, *shape)

    def draw_markers(
        self,
        gc: GraphicsContextBase,
        marker_path: Path,
        marker_trans: Transform,
        path: Path,
        trans: Transform,
        rgbFace: Any = None,
    ) -> None:
        """Record one shape and the positions where it stands; whole pixels, as Agg does it."""
        if path.codes is not None and (np.asarray(path.codes) > Path.LINETO).any():
            return super().draw_markers(gc, marker_path, marker_trans, path, trans, rgbFace)
        snap = gc.get_snap()
        matrix = flipped(marker_trans, 0)
        shape, codes = cleaned(
            marker_path, matrix, snap=snap, stroke_width=self.points_to_pixels(gc.get_linewidth())
        )
        if not (snap or (snap is None and rectilinear(marker_path, matrix))):
            shape = shape + 0.5
        positions = np.floor(flipped(trans, self.height).transform(path.vertices) + 0.5)
        positions = positions[(np.abs(positions) < FAR).all(axis=1)]
        style = (MARKERS, face(gc, rgbFace), stroke(gc), *self._stroke_style(gc))
        self.operations.markers(style, shape, codes, positions)

    def draw_path_collection(
        self,
        gc: GraphicsContextBase,
        master_transform: Transform,
        paths: Sequence[Path],
        all_transforms: Any,
        offsets: Any,
        offset_trans: Transform,
        facecolors: Any,
        edgecolors: Any,
        linewidths: Any,
        linestyles: Any,
        *rest: Any,
        **more: Any,
    ) -> None:
        """Record many paths; points of one shape but many colours as a single operation."""
        one_shape = len(paths) == 1 and len(all_transforms) <= 1 and len(offsets) > 1
        if not one_shape or len(linestyles) > 1 or gc.get_hatch():
            super().draw_path_collection(
                gc, master_transform, paths, all_transforms, offsets, offset_trans, facecolors,
                edgecolors, linewidths, linestyles, *rest, **more,
            )  # fmt: skip
            return
        transform = master_transform
        if len(all_transforms):
            transform = Affine2D(all_transforms[0]) + master_transform
        shape, codes = cleaned(paths[0], flipped(transform, 0))
        positions = flipped(offset_trans, self.height).transform(np.asarray(offsets, float))
        positions[~(np.abs(positions) < FAR).all(axis=1)] = np.nan  # kept: colours go by place
        one = self.new_gc()
        one.copy_properties(gc)
        if len(linestyles):
            one.set_dashes(*linestyles[0])
        fills = css_all(facecolors) or None
        strokes = css_all(edgecolors) if len(linewidths) else ()
        widths = tuple(rounded(self.points_to_pixels(w)) for w in linewidths)
        style = (MARKERS, fills, strokes or None, widths or 0.0, *self._stroke_style(one)[1:])
        self.operations.markers(style, shape, codes, positions)

    def draw_text(
        self,
        gc: GraphicsContextBase,
        x: Number,
        y: Number,
        s: str,
        prop: Any,
        angle: Number,
        ismath: Any = False,
        mtext: Any = None,
    ) -> None:
        """Record a text as the mask that Agg makes of it."""
        left, top = math.floor(x), math.floor(y)
        dx, dy, mask = self._tile(gc, x - left, y - top, s, prop, angle, ismath, mtext)
        style = (MASK, face(gc, gc.get_rgb()), None, *self._stroke_style(gc))
        self.operations.image(style, left + dx, top + dy, mask)

    def _tile(
        self, gc: GraphicsContextBase, x: Number, y: Number, s: str, prop: Any,
        angle: Number = 0, ismath: Any = False, mtext: Any = None,
    ) -> tuple[int, int, np.ndarray]:  # fmt: skip
        """The mask of a text, remembered; that of a long line is put together from its letters'."""
        key = (s, hash(prop), angle, ismath, x, y, self.dpi, gc.get_antialiased())
        tile = self._tiles.pop(key, None)
        if tile is None:
            plain = not (ismath or angle or len(s) < _LONG or _styled(mtext))
            line = self._letters.line(s, prop) if plain else None
            if line:
                # Agg places letters by 64ths of a pixel.
                places = [divmod(round(64 * (x + dx)), 64) for dx in line.places]
                tile = composed(
                    [
                        (whole, self._tile(gc, part / 64, y, letter, prop))
                        for (whole, part), letter in zip(places, s, strict=True)
                    ]
                )
            else:
                tile = text_mask(self.agg, gc, x, y, s, prop, angle, ismath, mtext)
        self._tiles[key] = tile
        while len(self._tiles) > _TILES:
            self._tiles.popitem(last=False)
        return tile

    def draw_tex(
        self, gc: GraphicsContextBase, x: Number, y: Number, s: str, prop: Any, angle: Number,
        *, mtext: Any = None,
    ) -> None:  # fmt: skip
        """Record LaTeX text the same way."""
        self.draw_text(gc, x, y, s, prop, angle, ismath="TeX", mtext=mtext)

    def draw_image(
        self, gc: GraphicsContextBase, x: Number, y: Number, im: Any, transform: Any = None
    ) -> None:
        """Record an image of device pixels, its first row the lowest; or one to be scaled."""
        style = (IMAGE, None, None, *self._stroke_style(gc))
        if transform is None:
            at = round(x), self.height - round(y) - im.shape[0]
            return self.operations.image(style, *at, im[::-1])
        # Of its array, the first entry comes to one corner and the last to the other.
        corners = transform.transform([[0, 0], [1, 1]]) + np.array([x, y])
        (x0, y0), (x1, y1) = np.floor(corners + 0.5).astype(int).tolist()
        im = im[:: 1 if y1 < y0 else -1, :: 1 if x1 > x0 else -1]
        place = min(x0, x1), self.height - max(y0, y1)
        self.operations.image(style, *place, im, (abs(x1 - x0), abs(y1 - y0)))

    def draw_gouraud_triangles(
        self, gc: GraphicsContextBase, triangles_array: Any, colors_array: Any, transform: Transform
    ) -> None:
        """Record smooth triangles as an image."""
        self._through_agg(
            lambda agg: agg.draw_gouraud_triangles(gc, triangles_array, colors_array, transform)
        )

    # Helpers

    def _stroke_style(self, gc: GraphicsContextBase) -> Style:
        return stroke_style(gc, self.points_to_pixels(1.0), self.height)

    def _through_agg(self, draw: Callable[[RendererAgg], None]) -> None:
        """Let Agg draw what canvas has no word for (hatches, smooth triangles)."""
        agg = RendererAgg(self.width, self.height, self.dpi)
        draw(agg)
        x, y, pixels = cropped(np.asarray(agg.buffer_rgba()))
        style = (IMAGE, None, None, *self._stroke_style(self.new_gc()))
        self.operations.image(style, x, y, pixels)


def _styled(mtext: Any) -> bool:
    """Whether a text asks for its font's features, or for a language's shapes."""
    return mtext is not None and bool(mtext.get_fontfeatures() or mtext.get_language())
