"""The controls of the live figures: each labelled, with its unit and range in a tooltip."""

from typing import Any

import ipywidgets as widgets


def log_slider(
    label: str, low: float, high: float, value: float, tooltip: str, step: float = 0.02
) -> Any:
    """A slider over powers of ten; `low` and `high` are exponents."""
    return widgets.FloatLogSlider(
        value=value, base=10, min=low, max=high, step=step, **_common(label, tooltip)
    )


def slider(label: str, low: float, high: float, step: float, value: float, tooltip: str) -> Any:
    """A linear slider."""
    return widgets.FloatSlider(
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
    return widgets.SelectionSlider(options=options, value=value, **_common(label, tooltip))


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
    return widgets.IntSlider(value=value, min=low, max=high, **_common(label, tooltip))


def number(label: str, low: int, high: int, value: int, tooltip: str) -> Any:
    """A box for a whole number."""
    return widgets.BoundedIntText(value=value, min=low, max=high, **_common(label, tooltip))


def toggle(label: str, value: bool, tooltip: str) -> Any:
    """A button that stays pressed."""
    layout = widgets.Layout(width="auto")
    return widgets.ToggleButton(value=value, description=label, tooltip=tooltip, layout=layout)


def play(target: Any, interval: int = 50) -> Any:
    """A play button, its clock in the browser, that moves the slider `target`."""
    button = widgets.Play(
        value=target.value, min=target.min, max=target.max, step=2, interval=interval
    )
    button.show_repeat = False
    widgets.jslink((button, "value"), (target, "value"))
    return button
