"""FreezeLab: hold layers of a trained network still, and see whether it still adapts."""

import math
from typing import Any, final

from ..figures.frozen_layers import FrozenLayersFigure
from ..studies import frozen_layers
from ..studies.frozen_layers import LAYERS, LEARNER, NOISE, STEPS, TASKS, WAYS, Record
from .base import AbstractApp
from .controls import log_slider, number, rows, steps, toggle

_EARLY = LAYERS[:3]


@final
class FreezeLab(AbstractApp):
    """A convolutional network that MAML has trained: which of its layers adapt?

    Freeze a layer, and the network adapts to the same tasks again without it. What you try leaves a
    point: freeze each layer alone, then all but one, and the paper's Figure 2 appears.

    Source: Decoupling Adaptation from Modeling with Meta-Optimizers (2020), Section 3.2, Figure 2.
    """

    cites = ("metaopt",)
    foresees = False  # what is tried leaves a point

    def _make_controls(self) -> dict[str, Any]:
        self._tried: dict[tuple[float, int], dict[tuple[tuple[str, ...], float], float]] = {}
        self._compiled = False
        say = "Hold {} still while the network adapts to a task: on or off"
        trained = math.log10(LEARNER.step_size)  # in the middle, and so on the slider's grid
        toggles = {name: toggle(f"freeze {name}", False, say.format(name)) for name in LAYERS}
        return {
            **toggles,
            "noise": steps(
                "noise on FC", NOISE, 0.0, f"Deviation of noise on FC's weights: 0–{NOISE[-1]:g}"
            ),
            "alpha": log_slider(
                "α",
                trained - 2,
                trained + 2,
                LEARNER.step_size,
                "Learning rate within a task, to a hundredth or to a hundred times that of "
                f"training: {LEARNER.step_size / 100:g}–{LEARNER.step_size * 100:g}",
            ),
            "seed": number("tasks", 0, 999, 0, "Which new tasks: 0–999"),
        }

    def _arrange(self) -> list[Any]:
        toggles = {name: self.controls[name] for name in LAYERS}
        others = {name: c for name, c in self.controls.items() if name not in LAYERS}
        return [*rows(toggles, len(LAYERS)), *rows(others)]

    def _make_picture(self) -> FrozenLayersFigure:
        self._picture = FrozenLayersFigure()
        return self._picture

    def _extra_buttons(self) -> list[tuple[str, str, Any]]:
        return [
            ("All points", "Try every layer and every noise, at this α, on these tasks", self.fill),
            ("Forget points", "Take the points away", self.forget),
        ]

    def fill(self) -> None:
        """Try all that leaves a point, for the present learning rate and tasks."""
        self._busy("Adapting with each layer frozen, and with each noise")
        for layer in LAYERS:
            self._try((layer,), 0.0)
            self._try(_without(layer), 0.0)
        for noise in NOISE:
            self._try(_EARLY, noise)
        self._updates.request()

    def forget(self) -> None:
        """Take all points away."""
        self._tried.clear()
        self._updates.request()

    def settings(self) -> dict[str, Any]:
        """What `studies.frozen_layers.study` is called with for the present picture."""
        value = lambda name: self.controls[name].value
        frozen = tuple(layer for layer in LAYERS if value(layer))
        return {"frozen": frozen, **{name: value(name) for name in ("alpha", "noise", "seed")}}

    def _place(self) -> tuple[float, int]:
        """Points are of one learning rate, and of the same tasks."""
        return self.controls["alpha"].value, self.controls["seed"].value

    def _try(self, frozen: tuple[str, ...], noise: float) -> Record:
        """Adapt, at the present learning rate to the present tasks, and remember what was tried."""
        alpha, seed = self._place()
        record = frozen_layers.study(frozen=frozen, alpha=alpha, noise=noise, seed=seed)
        self._tried.setdefault((alpha, seed), {})[frozen, noise] = float(record.accuracy[-1])
        return record

    def _update(self) -> str:
        if not self._compiled:
            self._busy("Compiling the network's adaptation")
        settings = self.settings()
        alpha, seed = self._place()
        self._plain = frozen_layers.study(frozen=(), alpha=alpha, noise=0.0, seed=seed)
        self._record = self._try(settings["frozen"], settings["noise"])
        self._compiled = True
        picture = self._picture
        picture.show_layers(self._record, settings["frozen"])
        picture.show_course(self._record, self._plain)
        picture.show_points(*self._points())
        picture.write(self._readout(settings))
        return self._complaint(settings)

    def _points(self) -> tuple[dict[str, float], dict[str, float], dict[float, float]]:
        """Accuracies of what was tried: by the layer frozen, the one adapted, and by the noise."""
        found = self._tried.get(self._place(), {})
        of = lambda frozen, noise=0.0: (frozen, noise) in found
        return (
            {layer: found[(layer,), 0.0] for layer in LAYERS if of((layer,))},
            {layer: found[_without(layer), 0.0] for layer in LAYERS if of(_without(layer))},
            {noise: found[_EARLY, noise] for noise in NOISE if of(_EARLY, noise)},
        )

    def _readout(self, settings: dict[str, Any]) -> str:
        frozen = ", ".join(settings["frozen"]) or "nothing"
        record, plain = self._record, self._plain
        return (
            f"frozen: {frozen}      noise on FC: {settings['noise']:g}      "
            f"α = {settings['alpha']:.3g} (trained with {LEARNER.step_size:g})\n"
            f"after {STEPS} steps {record.accuracy[-1]:.1%} ± {record.ci95:.1%} on {TASKS} tasks "
            f"of {WAYS} characters; with nothing frozen {plain.accuracy[-1]:.1%}"
        )

    def _complaint(self, settings: dict[str, Any]) -> str:
        if len(settings["frozen"]) == len(LAYERS):
            return f"Every layer is frozen: nothing adapts, and chance is {1 / WAYS:.0%}."
        lost = self._record.lost
        if lost[-1]:
            first = int((lost > 0).argmax())
            return (
                f"Adaptation diverged on {lost[-1]} of {TASKS} tasks, first at step {first}: "
                "lower α."
            )
        return ""

    def _describe(self) -> str:
        if not self._compiled:
            return "Nothing computed yet."
        settings = self.settings()
        frozen = ", ".join(settings["frozen"]) or "nothing"
        tried = sum(map(len, self._points()))
        return (
            f"A network of four convolutions and a linear layer adapts to {TASKS} new tasks with "
            f"{frozen} frozen and noise {settings['noise']:g} on FC: its accuracy goes from "
            f"{self._record.accuracy[0]:.0%} to {self._record.accuracy[-1]:.0%} in {STEPS} steps, "
            f"with nothing frozen to {self._plain.accuracy[-1]:.0%}. {tried} points are tried."
        )

    def code(self) -> str:
        """A runnable script that computes the numbers of the present picture."""
        self._updates.flush()
        return (
            self._call("frozen_layers", self.settings())
            + 'print(f"accuracy after adaptation: {record.accuracy[-1]:.1%}")\n'
        )


def _without(layer: str) -> tuple[str, ...]:
    """All others."""
    return tuple(other for other in LAYERS if other != layer)
