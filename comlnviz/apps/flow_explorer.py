"""FlowExplorer: gradient descent against gradient flow, on surfaces and on a real few-shot task."""

from typing import Any, final

import ipywidgets as widgets
import numpy as np
from matplotlib.figure import Figure

from ..figures.flow_explorer import PICTURES, FlowFigure
from ..studies import descent_and_flow, landscapes
from .base import AbstractApp, choice, log_slider, rows, slider, steps

SOLVERS = ("Dopri5", "Tsit5", "Dopri8", "Heun", "Euler", "Kvaerno5")


@final
class FlowExplorer(AbstractApp):
    """Why adaptation can be seen as a flow, and what a solver makes of it.

    Drag the start point (or press in the plane), move T, the tolerance, the learning rate. Keep
    points to build the curve of error against work.

    Source: COMLN (Deleu et al. 2022), Sections 3.1 and 3.3, Figure 1.
    """

    cites = ("comln", "anil", "diffrax")

    def _make_controls(self) -> dict[str, Any]:
        self._compiled: set[tuple[str, str]] = set()
        self._land_key: tuple | None = None
        self._points: list[tuple[float, float, str]] = []
        return {
            "problem": choice(
                "loss", landscapes.NAMES, "few-shot digits", "Which loss surface to walk on"
            ),
            "T": log_slider(
                "T", -2, 2, 10.0, "Length of the adaptation, in time; a step of α lasts α: 0.01–100"
            ),
            "alpha": log_slider(
                "α (descent)", -3, 1, 0.5, "Learning rate of gradient descent, in time: 0.001–10"
            ),
            "solver": choice(
                "solver", SOLVERS, "Dopri5", "Which method integrates the flow (Diffrax)"
            ),
            "tolerance": log_slider(
                "tolerance", -10, -1, 1e-4, "Relative and absolute tolerance of adaptive solvers"
            ),
            "step": log_slider(
                "step (Euler)", -3, 1, 0.5, "Length of Euler's constant step, in time: 0.001–10"
            ),
            "x": slider("start, x", -15, 15, 0.05, 0.0, "Start point, first coordinate; or drag"),
            "y": slider("start, y", -15, 15, 0.05, 0.0, "Start point, second coordinate; or drag"),
            "condition": log_slider(
                "condition", 0, 3, 10.0, "Ratio of the quadratic's curvatures: 1–1000"
            ),
            "shots": steps("shots", (1, 2, 5, 10), 5, "Labelled examples a class: 1, 2, 5 or 10"),
            "seed": widgets.BoundedIntText(
                value=0,
                min=0,
                max=999,
                description="task",
                tooltip="Which few-shot task (or which points): 0–999",
                layout=widgets.Layout(width="315px"),
                style={"description_width": "95px"},
            ),
            "panel": choice(
                "below right",
                ("query images", "work and error"),
                "query images",
                "What the lower right panel shows of a few-shot task",
            ),
        }

    def _make_figure(self) -> Figure:
        self._picture = FlowFigure()
        return self._picture.figure

    def _arrange(self) -> list[Any]:
        self.controls["problem"].observe(self._on_problem, names="value")
        self.canvas.make_draggable(self._picture.plane, self._on_drag, "start point of adaptation")
        return rows(self.controls)

    def _extra_buttons(self) -> list[tuple[str, str, Any]]:
        return [
            ("Keep this point", "Add (gradient evaluations, error) to the work panel", self.keep),
            ("Forget points", "Empty the work panel", self.forget),
        ]

    def _on_theme(self, dark: bool) -> None:
        self._picture.set_theme(dark)

    def _on_problem(self, _change: Any) -> None:
        """A new surface is entered at its own start point."""
        land, _ = self._landscape()
        self.controls["x"].value, self.controls["y"].value = (float(v) for v in land.start)

    def _on_drag(self, x: float, y: float) -> None:
        self.controls["x"].value, self.controls["y"].value = round(x, 3), round(y, 3)

    def _landscape(self) -> tuple[landscapes.Landscape, Any]:
        value = {name: control.value for name, control in self.controls.items()}
        return landscapes.opened(
            value["problem"],
            condition=value["condition"],
            shots=value["shots"],
            seed=value["seed"],
        )

    def settings(self) -> dict[str, Any]:
        """What `studies.descent_and_flow.study` is called with for the present picture."""
        value = {name: control.value for name, control in self.controls.items()}
        return {
            **{
                name: value[name]
                for name in ("problem", "T", "solver", "tolerance", "step", "alpha")
            },
            "start": (value["x"], value["y"]),
            **{name: value[name] for name in ("condition", "shots", "seed")},
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
        settings = self.settings()
        few_shot = settings["problem"] == "few-shot digits"
        if few_shot and settings["solver"] == "Kvaerno5":
            raise ValueError(
                "Kvaerno5 is implicit and would factor a 250 × 250 matrix at every step here; "
                "choose an explicit solver, or a loss in two dimensions."
            )
        kind = (settings["problem"], settings["solver"])
        if kind not in self._compiled:
            self._busy(f"Compiling {settings['solver']} for the {settings['problem']} loss")
        self._enter_landscape(few_shot)
        self._record = record = descent_and_flow.study(**settings)
        self._compiled.add(kind)
        picture, T = self._picture, settings["T"]
        picture.show(record, settings["start"], self._top_loss, T)
        picture.show_kept(self._points)
        if few_shot:
            self._answer(record)
        picture.readout.set_text(self._readout(record, settings))
        return self._complaint(record, settings)

    def _enter_landscape(self, few_shot: bool) -> None:
        """Redraw what belongs to the surface, when it is another one."""
        c = {name: self.controls[name].value for name in ("problem", "condition", "shots", "seed")}
        panel = few_shot and self.controls["panel"].value == "query images"
        key = (*c.values(), panel)
        if key == self._land_key:
            return
        land, task = self._landscape()
        limits = self._picture.frame(land.low, land.high)
        x, y, z = landscapes.surface(land, *limits)
        names = ("plane of the two leading directions of W", "") if few_shot else ("w₁", "w₂")
        self._picture.show_landscape(x, y, z, names)
        self._top_loss = float(self._loss_at_start(land))
        self._names: tuple[str, ...] = ()
        if task is not None:
            rows_, columns = PICTURES
            images, labels = task.query
            truth = np.argmax(labels, axis=1)
            # As many of each class as fit, in the order of the classes.
            self._which = np.sort(np.arange(len(truth)).reshape(5, -1)[:, :7].ravel()[: rows_ * columns])
            self._truth = truth[self._which]
            pictures = np.asarray(images)[self._which, :, :, 0]
        self._picture.show_pictures(pictures if panel else None)
        self._land_key = key

    def _loss_at_start(self, land: landscapes.Landscape) -> float:
        return max(landscapes.loss_at(land, land.start), 1e-3)

    def _answer(self, record: descent_and_flow.Record) -> None:
        assert record.query_probabilities is not None
        said = np.argmax(record.query_probabilities, axis=1)[self._which]
        self._picture.show_answers([str(5 + s) for s in said], said == self._truth)

    def _readout(self, record: descent_and_flow.Record, settings: dict[str, Any]) -> str:
        work = (
            f"{int(record.evaluations)} gradients"
            if record.evaluations is not None
            else f"{int(record.steps_done)} implicit steps"
        )
        steps_ = int(record.descent_steps)
        drawn = "" if steps_ <= descent_and_flow.MAX_DESCENT else " (400 drawn)"
        same = settings["solver"] == "Euler" and settings["step"] == settings["alpha"]
        note = "   step = α: Euler is gradient descent" if same else ""
        return (
            f"flow by {settings['solver']}: {work}, error {record.error:.1e}{note}\n"
            f"gradient descent: {steps_} steps of α = {settings['alpha']:.3g}{drawn}"
        )

    def _complaint(self, record: descent_and_flow.Record, settings: dict[str, Any]) -> str:
        solver = settings["solver"]
        if not bool(record.solver_ok):
            if int(record.steps_done) >= descent_and_flow.MAX_STEPS:
                why = f"used up its {descent_and_flow.MAX_STEPS} steps"
            else:
                why = "left the range of numbers: its steps are too long for this curvature"
            return f"{solver} {why}, at t = {record.end_time:.3g} of T = {settings['T']:.3g}."
        shown = record.descent_xy[np.isfinite(record.descent_t)]
        steps_ = min(int(record.descent_steps), descent_and_flow.MAX_DESCENT) + 1
        if not np.all(np.isfinite(shown[:steps_])):
            return (
                f"Gradient descent diverged: α = {settings['alpha']:.3g} is too long for the "
                "largest curvature."
            )
        return ""

    def _describe(self) -> str:
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
        arguments = "".join(f"    {name}={value!r},\n" for name, value in self.settings().items())
        return (
            "from comlnviz.studies import descent_and_flow\n\n"
            f"record = descent_and_flow.study(\n{arguments})\n"
            'print(f"loss {record.flow_loss[0]:.4f} to {record.flow_loss[-1]:.4f}; "\n'
            '      f"error of the solver {record.error:.3e}, {record.evaluations} gradients")\n'
        )
