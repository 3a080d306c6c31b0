"""RegressionAdaptation: a network learns a function, from where each method has it start."""

from typing import Any, final

import numpy as np

from ..figures.regression import RegressionFigure
from ..studies import regression
from ..studies.learned_starts import LOG_TIMES, STEP, TIMES, nearest
from ..studies.regression import PROBLEMS, SHOTS, STARTS
from .base import AbstractApp
from .controls import choice, log_slider, number, slider, steps


@final
class RegressionAdaptation(AbstractApp):
    """A function of two variables, and the fit of a network that adapts to a few of its values.

    Scrub T and watch the fit move, from the initialization of A-MAML or of another method. Show
    fewer values, or noisy ones, and see from when on adapting longer harms.

    Source: A-MAML (Li et al. 2023), Section 5.1 and Figure 2.
    """

    cites = ("amaml",)

    def _make_controls(self) -> dict[str, Any]:
        self._computed_for: dict[str, Any] | None = None
        return {
            "problem": choice(
                "functions", PROBLEMS, PROBLEMS[0], "The family that the function is of"
            ),
            "method": choice("start", STARTS, STARTS[0], "Whose initialization the fit is from"),
            "T": log_slider(
                "T", *LOG_TIMES, 1.0, "How long it adapts, in units of time: 0.01–10", STEP
            ),
            "shots": steps(
                "shots", SHOTS, 50, "Values of the function that are shown: 5, 10, 20, 50 or 100"
            ),
            "noise": slider(
                "noise", 0, 1, 0.05, 0.0,
                "Of these values, in deviations of values over all functions: 0–1",
            ),
            "seed": number("function", 0, 999, 0, "Which function of the family: 0–999"),
        }  # fmt: skip

    def _make_picture(self) -> RegressionFigure:
        self._picture = RegressionFigure()
        return self._picture

    def settings(self) -> dict[str, Any]:
        """What `studies.regression.study` is called with for the present picture."""
        return {n: control.value for n, control in self.controls.items() if n != "T"}

    def _update(self) -> str:
        settings, at = self.settings(), nearest(self.controls["T"].value)
        method = settings["method"]
        if settings != self._computed_for:
            if self._computed_for is None:
                self._busy("Compiling the flows of seven networks")
            self._record = regression.study(**settings)
            self._computed_for = settings
            self._picture.show_task(self._record)
            self._picture.show_errors(self._record, method)
        self._picture.show_fit(self._record, method, at)
        self._picture.write(self._readout())
        return self._complaint()

    def _readout(self) -> str:
        """Of the whole course, not of T: what stays while T moves need not be drawn anew."""
        method, record = self.controls["method"].value, self._record
        errors, best = record.errors[method], self._best()
        return (
            f"From {method}'s start the error is least at T = {TIMES[best]:.3g}: "
            f"{errors[best]:.3f}.      Grey, dash-dotted: its error on what is shown, noise "
            f"included; {record.shown_errors[-1]:.3f} in the end."
        )

    def _best(self) -> int:
        """When the chosen method's error is least."""
        errors = self._record.errors[self.controls["method"].value]
        return int(np.argmin(np.nan_to_num(errors, nan=np.inf)))

    def _complaint(self) -> str:
        lost = [n for n, errors in self._record.errors.items() if not np.isfinite(errors[-1])]
        if not lost:
            return ""
        return f"The flow did not come to T = {TIMES[-1]:.3g} from: {', '.join(lost)}."

    def _describe(self) -> str:
        if self._computed_for is None:
            return "Nothing computed yet."
        s, at = self._computed_for, nearest(self.controls["T"].value)
        found = self._record.errors.items()
        errors = ", ".join(f"{course[at]:.3f} from {name}" for name, course in found)
        return (
            f"A {s['problem']} function as a surface with {s['shots']} of its values, the fit of a "
            f"network at T = {TIMES[at]:.3g} of the flow from {s['method']}'s initialization, and "
            f"their difference. At this T the nRMSE on other points is {errors}. "
            f"{' '.join(self._readout().split())}"
        )

    def code(self) -> str:
        """A runnable script that computes the numbers of the present picture."""
        self._updates.flush()
        return (
            self._call("regression", self.settings())
            + "from comlnviz.studies.learned_starts import nearest\n\n"
            f"at = nearest({self.controls['T'].value!r})\n"
            "for method, errors in record.errors.items():\n"
            '    print(f"{method:9s} nRMSE {errors[at]:.3f}")\n'
        )
