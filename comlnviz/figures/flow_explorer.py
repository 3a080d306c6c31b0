"""Descent against flow: paths on the loss, curves against time, what the learner says."""

from typing import Any, final

import numpy as np
from matplotlib.text import Text

from ..studies.descent_and_flow import Record
from .landscape import AbstractLandscapeFigure
from .style import COLOURS, GREEN, VERMILLION, animate, apply_theme, feed, label_axes, theme

PICTURES = (5, 9)  # of query images: a row a class
_MOST_DOTS = 200


@final
class FlowFigure(AbstractLandscapeFigure):
    """The figure of FlowExplorer. Feed it with `show_landscape`, `show_pictures`, `show`."""

    def __init__(self) -> None:
        self._shown: np.ndarray | None = None
        super().__init__(upper_height=0.95)

    # ------------------------------------------------------------------ artists, made once
    def _make_paths(self) -> None:
        plot = self.plane.plot
        (self.flow,) = plot([], [], color=COLOURS["flow"], lw=5, alpha=0.55)
        (self.descent,) = plot(
            [], [], color=COLOURS["descent"], lw=1, marker="o", ms=3.5, alpha=0.9
        )
        (self.steps,) = plot(
            [], [], color=COLOURS["solver"], lw=1.5, marker="s", ms=4, mfc="none", mew=1.3
        )
        self._write_key(
            (0.0, "━ gradient flow", "flow"),
            (0.31, "□ the solver's steps", "solver"),
            (0.68, "● gradient descent", "descent"),
        )

    def _make_panels(self, upper: Any, lower: Any) -> None:
        self.curves = self.figure.add_subplot(upper)
        self.work = self.figure.add_subplot(lower)
        self.pictures = self.figure.add_subplot(lower)
        self._make_curves()
        self._make_work()
        self._make_pictures()

    def _make_curves(self) -> None:
        axes = self.curves
        label_axes(axes, "", "t  (time, log)", "loss (full)")
        axes.set(xscale="log", xlim=(1e-2, 100), ylim=(0, 1.05))
        axes.grid(True, lw=0.6)
        (self.loss_flow,) = axes.plot([], [], color=COLOURS["flow"], lw=2.5)
        (self.loss_descent,) = axes.plot([], [], color=COLOURS["descent"], lw=1, marker="o", ms=2.5)
        (self.query_loss,) = axes.plot([], [], color=COLOURS["flow"], lw=1.5, ls="--")
        (self.accuracy,) = axes.plot([], [], color=COLOURS["flow"], lw=1.5, ls=":")
        (self.now,) = axes.plot([], [], lw=1, ls="-")
        above: dict[str, Any] = dict(transform=axes.transAxes, fontsize=8, ha="right")
        self.query_labels = [axes.text(x, 1.02, "", **above) for x in (0.6, 1.0)]
        animate(self.loss_flow, self.loss_descent, self.query_loss, self.accuracy, self.now)
        animate(*self.query_labels)

    def _make_work(self) -> None:
        axes = self.work
        label_axes(axes, "work and error: keep points", "gradient evaluations", "error")
        axes.set(xscale="log", yscale="log", xlim=(3, 3e4), ylim=(1e-10, 3))
        axes.grid(True, lw=0.6)
        (self.kept,) = axes.plot([], [], marker="o", ls="", ms=5, color=COLOURS["solver"])
        (self.present,) = axes.plot([], [], marker="s", ms=7, mfc="none", mew=1.5, ls="")
        self.present.set_color(COLOURS["solver"])
        self.kept_labels: list[Text] = []
        self._points: list[tuple[float, float, str]] = []
        animate(self.kept, self.present)

    def _make_pictures(self) -> None:
        axes = self.pictures
        axes.set_title("query images, and what the learner says", fontsize=10, loc="left")
        axes.set_axis_off()
        axes.set_visible(False)
        rows, columns = PICTURES
        self.mosaic = axes.imshow(
            np.zeros((rows * 10, columns * 10)), cmap="gray_r", vmin=0, vmax=1
        )
        corners = [(10 * c + 0.2, 10 * r + 0.2) for r in range(rows) for c in range(columns)]
        gap = [np.nan, np.nan]
        square = np.array([[0, 0], [8.6, 0], [8.6, 8.6], [0, 8.6], [0, 0], gap])
        self.boxes = np.stack([square + at for at in corners])
        (self.right,) = axes.plot([], [], color=GREEN, lw=2)
        (self.wrong,) = axes.plot([], [], color=VERMILLION, lw=2)
        text: dict[str, Any] = dict(
            fontsize=8, weight="bold", ha="right", va="bottom", color=VERMILLION
        )
        self.said = [axes.text(x + 8.4, y + 8.6, "", **text) for x, y in corners]
        axes.set(xlim=(-0.5, columns * 10 - 0.8), ylim=(rows * 10 - 0.8, -0.5))
        animate(self.right, self.wrong, *self.said)

    # ------------------------------------------------------------------ feeding
    def set_theme(self, dark: bool) -> None:
        """Light or dark."""
        ink = (*self.readout, *self.query_labels)
        apply_theme(self.figure, dark, (self.levels, self.now), ink)
        self.start.set_markeredgecolor(theme(dark)["ink"])
        self.mosaic.set_cmap("gray" if dark else "gray_r")

    def show_pictures(self, images: np.ndarray | None) -> None:
        """Lay out query images (n, 8, 8), or none: then the work panel shows."""
        if self.work.get_visible() != (images is None):
            self.work.set_visible(images is None)
            self.pictures.set_visible(images is not None)
        if images is not None and images is not self._shown:
            self._shown = images
            rows, columns = PICTURES
            tiles = np.zeros((rows, 10, columns, 10))
            tiles[:, 1:9, :, 1:9] = images.reshape(rows, columns, 8, 8).transpose(0, 2, 1, 3)
            self.mosaic.set_data(tiles.reshape(rows * 10, columns * 10))

    def show_answers(self, names: list[str], right: np.ndarray) -> None:
        """Frame each picture green or vermillion; write the answer where it is wrong."""
        for line, which in ((self.right, right), (self.wrong, ~right)):
            feed(line, *self.boxes[which].reshape(-1, 2).T)
        for text, name, r in zip(self.said, names, right, strict=True):
            text.set_text("" if r else name)

    def show(self, record: Record, start: tuple, top_loss: float, T: float) -> None:
        """Draw a record."""
        feed(self.flow, *record.flow_xy.T)
        feed(self.descent, *record.descent_xy.T)
        count = int(record.steps_done) + 1
        feed(self.steps, *record.steps_xy[:count].T)
        self.steps.set_marker("s" if count <= _MOST_DOTS else "")
        feed(self.start, [start[0]], [start[1]])
        feed(self.loss_flow, record.flow_t[1:], record.flow_loss[1:])
        feed(self.loss_descent, record.descent_t[1:], record.descent_loss[1:])
        feed(self.query_loss, record.flow_t[1:], record.query_loss[1:])
        few_shot = np.isfinite(record.query_accuracy[-1])
        # Accuracy shares the axis: its 1 is the top of the plot.
        feed(self.accuracy, record.flow_t[1:], record.query_accuracy[1:] * top_loss)
        feed(self.now, [T, T], [0, top_loss])
        loss, accuracy = record.query_loss[-1], record.query_accuracy[-1]
        kind, right = (
            ("query", f"accuracy {100 * accuracy:.0f}% (dotted)")
            if few_shot
            else ("validation", "")
        )
        for text, words in zip(
            self.query_labels, (f"{kind} loss {loss:.2f} (dashed)", right), strict=True
        ):
            text.set_text(words)
        if self.curves.get_ylim()[1] != top_loss:
            self.curves.set_ylim(0, top_loss)
        work = np.nan if record.evaluations is None else float(record.evaluations)
        feed(self.present, [work], [float(record.error)])

    def show_kept(self, points: list[tuple[float, float, str]]) -> None:
        """The reader's own work-and-error points: (evaluations, error, solver)."""
        if points == self._points:
            return  # new texts would cost a background at every move
        self._points = list(points)
        for text in self.kept_labels:
            text.remove()
        feed(self.kept, [p[0] for p in points], [p[1] for p in points])
        self.kept_labels = [
            self.work.text(x * 1.15, y, name, fontsize=7, va="center", color=COLOURS["solver"])
            for x, y, name in points
        ]
        animate(*self.kept_labels)
