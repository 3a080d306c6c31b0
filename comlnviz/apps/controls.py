"""The controls of the live figures: each labelled, with its unit and range in a tooltip."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ipywidgets as widgets
import traitlets

# Any: what ipywidgets say of their values' types is too narrow.
LISTS: Any = (widgets.SelectionSlider, widgets.Dropdown)
NUMBERS: Any = (widgets.FloatSlider, widgets.IntSlider, widgets.BoundedIntText)
POWERS: Any = widgets.FloatLogSlider
SWITCH: Any = widgets.ToggleButton
MOVABLE: Any = (*LISTS, *NUMBERS, POWERS, SWITCH)


def places(control: Any, value: float | None = None) -> tuple[float, int]:
    """On which of a control's places it is, or a value would be, from 0; the number of the last."""
    if isinstance(control, LISTS):
        return control.index, len(control.options) - 1
    if isinstance(control, SWITCH):
        return int(control.value), 1
    at: Any = control.value if value is None else value
    if isinstance(control, POWERS):
        at = math.log(at, control.base)
    return (at - control.min) / control.step, round((control.max - control.min) / control.step)


def move(control: Any, by: int) -> None:
    """Move a control by a number of its places, as far as it goes."""
    if not by:
        return  # it may stand between two places
    place, last = places(control)
    place = min(max(place + by, 0), last)
    if isinstance(control, LISTS):
        control.index = round(place)
    elif isinstance(control, SWITCH):
        control.value = bool(place)
    else:
        control.value = _value_at(control, place)


def neighbours(control: Any) -> list[float]:
    """The values of a number's places before and after the one that a page shows it on."""
    if not isinstance(control, (*NUMBERS, POWERS)):
        return []
    place, last = places(control)
    beside = (round(place) - 1, round(place) + 1)
    return [_value_at(control, at) for at in beside if 0 <= at <= last]


def _value_at(control: Any, place: float) -> Any:
    value = control.min + place * control.step
    return control.base**value if isinstance(control, POWERS) else value


@contextmanager
def pretending(control: Any, value: Any) -> Iterator[None]:
    """Meanwhile whoever reads `control.value` gets another; neither page nor observer is told."""
    values = control._trait_values
    true, values["value"] = values["value"], value
    try:
        yield
    finally:
        values["value"] = true


class _FromPage:
    """A slider that tells a reader's moves from others, and hears no move where there was none.

    A page puts a slider on the nearest of its places when it shows it, and sends that value, which
    differs in the last digits or in more, as if the reader had moved it.

    Its place is not sent back to the page that it came from (ipywidgets' echo): that is one message
    more to carry and to handle before the picture. In a second window of the same notebook the
    picture follows, the slider stays where it was.
    """

    moved: Callable[[Any], None] | None = None  # after a reader's move, not a program's

    def set_state(self, sync_data: dict[str, Any]) -> None:
        value = sync_data.get("value")
        if value is not None and abs(places(self, value)[0] - places(self)[0]) < 0.499:
            sync_data = {name: of for name, of in sync_data.items() if name != "value"}
        super().set_state(sync_data)  # pyright: ignore[reportAttributeAccessIssue]
        if self.moved is not None:
            self.moved(self)


class _Slider(_FromPage, widgets.FloatSlider):
    value = traitlets.CFloat().tag(sync=True, echo_update=False)


class _LogSlider(_FromPage, widgets.FloatLogSlider):
    value = traitlets.CFloat(1.0).tag(sync=True, echo_update=False)


class _IntSlider(_FromPage, widgets.IntSlider):
    value = traitlets.CInt().tag(sync=True, echo_update=False)


class _SelectionSlider(_FromPage, widgets.SelectionSlider):
    index = traitlets.Int().tag(sync=True, echo_update=False)


class _Play(widgets.Play):
    value = traitlets.CInt().tag(sync=True, echo_update=False)


def log_slider(
    label: str, low: float, high: float, value: float, tooltip: str, step: float = 0.02
) -> Any:
    """A slider over powers of ten; `low` and `high` are exponents."""
    return _LogSlider(value=value, base=10, min=low, max=high, step=step, **_common(label, tooltip))


def slider(label: str, low: float, high: float, step: float, value: float, tooltip: str) -> Any:
    """A linear slider."""
    return _Slider(
        value=value, min=low, max=high, step=step, readout_format=".2f", **_common(label, tooltip)
    )


def choice(label: str, options: Any, value: Any, tooltip: str) -> Any:
    """A drop-down list."""
    return widgets.Dropdown(options=options, value=value, **_common(label, tooltip))


def several(label: str, options: Any, value: tuple, tooltip: str) -> Any:
    """A list of which any number may be chosen."""
    return widgets.SelectMultiple(options=options, value=value, rows=8, **_common(label, tooltip))


def steps(label: str, options: Any, value: Any, tooltip: str) -> Any:
    """A slider over a few named values."""
    return _SelectionSlider(options=options, value=value, **_common(label, tooltip))


def _common(label: str, tooltip: str) -> dict[str, Any]:
    layout = widgets.Layout(width="315px")
    return dict(
        description=label, tooltip=tooltip, layout=layout, style={"description_width": "95px"}
    )


def rows(controls: dict[str, Any], per_row: int = 3) -> list[Any]:
    """The controls in rows, wrapping on a narrow page."""
    items = list(controls.values())
    wrap = widgets.Layout(flex_flow="row wrap")
    return [
        widgets.HBox(items[i : i + per_row], layout=wrap) for i in range(0, len(items), per_row)
    ]


def whole(label: str, low: int, high: int, value: int, tooltip: str) -> Any:
    """A slider over whole numbers."""
    return _IntSlider(value=value, min=low, max=high, **_common(label, tooltip))


def number(label: str, low: int, high: int, value: int, tooltip: str) -> Any:
    """A box for a whole number."""
    return widgets.BoundedIntText(value=value, min=low, max=high, **_common(label, tooltip))


def toggle(label: str, value: bool, tooltip: str) -> Any:
    """A button that stays pressed."""
    layout = widgets.Layout(width="auto")
    return widgets.ToggleButton(value=value, description=label, tooltip=tooltip, layout=layout)


def play(target: Any, interval: int = 50) -> Any:
    """A play button, its clock in the browser, that moves the slider `target`."""
    button = _Play(value=target.value, min=target.min, max=target.max, step=2, interval=interval)
    button.show_repeat = False
    widgets.jslink((button, "value"), (target, "value"))
    return button
