"""FewShotLab: sample an episode, or draw one, and watch a learner adapt to it."""

from typing import Any, final

import ipywidgets as widgets
import numpy as np

from ..data import DataError
from ..figures.lab import CLASSES, LabFigure
from ..studies import lab
from .base import AbstractApp
from .controls import choice, log_slider, number, rows, steps, whole
from .pads import Pads

OWN = "draw your own"


@final
class FewShotLab(AbstractApp):
    """Five characters it has never seen, and what a trained learner makes of them.

    Choose where the characters come from, the learner, and scrub T. Or draw five characters of your
    own, one of each, and then a sixth to ask about.

    Source: COMLN (Deleu et al. 2022), Section 5.1 and Algorithm 5.
    """

    cites = ("comln", "anil")

    def _make_controls(self) -> dict[str, Any]:
        return {
            "data": choice(
                "characters", (*lab.DATASETS, OWN), "glyphs", "Where the five classes come from"
            ),
            "method": choice(
                "learner", tuple(lab.METHODS), "COMLN", "Which trained learner adapts"
            ),
            "T": log_slider(
                "T", -2, 3, 0.1, "How long it adapts, in units of time: 0.01–1000", 0.05
            ),
            "shots": steps("shots", (1, 2, 5), 1, "Labelled examples a class: 1, 2 or 5"),
            "seed": number("episode", 0, 999, 0, "Which episode: 0–999"),
            "query": whole(
                "query", 1, 25, 1, "Whose probabilities the upper right panel shows: 1–25"
            ),
        }

    def _make_picture(self) -> LabFigure:
        self._picture = LabFigure()
        self._key: tuple | None = None
        self._episode: lab.Episode | None = None
        names = [f"class {letter}" for letter in "ABCDE"]
        self.pads = Pads([*names, "what is this?"], [*CLASSES, "#888888"])
        self._drawer = widgets.VBox([self.pads], layout=widgets.Layout(display="none"))
        return self._picture

    def _arrange(self) -> list[Any]:
        self.pads.observe(self._on_change, names="ink")
        return [*rows(self.controls), self._drawer]

    def _value(self, name: str) -> Any:
        return self.controls[name].value

    def _update(self) -> str:
        own = self._value("data") == OWN
        self._drawer.layout.display = "block" if own else "none"
        for name in ("shots", "seed", "query"):
            self.controls[name].disabled = own
        try:
            complaint = self._prepare(own)
        except DataError as error:
            return str(error)
        if complaint:
            return complaint
        at = int(np.argmin(np.abs(np.log(lab.TIMES / self._value("T")))))
        self._picture.show(self._answers, at, 0 if own else self._value("query") - 1)
        self._picture.write(self._readout(at, own))
        return ""

    def _prepare(self, own: bool) -> str:
        """See to it that the episode and the answers are those of the controls."""
        drawn = (self._value("data"), self._value("shots"), self._value("seed"))
        key = (self._value("method"), *((OWN, bytes(self.pads.ink)) if own else drawn))
        if key == self._key:
            return ""
        if own:
            images, names = self.pads.images, self.pads.names
            self._episode = lab.Episode(images[:5], images[5:], tuple(names[:5]))
            self._picture.show_images(images[:5], images[5:])
            empty = [name for name, ink in zip(names, images, strict=True) if not ink.any()]
            if empty:
                self._key = None
                self._picture.clear()
                return f"Draw one of each class, and a question. Still empty: {', '.join(empty)}."
        else:
            self._episode = lab.episode(*drawn)
        if self._key is None:
            self._busy("Compiling the learner")
        support, query = self._episode.support, self._episode.query
        self._answers = lab.study(method=key[0], support=support, query=query)
        self._picture.show_images(support, query)
        self._key = key
        return ""

    def _readout(self, at: int, own: bool) -> str:
        T = float(self._answers.T)
        words = f"{self._value('method')},  T = {lab.TIMES[at]:.3g}"
        words += f"  (learned: {T:.3g})" if np.isfinite(T) else "  (this learner knows no time)"
        if own:
            return words
        said = np.asarray(self._answers.probabilities)[at].argmax(1)
        right = said == np.repeat(np.arange(lab.WAYS), lab.QUERIES)
        return f"{words}     {right.sum()} of {len(right)} queries right; wrong ones are framed"

    def _describe(self) -> str:
        if self._key is None:
            return "Nothing computed yet."
        at = int(np.argmin(np.abs(np.log(lab.TIMES / self._value("T")))))
        own = self._value("data") == OWN
        return (
            f"Support and query images of five classes from {self._value('data')}, with a bar of "
            f"class probabilities under each query. {self._readout(at, own)}."
        )

    def code(self) -> str:
        """A runnable script that computes the numbers of the present picture."""
        if self._value("data") == OWN:
            return "# Drawings are yours: app.pads.images holds them, (6, 28, 28, 1).\n"
        v = self._value
        return (
            "import numpy as np\n\n"
            "from comlnviz.studies import lab\n\n"
            f"episode = lab.episode({v('data')!r}, {v('shots')!r}, {v('seed')!r})\n"
            f"answers = lab.study(method={v('method')!r}, support=episode.support, "
            "query=episode.query)\n"
            f"at = np.argmin(np.abs(np.log(lab.TIMES / {v('T')!r})))\n"
            "said = answers.probabilities[at].argmax(1)\n"
            'print((said == np.repeat(np.arange(5), 5)).sum(), "of 25 queries right")\n'
        )
