"""AdjointTradeoff: how many states to store, and how to go back over them."""

from typing import Any, final

import numpy as np

from ..figures.adjoint_tradeoff import TradeoffFigure
from ..studies import adjoint_tradeoff
from ..studies.adjoint_tables import table
from ..studies.adjoint_tradeoff import MAX_BACK, METHODS, PROBLEMS, STATES
from .base import AbstractApp
from .controls import choice, log_slider, number, steps


@final
class AdjointTradeoff(AbstractApp):
    """A meta-gradient taken back over stored states, and its error against their number.

    Move the number of states, and see where the costate lands; turn to back-solving, which stores
    none, and see where that ends. `sweep()` draws the error with every number of states.

    Source: A-MAML (Li et al. 2023), Section 3, Algorithm 2, Tables 4 and 5.
    """

    cites = ("amaml", "neural-ode", "diffrax")

    def _make_controls(self) -> dict[str, Any]:
        self._swept: np.ndarray | None = None
        self._swept_of: dict[str, Any] = {}
        self._compiled: set[tuple[str, ...]] = set()
        self._framed = "closed form"
        return {
            "problem": choice(
                "problem", PROBLEMS, "closed form", "An equation solved by hand, or a network"
            ),
            "T": log_slider("T", -1, 1, 1.0, "How long to adapt: 0.1–10"),
            "num_states": steps(
                "stored states", STATES, 20, "Into how many parts stored states divide T: 2–200"
            ),
            "method": choice("back by", METHODS, METHODS[0], "How the costate goes back"),
            "dtype": choice(
                "precision", ("float32", "float64"), "float32", "Type of the numbers in the solve"
            ),
            "seed": number("start", 0, 999, 0, "Which start, and which task: 0–999"),
        }

    def _make_picture(self) -> TradeoffFigure:
        self._picture = TradeoffFigure()
        return self._picture

    def _extra_buttons(self) -> list[tuple[str, str, Any]]:
        tooltip = "The error here with each number of stored states, as a curve"
        return [("All numbers of states", tooltip, self._sweep_here)]

    def settings(self) -> dict[str, Any]:
        """What `studies.adjoint_tradeoff.study` is called with for the present picture."""
        return {name: control.value for name, control in self.controls.items()}

    def sweep(self) -> np.ndarray:
        """The error with each number of `STATES`, drawn until something else changes."""
        settings = self._without_states()
        if settings["method"] == "back-solving":
            raise ValueError("Back-solving stores no states: choose another way back.")
        self._swept, self._swept_of = adjoint_tradeoff.sweep(**settings), settings
        self._updates.request()
        self._updates.flush()
        return self._swept

    def _sweep_here(self) -> None:
        try:
            self.sweep()
        except ValueError as error:  # the picture is none the staler for it
            self._say(str(error))

    def _without_states(self) -> dict[str, Any]:
        return {name: value for name, value in self.settings().items() if name != "num_states"}

    def _update(self) -> str:
        settings = self.settings()
        problem, method, T, n = (settings[k] for k in ("problem", "method", "T", "num_states"))
        program = (problem, method, settings["dtype"])
        if program not in self._compiled:
            self._busy("Compiling the ways there and back")
        record = self._record = adjoint_tradeoff.study(**settings)
        self._compiled.add(program)
        picture = self._picture
        if problem != self._framed:
            picture.frame(problem)
            self._framed = problem
        picture.show(record, method, n)
        picture.show_table(problem, table(problem), T, method)
        swept = self._swept is not None and self._swept_of == self._without_states()
        picture.show_sweep(np.array([STATES, self._swept]) if swept else None)
        error = f"{record.error:.1e}" if record.backward_ok else "unknown: no way back"
        stores = "stores none" if method == "back-solving" else f"T/n = {T / n:.3g}"
        picture.write(
            f"T = {T:.3g}      {stores}      steps forward {record.forward_steps}, back "
            f"{record.backward_steps}      error of the meta-gradient {error}"
        )
        return self._complaint(record)

    def _complaint(self, record: adjoint_tradeoff.Record) -> str:
        method, T, n = (self.controls[k].value for k in ("method", "T", "num_states"))
        if not record.forward_ok:
            return "The way forward ended before T: this precision cannot step it so finely."
        if not record.backward_ok and method == "back-solving":
            return (
                f"Back-solving used up its {MAX_BACK} steps at t = {record.backward_end:.3g}; "
                f"going forward took {record.forward_steps} in all: going back climbs the loss, "
                "and every error grows."
            )
        if not record.backward_ok or record.error > 0.5:
            return (
                f"Steps of T/n = {T / n:.3g} are too long for the curvature on the way: the "
                "costate is thrown off instead of shrinking. Store more states."
            )
        return ""

    def _describe(self) -> str:
        if not hasattr(self, "_record"):
            return "Nothing computed yet."
        s, record = self.settings(), self._record
        stores = s["method"] != "back-solving"
        states = f" over {s['num_states']} spacings" if stores else ", which stores no states,"
        error = f"has a relative error of {record.error:.1e}"
        ending = error if record.backward_ok else "does not come back"
        return (
            f"The {s['problem']} problem to T = {s['T']:.3g} in {s['dtype']}: the costate taken "
            f"back by {s['method']}{states} {ending}; beside it the errors of A-MAML's Table "
            f"{4 if s['problem'] == PROBLEMS[0] else 5}."
        )

    def code(self) -> str:
        """A runnable script that computes the numbers of the present picture."""
        self._updates.flush()
        return (
            self._call("adjoint_tradeoff", self.settings())
            + 'print(f"relative error of the meta-gradient: {record.error:.3e}")\n'
        )
