"""InnerOptimizerLab: any optimizer inside, and any of its knobs learned."""

from typing import Any, final

from ..figures.inner_optimizers import InnerOptimizersFigure
from ..studies import inner_optimizers
from ..studies.inner_optimizers import (
    KNOBS,
    LINEAR,
    MAX_STEPS,
    META_STEPS,
    ONE_FOR,
    OPTIMIZERS,
    PROBLEMS,
)
from .base import AbstractApp
from .controls import choice, log_slider, number, several, slider, whole


@final
class InnerOptimizerLab(AbstractApp):
    """Five optimizers on one small problem, and one of them with its knobs meta-learned.

    Move the meta-step, and see the learned optimizer bend its path. Turn the valley, and see what
    a rate for each parameter is good for. Choose another model, whose curvature changes on the way.

    Source: GIMLI (Grefenstette et al. 2019), Sections 2 and 5.2.
    """

    cites = ("gimli",)

    def _make_controls(self) -> dict[str, Any]:
        self._computed_for: dict[str, Any] | None = None
        self._compiled: set[tuple[str, ...]] = set()
        learned = several("learned", KNOBS, ("rate",), "What is meta-learned: any of these")
        learned.rows = len(KNOBS)
        return {
            "problem": choice("model", PROBLEMS, LINEAR, "What is fitted, by two weights w₁, w₂"),
            "optimizer": choice(
                "optimizer", OPTIMIZERS, "SGD", "The optimizer whose knobs are learned"
            ),
            "one_for": choice(
                "one for", tuple(ONE_FOR), "each parameter", "Of what there is one rate, one beta"
            ),
            "learned": learned,
            "meta_step": whole(
                "meta-step", 0, META_STEPS, META_STEPS, f"Of meta-training: 0–{META_STEPS}"
            ),
            "rate": log_slider("rate", -2, 0.5, 0.1, "Learning rate of all, and at first: 0.01–3"),
            "num_steps": whole("inner steps", 1, MAX_STEPS, 8, f"Of adaptation: 1–{MAX_STEPS}"),
            "condition": log_slider(
                "condition", 0, 2, 20.0, "Largest curvature over the smallest: 1–100"
            ),
            "tilt": slider("tilt", 0, 45, 1, 0.0, "Of the valley, in degrees: 0–45"),
            "seed": number("tasks", 0, 999, 0, "Which tasks: 0–999"),
        }

    def _make_picture(self) -> InnerOptimizersFigure:
        self._picture = InnerOptimizersFigure()
        return self._picture

    def settings(self) -> dict[str, Any]:
        """What `studies.inner_optimizers.study` is called with for the present picture."""
        return {n: control.value for n, control in self.controls.items() if n != "meta_step"}

    def _update(self) -> str:
        settings, meta_step = self.settings(), self.controls["meta_step"].value
        if settings != self._computed_for:
            program = tuple(settings[name] for name in ("problem", "optimizer", "one_for"))
            if program not in self._compiled:
                self._busy("Compiling the inner loop and its meta-gradient")
            self._record = inner_optimizers.study(**settings)
            self._compiled.add(program)
            self._computed_for = settings
        record = self._record
        self._picture.show(record, settings, meta_step)
        knobs = "      ".join(
            f"{name} {_values(values[meta_step])}"
            for name, values in {"rate": record.rates, **record.betas}.items()
        )
        fixed, learned = self._losses()
        self._picture.write(
            f"meta-step {meta_step}      {knobs}      query loss {learned:.3g}, fixed {fixed:.3g}"
        )
        return self._complaint(fixed)

    def _losses(self) -> tuple[float, float]:
        """Of unseen tasks, with the fixed knobs, and with those learned."""
        losses = self._record.losses
        return float(losses[0]), float(losses[self.controls["meta_step"].value])

    def _complaint(self, fixed: float) -> str:
        if not self.controls["learned"].value:
            return "Nothing is learned: choose a rate, betas or the start."
        if not fixed < 20:  # a neuron's loss is at most 2
            return (
                f"With a fixed rate of {self.controls['rate'].value:.3g} "
                f"{self.controls['optimizer'].value} diverges: a step longer than 2/curvature "
                "overshoots by more than it gains."
            )
        return ""

    def _describe(self) -> str:
        if self._computed_for is None:
            return "Nothing computed yet."
        s, (fixed, learned) = self._computed_for, self._losses()
        what = ", ".join(s["learned"]) or "nothing"
        return (
            f"Paths of five optimizers down the loss of {s['problem']} with inputs of condition "
            f"{s['condition']:.3g} in {s['num_steps']} steps. {s['optimizer']} has {what} learned: "
            f"after {self.controls['meta_step'].value} meta-steps the query loss of unseen tasks "
            f"is {learned:.3g}, with fixed knobs {fixed:.3g}."
        )

    def code(self) -> str:
        """A runnable script that computes the numbers of the present picture."""
        self._updates.flush()
        return (
            self._call("inner_optimizers", self.settings())
            + f"meta_step = {self.controls['meta_step'].value!r}\n"
            'print(f"query loss {record.losses[meta_step]:.4g}, fixed {record.losses[0]:.4g}")\n'
        )


def _values(values: Any) -> str:
    """One or two numbers, or the range of more."""
    if len(values) > 2:
        return f"{values.min():.3g}–{values.max():.3g}"
    return ", ".join(f"{value:.3g}" for value in values)
