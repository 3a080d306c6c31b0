"""What every live figure shares: controls by name, coalesced redraws, a static picture."""

from __future__ import annotations

import base64
import html
import io
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import ipywidgets as widgets
from matplotlib.figure import Figure
from PIL import Image  # comes with matplotlib, which saves by it

from ..citations import citation
from .canvas import FigureCanvas
from .cells import close_earlier_in_this_cell
from .controls import rows
from .foresight import Foresight, NotForeseen
from .scheduler import Coalescer
from .stage import Stage

_STYLE = f"<style>{(Path(__file__).parent / 'app.css').read_text(encoding='utf-8')}</style>"


@runtime_checkable
class Picture(Protocol):
    """A figure that an app feeds."""

    figure: Figure

    def set_theme(self, dark: bool) -> None:
        """Light or dark."""
        ...


class AbstractApp(ABC):
    """A live figure.

    `controls` holds every control by name; assigning to a control's `value` is what a drag does.
    Reading `figure`, `message` or `code()` first brings the picture up to date, so a script sees
    what a reader would. Nothing runs in the background, and without a front end an app builds and
    does nothing else.
    """

    cites: tuple[str, ...] = ()
    foresees = True  # whether `_update` may be called for values that nobody has chosen

    def __init__(self, **values: Any) -> None:
        """Build the app; `values` set controls by name, as `code()` prints them.

        **Raises** `ValueError` for a control that does not exist or a value it does not take.
        """
        self.controls: dict[str, Any] = self._make_controls()
        self._defaults = {name: control.value for name, control in self.controls.items()}
        self._message = widgets.HTML().add_class("comlnviz-message")
        self._text = widgets.HTML(layout=widgets.Layout(display="none")).add_class("comlnviz-code")
        self._shown = ""
        self._set(values)
        picture = self._make_picture()
        self.canvas = FigureCanvas(picture.figure, on_theme=picture.set_theme)
        self._updates = Coalescer(self._refresh, self.canvas, self._on_error)
        self._foresight = Foresight(self.canvas, self._updates, self._update)
        for control in self.controls.values():
            control.observe(self._on_change, names="value")
            if hasattr(control, "moved"):
                control.moved = self._on_move
        self._updates.request()
        self._updates.flush()
        self.widget = widgets.VBox(
            [widgets.HTML(_STYLE), *self._arrange(), self.canvas, self._message, self._buttons()]
        )
        self.widget.children += (self._text,)
        self.widget.add_class("comlnviz-app")

    # ------------------------------------------------------------------ for subclasses
    @abstractmethod
    def _make_controls(self) -> dict[str, Any]:
        """The controls by name, with their opening values."""

    @abstractmethod
    def _make_picture(self) -> Picture:
        """The figure with all its artists, before there is anything to show."""

    @abstractmethod
    def _update(self) -> str:
        """Compute, feed the figure; a sentence when the state has no picture, else ''."""

    @abstractmethod
    def _describe(self) -> str:
        """The picture in a sentence, for readers who do not see it."""

    def _arrange(self) -> list[Any]:
        """The controls as rows of widgets."""
        return rows(self.controls)

    @abstractmethod
    def code(self) -> str:
        """A runnable script that computes the numbers of the present picture."""

    def _extra_buttons(self) -> list[tuple[str, str, Callable[[], None]]]:
        """(label, tooltip, action) of an app's own buttons."""
        return []

    # ------------------------------------------------------------------ for everyone
    @property
    def figure(self) -> Figure:
        """The matplotlib figure, up to date."""
        self._updates.flush()
        return self.canvas.figure

    @property
    def message(self) -> Any:
        """The widget whose `value` is a sentence when the state has no picture, else ''."""
        self._updates.flush()
        return self._message

    def reset(self) -> None:
        """All controls back to their opening values."""
        self._set(self._defaults)

    def close(self) -> None:
        """Take the app off the page and free its figure."""
        self._updates.close()
        self._foresight.close()
        self._close_tree(self.widget)

    def _close_tree(self, widget: Any) -> None:
        # Layout and style are models of their own, which ipywidgets would keep.
        parts = (getattr(widget, "layout", None), getattr(widget, "style", None))
        for part in (*getattr(widget, "children", ()), *parts):
            if isinstance(part, widgets.Widget):
                self._close_tree(part)
        widget.unobserve_all()
        widget.close()

    def save(self, path: str | Path) -> Path:
        """Write the figure as it stands to a PNG, PDF or SVG file."""
        path = Path(path)
        self.figure.savefig(path)
        return path

    def cite(self) -> str:
        """BibTeX for what the app shows."""
        return citation(*self.cites)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict, dict]:
        """The live widget, and beside it a picture that needs no kernel, with its description."""
        close_earlier_in_this_cell(self)
        self._updates.flush()
        data = dict(self.widget._repr_mimebundle_() or {})
        data["image/png"] = base64.b64encode(_in_few_colours(self.canvas.png())).decode()
        data["text/plain"] = repr(self)
        return data, {"image/png": {"alt": self._describe()}}

    # ------------------------------------------------------------------ wiring
    def _call(self, study: str, settings: dict[str, Any], record: str = "record") -> str:
        """The lines of a script that call a study with these settings."""
        arguments = "".join(f"    {name}={value!r},\n" for name, value in settings.items())
        return f"from comlnviz.studies import {study}\n\n{record} = {study}.study(\n{arguments})\n"

    def _set(self, values: dict[str, Any]) -> None:
        # The problem first: choosing it moves other controls, which the values then override.
        for name, value in sorted(values.items(), key=lambda item: item[0] != "problem"):
            if name not in self.controls:
                names = ", ".join(self.controls)
                raise ValueError(
                    f"{type(self).__name__} has no control {name!r}: choose from {names}."
                )
            try:
                self.controls[name].value = value
            except Exception as error:
                raise ValueError(f"Control {name!r} does not take {value!r}: {error}") from None

    def _on_change(self, _change: Any) -> None:
        self._updates.request()

    def _on_move(self, control: Any) -> None:
        """A reader has moved a slider."""
        if self.foresees:
            self._foresight.follow(control)
        self._updates.hurry()

    def _refresh(self) -> None:
        message = self._update()
        with self.canvas.hold_sync():  # the description travels with its picture
            self.canvas.alt = self._describe()
            self.canvas.remove_class("comlnviz-stale")
            self.canvas.refresh()
        self._say(message)

    def _on_error(self, error: Exception) -> None:
        """The last good picture stays, marked as stale, with the reason in a sentence."""
        self.canvas.add_class("comlnviz-stale")
        sentence = (str(error).strip().splitlines() or [""])[0]
        if not isinstance(error, ValueError | RuntimeError | OSError):
            sentence = f"unexpected {type(error).__name__}: {sentence}"
        self._say(f"The picture is of an earlier state: {sentence}")

    def _say(self, sentence: str) -> None:
        value = f"⚠ {html.escape(sentence)}" if sentence else ""
        if self._message.value != value:
            self._message.value = value

    def _tell(self, sentence: str) -> None:
        """News that is no warning."""
        self._message.value = html.escape(sentence)

    def _busy(self, what: str) -> None:
        """Tell the reader before something slow; the next `_say` takes it away."""
        if self._foresight.looking:
            raise NotForeseen
        self._message.value = f"⏳ {html.escape(what)} …"

    def _buttons(self) -> widgets.HBox:
        actions = [
            *self._extra_buttons(),
            ("Reset", "All controls back to their opening values", self.reset),
            ("Show code", "A script that computes this picture's numbers", self._toggle_code),
            ("Save figure", "Write this picture to a PNG file here", self._save_here),
            ("Cite", "BibTeX for what this figure shows", self._toggle_cite),
        ]
        row = []
        for label, tooltip, action in actions:
            button = widgets.Button(description=label, tooltip=tooltip)
            button.layout.width = "auto"
            button.on_click(self._guarded(action))
            row.append(button)
        row.append(Stage(self.controls, self.reset, self._on_error))
        return widgets.HBox(row, layout=widgets.Layout(flex_flow="row wrap"))

    def _guarded(self, action: Callable[[], None]) -> Callable[[Any], None]:
        def clicked(_button: Any) -> None:
            try:
                action()
            except Exception as error:
                self._on_error(error)

        return clicked

    def _toggle_code(self) -> None:
        self._toggle("code", self.code())

    def _toggle_cite(self) -> None:
        self._toggle("cite", self.cite())

    def _toggle(self, what: str, text: str) -> None:
        self._shown = "" if self._shown == what else what
        self._text.value = f"<pre>{html.escape(text)}</pre>" if self._shown else ""
        self._text.layout.display = "block" if self._shown else "none"

    def _save_here(self) -> None:
        path = self.save(unused_name(type(self).__name__, ".png"))
        self._tell(f"Saved as {path.resolve()}.")


def unused_name(stem: str, suffix: str) -> Path:
    """stem-1.suffix here, or the first number that would overwrite nothing."""
    number = 1
    while Path(f"{stem}-{number}{suffix}").exists():
        number += 1
    return Path(f"{stem}-{number}{suffix}")


def _in_few_colours(png: bytes) -> bytes:
    """The picture with 256 colours: to the eye the same, and a third as large in a notebook."""
    out = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        few = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    few.save(out, "png", optimize=True)
    return out.getvalue()
