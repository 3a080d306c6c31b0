"""SensitivityExplorer: what COMLN integrates in place of a Jacobian."""

from typing import Any, final

import numpy as np

from ..figures.sensitivity import SensitivityFigure
from ..studies import sensitivity
from .base import AbstractApp
from .controls import log_slider, number, steps, whole

_SIZES = (8, 32, 64, 128, 640, 1600, 6400, 16000)


@final
class SensitivityExplorer(AbstractApp):
    """The sensitivities s, B and z of a small task over time, and the Jacobian they make.

    Drag t and watch them fill. Change M, N and d to see how many numbers each way to the
    meta-gradient keeps, and which of them do not care about d.

    Source: COMLN (Deleu et al. 2022), Section 4 and Table 1.
    """

    cites = ("comln", "diffrax")

    def _make_controls(self) -> dict[str, Any]:
        return {
            "t": log_slider(
                "t", -2, 3, 1.0, "Time at which to look, in units of time: 0.01–1000", 0.05
            ),
            "seed": number("task", 0, 999, 0, "Which 3-way 2-shot task of digits: 0–999"),
            "M": whole("M", 1, 100, 25, "Training examples, for the sizes: 1–100"),
            "N": whole("N", 2, 20, 5, "Classes, for the sizes: 2–20"),
            "d": steps("d", _SIZES, 1600, "Size of an embedding, for the sizes: 8–16,000"),
            "checkpoints": whole(
                "checkpoints", 1, 100, 20, "States that the Gram route keeps, for the sizes: 1–100"
            ),
        }

    def _make_picture(self) -> SensitivityFigure:
        self._picture = SensitivityFigure()
        self._seed: int | None = None
        return self._picture

    def _update(self) -> str:
        seed = self.controls["seed"].value
        if seed != self._seed:
            if self._seed is None:
                self._busy("Compiling the sensitivity equations")
            self._record, self._seed = sensitivity.study(seed), seed
        record, at = self._record, self._at()
        self._picture.show(record, at)
        self._picture.show_sizes(self._sizes())
        self._picture.write(
            f"t = {sensitivity.TIMES[at]:.3g}     error of dW/dW₀ {record.jacobian_error[at]:.0e}"
            f"     of the meta-gradient by B and z {record.projection_error[at]:.0e}"
            f",  by the Gram route {record.gram_error[at]:.0e}"
        )
        return ""

    def _at(self) -> int:
        return int(np.argmin(np.abs(sensitivity.TIMES - self.controls["t"].value)))

    def _sizes(self) -> dict[str, float]:
        return sensitivity.sizes(
            **{name: self.controls[name].value for name in ("M", "N", "d", "checkpoints")}
        )

    def _describe(self) -> str:
        if self._seed is None:
            return "Nothing computed yet."
        kept, at = self._sizes(), self._at()
        return (
            f"Heatmaps of s, B and z at t = {sensitivity.TIMES[at]:.3g} on a 3-way 2-shot task. "
            f"The Jacobian dW/dW₀ put together from B looks as by automatic differentiation, "
            f"error {self._record.jacobian_error[at]:.0e}. Bars: plain forward sensitivity keeps "
            f"{kept['plain']:.1e} numbers, z {kept['z']:.1e}, B {kept['B']:.1e}, the Gram route "
            f"{kept['gram']:.1e}."
        )

    def code(self) -> str:
        """A runnable script that computes the numbers of the present picture."""
        values = {name: control.value for name, control in self.controls.items()}
        counts = ", ".join(f"{name}={values[name]!r}" for name in ("M", "N", "d", "checkpoints"))
        return (
            "import numpy as np\n\n"
            "from comlnviz.studies import sensitivity\n\n"
            f"record = sensitivity.study({values['seed']!r})\n"
            f"at = np.argmin(np.abs(sensitivity.TIMES - {values['t']!r}))\n"
            'print("s, B, z:", [np.abs(x[at]).max() for x in (record.s, record.B, record.z)])\n'
            'print(f"error of dW/dW0 {record.jacobian_error[at]:.1e}")\n'
            f"print(sensitivity.sizes({counts}))\n"
        )
