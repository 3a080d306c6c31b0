"""FlowExplorer: gradient descent against gradient flow, on surfaces and on a real few-shot task."""

from typing import Any, final

import numpy as np

from ..figures.flow_explorer import PICTURES, FlowFigure
from ..studies import descent_and_flow, landscapes
from ..studies.descent_and_flow import MAX_DESCENT
from .controls import choice, log_slider, rows, slider
from .landscape_app import FEW_SHOT, AbstractLandscapeApp


@final
class FlowExplorer(AbstractLandscapeApp):
    """Why adaptation can be seen as a flow, and what a solver makes of it.

    Drag the start point (or press in the plane), move T, the tolerance, the learning rate. Keep
    points to build the curve of error against work.

    Source: COMLN (Deleu et al. 2022), Sections 3.1 and 3.3, Figure 1.
    """

    cites = ("comln", "anil", "diffrax")

    def _make_controls(self) -> dict[str, Any]:
        self._points: list[tuple[float, float, str]] = []
        problem, *surface = self._landscape_controls(landscapes.NAMES, FEW_SHOT).items()
        problem[1].observe(self._on_problem, names="value")
        return {
            problem[0]: problem[1],
            **self._solver_controls(T=10.0, tolerance=1e-4, step=10**-0.3),
            "alpha": log_slider(
                "α (descent)",
                -3,
                1,
                10**-0.3,
                "Learning rate of gradient descent, in time: 0.001–10",
            ),
            "x": slider("start, x", -15, 15, 0.05, 0.0, "Start point, first coordinate; or drag"),
            "y": slider("start, y", -15, 15, 0.05, 0.0, "Start point, second coordinate; or drag"),
            **dict(surface),
            "panel": choice(
                "below right",
                ("query images", "work and error"),
                "query images",
                "What the lower right panel shows of a few-shot task",
            ),
        }

    def _make_picture(self) -> FlowFigure:
        self._picture = FlowFigure()
        return self._picture

    def _arrange(self) -> list[Any]:
        self.canvas.make_draggable(
            self._picture.plane,
            self._on_drag,
            "start point of adaptation",
            at=lambda: (self.controls["x"].value, self.controls["y"].value),
        )
        return rows(self.controls)

    def _extra_buttons(self) -> list[tuple[str, str, Any]]:
        return [
            ("Keep this point", "Add (gradient evaluations, error) to the work panel", self.keep),
            ("Forget points", "Empty the work panel", self.forget),
        ]

    def _on_problem(self, _change: Any) -> None:
        """A new surface is entered at its own start point."""
        land, _ = self._landscape()
        self.controls["x"].value, self.controls["y"].value = (float(v) for v in land.start)

    def _on_drag(self, x: float, y: float) -> None:
        self.controls["x"].value, self.controls["y"].value = round(x, 3), round(y, 3)

    def settings(self) -> dict[str, Any]:
        """What `studies.descent_and_flow.study` is called with for the present picture."""
        return {
            **self._values("problem", "T", "solver", "tolerance", "step", "alpha"),
            "start": (self.controls["x"].value, self.controls["y"].value),
            **self._values("condition", "shots", "seed"),
        }

    def keep(self) -> None:
        """Keep the present solver's work and error as a point."""
        self._updates.flush()
        if self._record.evaluations is None:
            raise ValueError("An implicit solver's gradient evaluations are not counted.")
        self._points.append(
            (float(self._record.evaluations), float(self._record.error), self.settings()["solver"])
        )
        self.controls["panel"].value = "work and error"
        self._updates.request()

    def forget(self) -> None:
        """Forget the kept points."""
        self._points.clear()
        self._updates.request()

    def _update(self) -> str:
        self._rest_what_does_nothing()
        self._check_solver()
        settings = self.settings()
        self._announce(settings["problem"], settings["solver"])
        entered = self._enter_landscape()
        if entered is not None:
            self._meet(*entered)
        self._record = record = descent_and_flow.study(**settings)
        picture = self._picture
        picture.show(record, settings["start"], self._top_loss, settings["T"])
        picture.show_kept(self._points)
        images = self._images if self.controls["panel"].value == "query images" else None
        picture.show_pictures(images)
        if self._queries is not None:
            self._answer(record)
        picture.write(*self._readout(record, settings))
        return self._complaint(record, settings)

    def _meet(self, land: landscapes.Landscape, queries: landscapes.Queries | None) -> None:
        """Take from a new surface what the panels at the right need."""
        loss = max(float(landscapes.loss_at(land, land.start)), 1e-3)
        # A round number, so that the axis rests while the surface changes a little.
        power = 10.0 ** np.floor(np.log10(loss))
        self._top_loss = float(
            power * min(m for m in (1.2, 2, 3, 5, 7.5, 10.2) if m * power > loss)
        )
        self._queries, self._images = queries, None
        if queries is not None:
            places = np.arange(len(queries.labels)).reshape(PICTURES[0], -1)
            self._which = places[:, : PICTURES[1]].ravel()
            self._images = queries.images[self._which]

    def _answer(self, record: descent_and_flow.Record) -> None:
        assert record.query_probabilities is not None and self._queries is not None
        said = np.argmax(record.query_probabilities, axis=1)[self._which]
        right = said == self._queries.labels[self._which]
        self._picture.show_answers([self._queries.names[s] for s in said], right)

    def _readout(
        self, record: descent_and_flow.Record, settings: dict[str, Any]
    ) -> tuple[tuple[str, ...], ...]:
        work = (
            f"{int(record.evaluations)} gradients"
            if record.evaluations is not None
            else f"{int(record.steps_done)} implicit steps"
        )
        steps_ = int(record.descent_steps)
        euler = settings["solver"] == "Euler"
        # The page computes powers of ten too, perhaps with another last digit.
        same = euler and np.isclose(settings["step"], settings["alpha"])
        note = "step = α: Euler is gradient descent" if same else ""
        if steps_ > MAX_DESCENT:
            note = f"({MAX_DESCENT} drawn)  {note}"
        # In the text too: where a tolerance changes no step, a move must still be seen.
        how = f"step {settings['step']:.3g}" if euler else f"tolerance {settings['tolerance']:.2e}"
        return (
            (f"flow by {settings['solver']}", how, work, f"error {record.error:.1e}"),
            ("gradient descent", f"α = {settings['alpha']:.3g}", f"{steps_} steps", note),
        )

    def _complaint(self, record: descent_and_flow.Record, settings: dict[str, Any]) -> str:
        solver = settings["solver"]
        if not bool(record.solver_ok):
            if int(record.steps_done) >= descent_and_flow.MAX_STEPS:
                why = f"used up its {descent_and_flow.MAX_STEPS} steps"
            else:
                why = "left the range of numbers: its steps are too long for this curvature"
            return f"{solver} {why}, at t = {record.end_time:.3g} of T = {settings['T']:.3g}."
        losses = record.descent_loss[: int(min(record.descent_steps, MAX_DESCENT)) + 1]
        # A last loss that is not finite compares false.
        if not losses[-1] <= max(10 * losses[0], 1e-9):
            return (
                f"Gradient descent diverged: α = {settings['alpha']:.3g} is too long for the "
                "largest curvature."
            )
        return ""

    def _describe(self) -> str:
        if not hasattr(self, "_record"):
            return "Nothing computed yet."
        record, settings = self._record, self.settings()
        text = (
            f"Paths of gradient flow, of {settings['solver']}'s steps and of gradient descent on "
            f"the {settings['problem']} loss up to T = {settings['T']:.3g}; loss falls from "
            f"{record.flow_loss[0]:.2f} to {record.flow_loss[-1]:.2f}"
        )
        if np.isfinite(record.query_accuracy[-1]):
            text += f", query accuracy {100 * record.query_accuracy[-1]:.0f}%"
        return text + f"; the solver's error is {record.error:.0e}."

    def code(self) -> str:
        """A runnable script that computes the numbers of the present picture."""
        self._updates.flush()
        return (
            self._call("descent_and_flow", self.settings())
            + 'print(f"loss {record.flow_loss[0]:.4f} to {record.flow_loss[-1]:.4f}; "\n'
            '      f"error of the solver {record.error:.3e}, {record.evaluations} gradients")\n'
        )
