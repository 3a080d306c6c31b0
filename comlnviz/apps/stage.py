"""For a lecture: the live figure alone on the screen, moved by keys.

| key | what it does |
| --- | --- |
| ← → | move the chosen control a step; with Shift ten |
| Home, End | move it to its ends |
| ↑ ↓ | choose another control |
| Space | play: move it on to its end; again to stop |
| R | all controls back to their opening values |
| F | fill the screen, and leave it again, as Escape does |
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from .controls import LISTS, MOVABLE, move, places

_STYLE = """
.comlnviz-app:focus { outline: none; }
.comlnviz-app:fullscreen { align-items: safe center; justify-content: safe center; overflow: auto;
  background: var(--jp-layout-color0, Canvas); }
.comlnviz-app:fullscreen > * { flex-shrink: 0; max-width: 100%; }
.comlnviz-hint { display: none; margin-left: 8px; font-size: 13px; line-height: 28px; }
.comlnviz-app:focus .comlnviz-hint { display: inline; }
"""
_KEYS = "← → move · ↑ ↓ choose · Space play · R reset · F full screen"
_FIRST = ("progress", "meta_step", "T", "t")  # what a figure is most often moved by


class Stage(anywidget.AnyWidget):
    """A button that presents the figure, and the keys that then move its controls.

    **Arguments:**

    - `controls`: by name; those that are disabled, or no number and no list, are passed over.
    - `reset`: what the R key calls.
    - `on_error`: what an exception on the way is given to.
    """

    _esm = (Path(__file__).parent / "stage.js").read_text(encoding="utf-8")
    _css = _STYLE

    hint = traitlets.Unicode().tag(sync=True)
    at_end = traitlets.Bool().tag(sync=True)
    answers = traitlets.Int().tag(sync=True)  # counts moves made, so that the page sends the next

    def __init__(
        self,
        controls: dict[str, Any],
        reset: Callable[[], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        super().__init__()
        self._controls, self._reset, self._on_error = controls, reset, on_error
        self._chosen = ""
        self.on_msg(self._receive)
        self._tell()

    def close(self) -> None:
        """Let go of the controls."""
        self.on_msg(self._receive, remove=True)
        self._controls = {}
        super().close()

    def _receive(self, _widget: Any, content: dict[str, Any], _buffers: Any) -> None:
        """Hear what stage.js has to say."""
        try:
            if content.get("reset"):
                self._reset()
            control = self._choose(int(content.get("choose", 0)))
            if content.get("rewind") and _ended(control):
                move(control, -places(control)[1])
            move(control, int(content.get("move", 0)))
        except Exception as error:
            self._on_error(error)
        with self.hold_sync():
            self._tell()
            self.answers += 1

    def _choose(self, by: int) -> Any:
        """The chosen control, or the one so many further on; the time where there was none yet."""
        usable = [
            name
            for name, control in self._controls.items()
            if isinstance(control, MOVABLE) and not control.disabled
        ]
        if self._chosen not in usable:
            self._chosen = next((name for name in _FIRST if name in usable), usable[0])
        self._chosen = usable[(usable.index(self._chosen) + by) % len(usable)]
        return self._controls[self._chosen]

    def _tell(self) -> None:
        control = self._choose(0)
        self.at_end = _ended(control)
        shown = control.label if isinstance(control, LISTS) else f"{control.value:.4g}"
        self.hint = f"{control.description}: {shown}  ({_KEYS})"


def _ended(control: Any) -> bool:
    place, last = places(control)
    return place > last - 0.5
