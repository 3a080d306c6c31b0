"""A matplotlib `Figure` in a notebook that moves as fast as the browser can paint.

Agg draws what stands still once, as the background. What moves, the artists marked
`set_animated(True)`, goes to the browser as coordinates (see `recorder`) and is stroked there.
Matplotlib's artists stay the only description of the picture:

    line.set_animated(True)
    canvas = FigureCanvas(figure, alt="Loss against time")
    line.set_data(t, loss)      # as ever
    canvas.refresh()            # a millisecond; any static change costs a background as well
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from matplotlib.axes import Axes
from matplotlib.backend_bases import Event
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, features

from comlnviz.apps.operations import Style
from comlnviz.apps.recorder import RecordingRenderer

_PATIENCE = 1.0  # seconds after which a frame counts as lost, and its page as gone
_REST = 0.25  # seconds between two frames that the page is asked to confirm
_MEMORY = 0.3  # weight of the newest round trip in the running mean
Foreseen = tuple[list[Style], bytes]  # styles and geometry of what moves
_LOSSLESS: dict[str, Any] = (
    {"format": "webp", "lossless": True, "quality": 0, "method": 0}
    if features.check("webp")  # half of PNG's time to encode, and smaller
    else {"format": "png", "compress_level": 1}
)


@dataclass
class _Drag:
    """Axes in which something follows the pointer; `place` is a share of them, from below left."""

    axes: Axes
    callback: Callable[[float, float], None]
    label: str
    at: Callable[[], tuple[Any, Any]] | None
    hover: Callable[[float | None, float | None], None] | None = None
    place: tuple[float, float] = (0.5, 0.5)

    def move(self, right: float, up: float, pressed: bool = True) -> None:
        place = min(max(right, 0.0), 1.0), min(max(up, 0.0), 1.0)
        pixel = self.axes.transAxes.transform(place)
        x, y = map(float, self.axes.transData.inverted().transform(pixel))
        if pressed:
            self.place = place
            self.callback(x, y)
        elif self.hover is not None:
            self.hover(x, y)

    def step(self, right: float, up: float) -> None:
        if self.at is not None:
            pixel = self.axes.transData.transform(self.at())
            x, y = self.axes.transAxes.inverted().transform(pixel)
            self.place = float(x), float(y)
        self.move(self.place[0] + right, self.place[1] + up)


class FigureCanvas(anywidget.AnyWidget):
    """Show `figure` and keep it live.

    Args:
        figure: made with `matplotlib.figure.Figure`, never pyplot, with an opaque face colour. Its
            layout engine runs for the first picture, then rests, so that axes do not jump about
            while a slider moves; `relayout()` runs it again.
        alt: what the picture shows, for readers who do not see it; assign to it at any time.
        on_theme: called with True when the page is dark (False when it is light again), to restyle
            the figure; the canvas then refreshes itself. Until a page reports, light is assumed.

    Attributes:
        round_trip: running mean, in seconds, from a frame being sent to its being painted.
        backgrounds: how many have been drawn.

    Works without a front end as well; there are no threads and no timers.
    """

    # Read here and not by anywidget: given a path, it keeps a reference to every instance for ever.
    _esm = (Path(__file__).parent / "canvas.js").read_text(encoding="utf-8")

    alt = traitlets.Unicode("").tag(sync=True)
    # Synced state rather than messages: a view opened later, or a reloaded page, has all it needs.
    _size = traitlets.Tuple(default_value=(1, 1, 1.0)).tag(sync=True)  # device pixels, their ratio
    _dark = traitlets.Bool(False).tag(sync=True)
    _background = traitlets.Bytes(b"").tag(sync=True)
    _styles = traitlets.List().tag(sync=True)
    _frame = traitlets.Bytes(b"").tag(sync=True)  # see `refresh`
    # Draggable: left, top, width, height, label, and whether an unpressed pointer matters.
    _targets = traitlets.List().tag(sync=True)

    _closed = False

    def __init__(
        self, figure: Figure, *, alt: str = "", on_theme: Callable[[bool], None] | None = None
    ) -> None:
        self.figure = figure
        self.round_trip, self.backgrounds = 0.0, 0
        self._on_theme = on_theme
        self._agg = FigureCanvasAgg(figure)
        self._dpi = figure.dpi
        self._layout_engine = figure.get_layout_engine()
        self._drags: list[_Drag] = []
        self._recorder = RecordingRenderer(self._agg.get_renderer())
        self._outdated, self._drawing = True, False
        self._number = 0  # of frames
        self._asked: tuple[int, float] | None = None  # the frame to be confirmed, and when it left
        self._rested = float("-inf")  # when to ask again
        self._seen = False  # a page has answered lately
        self._agg.mpl_connect("draw_event", self._drawn)
        self.refresh()  # before the model opens: its first message then carries the first picture
        super().__init__(alt=alt)
        self.on_msg(self._receive)

    def refresh(self) -> None:
        """Push the present state of the figure: the background if it is stale, then what moves."""
        if self._closed:
            return
        stale = self._background_changed()
        with self.hold_sync():  # one message
            if stale:
                self._draw_background()
                self._recorder.forget()
            operations = self._recorder.frame(self.figure)
            styles, geometry = operations.styles, operations.geometry()
            if not stale and styles == self._styles and geometry == self._frame[4:]:
                return
            self._styles = styles
            self._number += 1
            # Not every frame: an answer costs the page and the kernel as much as a frame does.
            ask = self._asked is None and time.monotonic() >= self._rested
            head = self._number << 1 | ask
            self._frame = head.to_bytes(4, "little") + geometry
        if ask:
            now = time.monotonic()
            self._rested = now + _REST
            if self._seen:  # else nobody may be there to answer; who does is seen from then on
                self._asked = self._number, now

    def _background_changed(self) -> bool:
        for axes in self.figure.axes:
            axes.viewLim  # noqa: B018  a pending autoscale happens now, not after the check below
        # Animated artists do not make their figure stale. A stale figure means that the background
        # has changed: limits, ticks, a title, a colour, the size.
        return self._outdated or bool(self.figure.stale)

    def foreseen(self) -> Foreseen | None:
        """What `refresh` would send of the figure; None where it would draw the background anew."""
        if self._background_changed():
            return None
        operations = self._recorder.frame(self.figure)
        return operations.styles, operations.geometry()

    def foresee(self, slider: Any, pictures: dict[float, Foreseen]) -> None:
        """Give the page what `foreseen` found, to be painted when `slider` takes such a value.

        They follow the present picture: once another has been sent they are worth nothing.
        """
        about = {
            "kind": "foreseen",
            "slider": slider.model_id,
            "after": self._number,
            "values": list(pictures),
            "near": 0.01 * min(abs(value - slider.value) for value in pictures),
            "styles": [styles for styles, _ in pictures.values()],
        }
        head = (self._number << 1).to_bytes(4, "little")
        self.send(about, [head + geometry for _, geometry in pictures.values()])

    @property
    def in_flight(self) -> bool:
        """Whether a frame to be confirmed is on its way; False when no page shows this figure."""
        if self._asked is not None and time.monotonic() - self._asked[1] > _PATIENCE:
            self._asked, self._seen = None, False
        return self._asked is not None

    def make_draggable(
        self,
        axes: Axes,
        callback: Callable[[float, float], None],
        label: str = "",
        at: Callable[[], tuple[Any, Any]] | None = None,
        hover: Callable[[float | None, float | None], None] | None = None,
    ) -> None:
        """Call `callback(x, y)`, in data coordinates, while the reader presses or drags in `axes`.

        And `hover(x, y)` while the pointer is over them unpressed, `hover(None, None)` after that.

        Points come no faster than pictures are painted, the newest wins. The callback refreshes
        what it changes. With the keyboard: Tab to the axes, then arrow keys, with Shift ten times
        as far, from where the last point was or from where `at()` says that it is now. `label`
        names what is dragged for readers who do not see it.
        """
        self._drags = [drag for drag in self._drags if drag.axes is not axes]
        self._drags.append(_Drag(axes, callback, label or axes.get_title() or "axes", at, hover))
        self._place_targets()

    def relayout(self) -> None:
        """Let the figure's layout engine arrange the axes once more, after their labels changed."""
        self.figure.set_layout_engine(self._layout_engine)
        self._outdated = True
        self.refresh()

    def png(self, dpi: float | int | None = None) -> bytes:
        """Draw the whole figure, what moves included, as matplotlib does."""
        out = io.BytesIO()
        # Saving includes the animated artists of axes, yet not those of the figure itself.
        hidden = [artist for artist in self.figure.get_children() if artist.get_animated()]
        outdated = self._outdated or self.figure.stale
        for artist in hidden:
            artist.set_animated(False)
        try:
            self.figure.savefig(out, format="png", dpi=self._dpi if dpi is None else dpi)
        finally:
            for artist in hidden:
                artist.set_animated(True)
        self._recorder.forget()
        # All is put back as it was, so the background on the page is as good as before.
        self._outdated, self.figure.stale = outdated, False
        return out.getvalue()

    def close(self) -> None:
        """Take the figure off every page and let go of it and of the callbacks."""
        if not self._closed:
            self._closed = True
            self.on_msg(self._receive, remove=True)
            self.layout.close()  # a model of its own, which ipywidgets would keep
            self.unobserve_all()
        super().close()
        for name in ("figure", "_agg", "_drags", "_recorder", "_on_theme", "_layout_engine"):
            vars(self).pop(name, None)

    def _draw_background(self) -> None:
        self._drawing = True
        self.backgrounds += 1
        try:
            self._agg.draw()
        finally:
            self._drawing = False
        if self._layout_engine is not None:
            self.figure.set_layout_engine("none")
        self._outdated = self.figure.stale = False
        if self._recorder.agg is not self._agg.get_renderer():  # of another size
            self._recorder = RecordingRenderer(self._agg.get_renderer())
        pixels = np.ascontiguousarray(np.asarray(self._agg.buffer_rgba())[..., :3])
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, **_LOSSLESS)
        height, width = pixels.shape[:2]
        self._size = (width, height, self.figure.dpi / self._dpi)
        self._background = out.getvalue()
        self._place_targets()

    def _drawn(self, _event: Event) -> None:
        """After somebody else's drawing (savefig) the figure is not stale; our background is."""
        self._outdated = self._outdated or not self._drawing

    def _place_targets(self) -> None:
        whole = self.figure.bbox
        targets = []
        for drag in self._drags:
            box = drag.axes.get_window_extent()
            share = (
                box.x0 / whole.width,
                1 - box.y1 / whole.height,
                box.width / whole.width,
                box.height / whole.height,
            )
            share = (round(float(part), 5) for part in share)
            targets.append([*share, drag.label, drag.hover is not None])
        self._targets = targets

    def _receive(self, _widget: Any, content: dict[str, Any], _buffers: Any) -> None:
        """Hear what canvas.js has to say."""
        kind = content.get("kind")
        self._seen = True
        if kind == "painted":
            self._acknowledge(int(content["number"]))
        elif kind == "page":
            # A page that is loaded anew will not answer for the old one; it is asked at once.
            self._asked, self._rested = None, float("-inf")
            self._adapt(bool(content["dark"]), float(content["ratio"]))
        elif kind == "pointer":
            drag = self._drags[int(content["target"])]
            if content.get("left") and drag.hover is not None:
                drag.hover(None, None)
            elif "x" in content:
                drag.move(float(content["x"]), 1 - float(content["y"]), bool(content["pressed"]))
            else:
                drag.step(float(content["right"]), float(content["up"]))

    def _acknowledge(self, number: int) -> None:
        if self._asked is None or number < self._asked[0]:
            return  # of a second view
        trip = time.monotonic() - self._asked[1]
        weight = _MEMORY if self.round_trip else 1.0
        self.round_trip += weight * (trip - self.round_trip)
        self._asked = None

    def _adapt(self, dark: bool, ratio: float) -> None:
        """Follow the page's theme and its pixels."""
        dpi = self._dpi * min(max(ratio, 0.5), 4.0)
        with self.hold_sync():
            if dpi != self.figure.dpi:
                self.figure.dpi = dpi
            if dark != self._dark:
                self._dark = dark
                if self._on_theme is not None:
                    self._on_theme(dark)
            self.refresh()
