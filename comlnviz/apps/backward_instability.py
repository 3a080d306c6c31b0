"""BackwardInstability: a gradient flow followed forward, then re-integrated backward."""

from pathlib import Path
from typing import Any, final

import ipywidgets as widgets
import numpy as np

from ..figures.animation import export_animation
from ..figures.backward_instability import InstabilityFigure
from ..studies import backward_instability, meta_gradients
from .base import unused_name
from .controls import choice, play, rows, whole
from .landscape_app import AbstractLandscapeApp

FRAMES = 200  # of the story: half there, half back


@final
class BackwardInstability(AbstractLandscapeApp):
    """Why the adjoint method fails on gradient flows, and what the remedies get.

    Press Play: there along the flow, back by re-integrating it. Find the largest T from which one
    still comes back; keep points to build the curve. `compare()` adds the meta-gradient's error.

    Source: COMLN (Deleu et al. 2022), Section 3.2, Figure 2, Appendix D.
    """

    cites = ("comln", "amaml", "neural-ode", "diffrax")

    def _make_controls(self) -> dict[str, Any]:
        self._points: list[tuple[float, float]] = []
        self._errors: dict[str, float] | None = None
        self._errors_of: dict[str, Any] = {}
        self._record_of: dict[str, Any] = {}
        problem, *surface = self._landscape_controls(
            backward_instability.PROBLEMS, "quadratic"
        ).items()
        return {
            problem[0]: problem[1],
            **self._solver_controls(T=12.0, tolerance=1e-4, step=0.1),
            "dtype": choice(
                "precision", ("float32", "float64"), "float32", "Type of the numbers in the solve"
            ),
            **dict(surface),
            "num_states": whole(
                "stored states", 2, 200, 50, "How many states the stored-states remedy keeps: 2–200"
            ),
            "panel": choice(
                "below right",
                ("remedies", "coming back against T"),
                "remedies",
                "What the lower right panel shows",
            ),
            "progress": whole(
                "progress", 0, FRAMES, FRAMES, "The story so far: to 100 there, to 200 back again"
            ),
        }

    def _make_picture(self) -> InstabilityFigure:
        self._picture = InstabilityFigure()
        return self._picture

    def _arrange(self) -> list[Any]:
        others = {name: c for name, c in self.controls.items() if name != "progress"}
        progress = self.controls["progress"]
        self.play = play(progress)
        return [*rows(others), widgets.HBox([self.play, progress])]

    def _extra_buttons(self) -> list[tuple[str, str, Any]]:
        suffixes = (".gif", ".html", ".mp4")
        return [
            ("Compare remedies", "Meta-gradient error of each method; takes seconds", self.compare),
            ("Keep this point", "Add (T, distance on return) to the panel", self.keep),
            ("Forget points", "Empty that panel", self.forget),
            *(
                (
                    suffix[1:].upper(),
                    f"Write the animation to a {suffix} file here",
                    lambda suffix=suffix: self._export_here(suffix),
                )
                for suffix in suffixes
            ),
        ]

    def settings(self) -> dict[str, Any]:
        """What `studies.backward_instability.study` is called with for the present picture."""
        return self._values(
            "problem", "T", "solver", "tolerance", "step", "dtype", "condition", "shots", "seed"
        )

    def compare(self) -> dict[str, float]:
        """Compute the meta-gradient's relative error by each method and show it as bars."""
        self._check_solver()
        settings = {**self.settings(), **self._values("num_states")}
        self._busy("Differentiating through the flow by four methods")
        errors = meta_gradients.study(**settings)
        self._errors = {name: float(error) for name, error in errors.items()}
        self._errors_of = settings
        self.controls["panel"].value = "remedies"
        self._updates.request()
        self._updates.flush()
        return self._errors

    def keep(self) -> None:
        """Keep (T, how far from W(0) one comes back) as a point."""
        self._updates.flush()
        self._points.append(self._return())
        self.controls["panel"].value = "coming back against T"
        self._updates.request()

    def forget(self) -> None:
        """Forget the kept points."""
        self._points.clear()
        self._updates.request()

    def export(self, path: str | Path) -> Path:
        """Write the story as an animation: .gif, .html (self-contained), or .mp4 with ffmpeg."""
        figure, record = self.figure, self._record
        shares = np.linspace(0, 2, 61).tolist()
        try:
            return export_animation(figure, lambda s: self._picture.show(record, s), shares, path)
        finally:
            self._updates.request()
            self._updates.flush()

    def reset(self) -> None:
        """All controls back to their opening values; kept points and bars go."""
        self._points.clear()
        self._errors = None
        super().reset()

    def _export_here(self, suffix: str) -> None:
        self._busy("Drawing the frames")
        path = self.export(unused_name(type(self).__name__, suffix))
        self._tell(f"Saved as {path.resolve()}.")

    def _return(self) -> tuple[float, float]:
        return float(self.controls["T"].value), float(
            self._record.distance[0] / self._record.travelled
        )

    def _update(self) -> str:
        self._rest_what_does_nothing()
        self._check_solver()
        settings = self.settings()
        self._announce(settings["problem"], settings["solver"], settings["dtype"])
        self._enter_landscape()
        if settings != self._record_of:  # Play moves through a story already computed
            self._record, self._record_of = backward_instability.study(**settings), settings
        record = self._record
        picture, panel = self._picture, self.controls["panel"].value
        picture.show(record, 2 * self.controls["progress"].value / FRAMES)
        picture.show_panel(bars=panel == "remedies")
        remedies = self._errors is not None
        picture.show_stored(record, self.controls["num_states"].value if remedies else 0)
        picture.show_returns(self._points, self._return())
        stale = self._errors_of != {**settings, **self._values("num_states")}
        note = "press Compare remedies" if not remedies else ""
        if remedies and stale:
            note = "of an earlier state: compare again"
        picture.show_errors(self._errors, note, remedies and stale)
        picture.write(*self._readout(record))
        return self._complaint(record)

    def _readout(self, record: backward_instability.Record) -> tuple[tuple[str, ...], ...]:
        T, share = self._return()
        if not np.isfinite(share):
            back = "not known"
        else:
            back = f"{share:.3g} × that" if share > 1 else f"{100 * share:.2g}% of that"
        return (
            (
                "forward",
                f"{int(record.forward_steps)} steps to T = {T:.3g}",
                "way travelled",
                f"{record.travelled:.3g}",
            ),
            ("back again", f"{int(record.backward_steps)} steps", "miss of W(0)", back),
        )

    def _complaint(self, record: backward_instability.Record) -> str:
        solver = self.controls["solver"].value
        limit = backward_instability.MAX_STEPS
        if not bool(record.forward_ok):
            spent = int(record.forward_steps) >= limit
            why = f"used up its {limit} steps" if spent else "left the range of numbers"
            return f"{solver} {why} on the way forward, at t = {record.forward_end:.3g}."
        if not bool(record.backward_ok):
            spent = int(record.backward_steps) >= limit
            why = f"used up its {limit} steps" if spent else "left the range of numbers"
            return f"The way back {why} at t = {max(float(record.backward_end), 0.0):.3g}."
        return ""

    def _describe(self) -> str:
        if not hasattr(self, "_record"):
            return "Nothing computed yet."
        s, record = self.settings(), self._record
        T, share = self._return()
        ending = f"ends {share:.1e} of the way from W(0)" if np.isfinite(share) else "does not end"
        return (
            f"A gradient flow on the {s['problem']} loss to T = {T:.3g} by {s['solver']} in "
            f"{s['dtype']}, and its re-integration backward, which {ending}; the distance of the "
            f"two grows like the exponential of the largest curvature, "
            f"{record.largest_curvature:.2g}, times time."
        )

    def code(self) -> str:
        """A runnable script that computes the numbers of the present picture."""
        self._updates.flush()
        script = (
            self._call("backward_instability", self.settings())
            + 'print(f"distance on return {record.distance[0]:.3e}, "\n'
            '      f"way travelled {record.travelled:.3e}")\n'
        )
        if self._errors is not None:
            again = self._call("meta_gradients", self._errors_of, "errors")
            script += f"\n{again}print(errors)\n"
        return script
