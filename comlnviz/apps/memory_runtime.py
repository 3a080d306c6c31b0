"""MemoryRuntime: what a meta-gradient costs, measured, foretold, and measured here."""

import asyncio
from typing import Any, final

import ipywidgets as widgets

from ..figures.curves import CurvesFigure, in_bytes, in_seconds
from ..measure import COS_MIXTURE, METHODS, SOLVERS, Measurement, Problem, Solving
from ..measure.apart import Apart
from ..measure.methods import ALPHA
from ..studies import curves
from ..studies.curves import HERE
from .base import AbstractApp
from .controls import choice, log_slider, rows, several, steps

OPENING = ("MAML", "ANIL", "iMAML", "COMLN, forward", "COMLN, Gram")
PROBLEMS = {
    "a last layer": "features",
    "Conv-4, images in": "conv-4",
    "ResNet-12, images in": "resnet-12",
    "CosMixture, a whole network": "cos-mixture",
}
TOLERANCES = ("its own", "1e-3", "1e-4", "1e-5", "1e-6", "1e-7", "1e-8", "1e-9")
TIMEOUT = 120.0  # seconds for a measurement of the reader's own
_GLANCE = 0.25  # seconds between two looks at it


@final
class MemoryRuntime(AbstractApp):
    """Memory, time and error of a meta-gradient against the length of adaptation.

    Points and solid lines are measured, each by the device that is named below; dashed lines are
    extrapolated; thin lines are the formulas of Table 1 with every constant one. Choose the device
    that is read; points of the others are hollow. Move the memory limit to see where each method
    stops, point at a panel to read it there, press or drag to move T, and measure a point of your
    own.

    Source: COMLN (Deleu et al. 2022), Table 1 and Figures 3 and 4; A-MAML (Li et al. 2023), Figures
    3 and 4.
    """

    cites = ("comln", "amaml", "anil")

    def _make_controls(self) -> dict[str, Any]:
        self._here: list[Measurement] = []
        self._running: Apart | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._pointed: float | None = None  # T at which the pointer is
        devices = tuple(curves.stored()) or (HERE,)
        return {
            "methods": several(
                "methods", tuple(METHODS), OPENING, "Which methods are drawn: Ctrl adds one"
            ),
            "T": log_slider(
                "T", -2, 6, 10.0, "Where curves are read, in time: 0.01–1,000,000", 0.1
            ),
            "limit": log_slider(
                "memory, GB", -4, 4, 32.0, "Memory that a device has: 0.0001–10,000 GB", 0.005
            ),
            "problem": choice(
                "adapts", tuple(PROBLEMS), next(iter(PROBLEMS)),
                "A classifier on given features, or with the network that makes them of 84×84 "
                "images; or A-MAML's network with 100 values of a function",
            ),
            "shots": steps(
                "shots", (1, 2, 5, 10, 20), 5, "Examples a class: 1–20; measured for 1 and 5"
            ),
            "ways": steps("classes N", (2, 5, 10, 20), 5, "Number of classes: 2–20; measured: 5"),
            "d": steps(
                "d", (64, 640, 1600, 16_000), 1600, "Features: 64–16,000; measured: 1,600, 16,000"
            ),
            "theta": log_slider(
                "|θ|", 3, 8, 121_093, "Parameters of the whole network, in Table 1: 1e3–1e8", 0.005
            ),
            "device": choice(
                "device", devices, devices[0],
                "Whose measurements are drawn full and read, with yours; hollow: the others",
            ),
            "solver": choice(
                "solver", SOLVERS, SOLVERS[0], "With which A-MAML and COMLN follow their flows"
            ),
            "tolerance": choice(
                "tolerance", TOLERANCES, TOLERANCES[0],
                "Of the solver's steps: each method's own, 1e-6 for COMLN and 1e-4 for A-MAML, or "
                "1e-3–1e-9",
            ),
            "method": choice(
                "measure", tuple(METHODS), "COMLN, Gram", "The method for 'Measure here, now'"
            ),
        }  # fmt: skip

    def _make_picture(self) -> CurvesFigure:
        self._picture = CurvesFigure()
        return self._picture

    def _arrange(self) -> list[Any]:
        for panel in self._picture.axes.values():
            self.canvas.make_draggable(
                panel, self._read, "T at which curves are read", hover=self._point
            )
        # Whoever moves T wants to see it, wherever the pointer rests.
        self.controls["T"].observe(lambda _: self._point(None, None), names="value")
        self._progress = widgets.FloatProgress(
            value=0.0, max=TIMEOUT, description="", layout=widgets.Layout(width="200px")
        )
        self._stop = widgets.Button(
            description="Cancel", tooltip="End the measurement that is under way"
        )
        self._stop.layout.width = "auto"
        self._stop.on_click(self._guarded(self.cancel))
        self._work = widgets.HBox([self._progress, self._stop])
        self._work.layout.visibility = "hidden"
        first, *others = self.controls.values()
        side = widgets.VBox(rows({str(i): control for i, control in enumerate(others)}, 2))
        wrap = widgets.Layout(flex_flow="row wrap")
        return [widgets.HBox([first, side], layout=wrap), self._work]

    def _extra_buttons(self) -> list[tuple[str, str, Any]]:
        where = "Measure the chosen method at T on this machine, in a process of its own"
        return [("Measure here, now", where, self.measure_here)]

    def close(self) -> None:
        """Take the app off the page; end what it measures."""
        self.cancel()
        super().close()

    # ------------------------------------------------------------------ measuring
    def measure_here(self) -> None:
        """Begin to measure the chosen method at T; what is under way ends."""
        self.cancel()
        self._running = Apart(
            self._value("method"), curves.steps(self._value("T")), self._problem(),
            solving=METHODS[self._value("method")].solving(self._solving()), repeats=3,
            memory_limit=1e9 * self._value("limit"), timeout=TIMEOUT,
        )  # fmt: skip
        self._look()

    def cancel(self) -> None:
        """End a measurement that is under way; nothing comes of it."""
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        if self._running is not None:
            self._running.cancel()
            self._running = None
            self._work.layout.visibility = "hidden"
            self._tell("Cancelled.")

    def finish(self) -> Measurement | None:
        """Wait for the measurement that is under way, and show it: for scripts."""
        if self._running is None:
            return None
        found = self._running.wait()
        self._arrived(found)
        return found

    def _look(self) -> None:
        """Ask the child how it is; again in a while, where an event loop runs."""
        self._looking = None
        if self._running is None:
            return
        try:
            found = self._running.poll()
        except Exception as error:
            self._running = None
            self._work.layout.visibility = "hidden"
            return self._on_error(error)
        if found is not None:
            return self._arrived(found)
        self._work.layout.visibility = "visible"
        self._progress.value = self._running.seconds
        self._busy(f"{self._value('method')}: {self._running.stage}, {self._running.seconds:.0f} s")
        try:
            self._looking = asyncio.get_running_loop().call_later(_GLANCE, self._look)
        except RuntimeError:
            pass  # a script: `finish` waits

    def _arrived(self, found: Measurement) -> None:
        self._running = None
        self._work.layout.visibility = "hidden"
        key = lambda p: (p.method, p.length, p.problem, p.solver, p.tolerance)
        self._here = [point for point in self._here if key(point) != key(found)] + [found]
        if found.method not in self._value("methods"):
            self.controls["methods"].value = (*self._value("methods"), found.method)
        self._updates.request()
        self._updates.flush()
        self._tell(_sentence(found))

    # ------------------------------------------------------------------ showing
    def _value(self, name: str) -> Any:
        return self.controls[name].value

    def _problem(self) -> Problem:
        v, backbone = self._value, PROBLEMS[self._value("problem")]
        if backbone == COS_MIXTURE.backbone:
            return COS_MIXTURE
        return Problem(backbone, ways=v("ways"), shots=v("shots")).with_features_of(v("d"))

    def _solving(self) -> Solving:
        """As chosen, for methods that follow a flow."""
        tolerance = self._value("tolerance")
        return Solving(
            self._value("solver"), None if tolerance == TOLERANCES[0] else float(tolerance)
        )

    def _parameters(self) -> int | None:
        """Of the whole network, where the problem leaves it open."""
        given = self._problem().backbone == "features"
        return round(self._value("theta")) if given else None

    def _read(self, length: float, _: float) -> None:
        """The pointer is pressed at a number of gradient steps."""
        self._point(None, None)
        self.controls["T"].value = self._within(length)

    def _point(self, length: float | None, _: float | None) -> None:
        """It is over them; or over none, and T is read again."""
        self._pointed = None if length is None else self._within(length)
        self._updates.request()

    def _within(self, length: float) -> float:
        slider = self.controls["T"]
        return min(max(length * ALPHA, 10.0**slider.min), 10.0**slider.max)

    def _T(self) -> float:
        """Where curves are read."""
        return self._value("T") if self._pointed is None else self._pointed

    def _update(self) -> str:
        v, problem = self._value, self._problem()
        classifies = problem.classifies
        offered = {"shots": classifies, "ways": classifies}
        offered |= dict.fromkeys(("d", "theta"), problem.backbone == "features")
        flows = any(METHODS[name].tolerance for name in (*v("methods"), v("method")))
        offered |= dict.fromkeys(("solver", "tolerance"), flows)
        for name, useful in offered.items():
            # Hidden as well: what was last chosen for it would be untrue.
            self.controls[name].disabled = not useful
            self.controls[name].layout.visibility = "visible" if useful else "hidden"
        record = self._record = curves.study(
            problem, v("methods"), curves.steps(self._T()), solving=self._solving(),
            parameters=self._parameters(), here=self._here,
        )  # fmt: skip
        front = self._front()
        read = [curve for curve in record.curves if curve.device in front]
        self._picture.show(record, v("methods"), front)
        self._picture.show_limit(1e9 * v("limit"), read)
        self._picture.show_paper(curves.paper(problem))
        devices = dict.fromkeys(curve.device for curve in record.curves)
        full = " and ".join(device for device in devices if device in front)
        hollow = " and ".join(device for device in devices if device not in front)
        chosen = any(curve.solving != Solving() for curve in read)
        how = f", with {self._solving()}" if chosen else ""
        self._picture.write(
            (
                f"M = {problem.M}, N = {problem.ways}, d = {problem.size:,}"
                if classifies
                else f"CosMixture, {problem.shots} values"
            )
            + f"; read at T = {self._T():.3g}, "
            f"{record.length:,} steps; limit {in_bytes(1e9 * v('limit'))}.     "
            + (f"Measured: {full}{how}" if full else "Not measured: formulas only")
            + (f"; hollow: {hollow}." if hollow else ".")
        )
        if record.curves or not v("methods"):
            return self._solved_otherwise(read)
        if not classifies:
            return "A function has no last layer to adapt alone: choose MAML, iMAML or A-MAML."
        return (
            f"Nothing is measured for N = {problem.ways}, {problem.shots} shots and d = "
            f"{problem.size:,}: thin lines are formulas. Choose N = 5 and 5 shots, "
            "or measure a point here."
        )

    def _solved_otherwise(self, read: list[curves.Curve]) -> str:
        """A sentence for methods that are not read with the chosen solver and tolerance, if any."""
        wanted = lambda curve: METHODS[curve.method].solving(self._solving())
        so = {curve.method for curve in read if curve.solving == wanted(curve)}
        methods = dict.fromkeys(curve.method for curve in read)
        others = [method for method in methods if method not in so]
        if not others:
            return ""
        return (
            f"Not measured with {self._solving()}: {'; '.join(others)}. Drawn is what each has of "
            "its own; measure a point here."
        )

    def _front(self) -> tuple[str, ...]:
        """The chosen device and the reader's; where that has nothing, the first that has."""
        devices = [curve.device for curve in self._record.curves]
        chosen = self._value("device")
        if chosen not in devices:
            chosen = next((device for device in devices if device != HERE), chosen)
        return chosen, HERE

    def _describe(self) -> str:
        limit = 1e9 * self._value("limit")
        at = f"T = {self._T():.3g}"
        parts = [f"Memory, time and error of a meta-gradient against its length, read at {at}."]
        for curve in self._record.curves:
            memory = curve.at("temporary_bytes", self._record.length)
            stop = curve.stops(limit)
            says = "no value there" if memory is None else in_bytes(memory.value)
            ends = f", passes {in_bytes(limit)} at {stop.value:,.0f} steps" if stop else ""
            how = "" if curve.solving == Solving() else f", {curve.solving}"
            parts.append(f"{curve.method} ({curve.device}{how}): {says}{ends}.")
        return " ".join(parts)

    def code(self) -> str:
        """A runnable script that computes the numbers of the present picture."""
        self._updates.flush()
        v, p = self._value, self._problem()
        return (
            "from comlnviz.measure import Problem, Solving\n"
            "from comlnviz.studies import curves\n\n"
            f"problem = {p!r}\n"
            f"record = curves.study(problem, {v('methods')!r}, {self._record.length}, "
            f"solving={self._solving()!r}, parameters={self._parameters()})\n"
            "for curve in record.curves:\n"
            "    print(curve.method, curve.device, curve.at('temporary_bytes', record.length), "
            f"curve.stops({1e9 * v('limit')!r}))\n"
            "for row in record.table:\n"
            "    print(row)\n"
        )


def _sentence(found: Measurement) -> str:
    how = "" if found.solving == Solving() else f", {found.solving}"
    where = f"{found.method} at {found.length:,} steps{how}, here:"
    if found.status != "ok" or found.seconds is None:
        return f"{where} {found.status}. {found.why}"
    error = "" if found.error is None else f", error {found.error:.1e}"
    memory = in_bytes(found.temporary_bytes or 0)
    return f"{where} {in_seconds(found.seconds)}, {memory}{error}."
