"""Re-running a cell frees the figures that its earlier run showed."""

from typing import Any

_shown: dict[str, tuple[str, list[Any]]] = {}  # by cell: the run, and what it displayed


def close_earlier_in_this_cell(app: Any) -> None:
    """Note that `app` is displayed by the running cell; close what an earlier run of it displayed.

    ipywidgets keeps every widget for ever, so that without this each re-run would keep a figure.
    Does nothing where the front end does not name its cells.
    """
    run = _running_cell()
    if run is None:
        return
    cell, message = run
    earlier, apps = _shown.get(cell, (message, []))
    if earlier != message:
        for old in apps:
            if old is not app:
                old.close()
        apps = []
    _shown[cell] = (message, [*apps, app])


def _running_cell() -> tuple[str, str] | None:
    try:
        from IPython import get_ipython
    except ModuleNotFoundError:
        return None
    shell: Any = get_ipython()
    parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
    cell = parent.get("metadata", {}).get("cellId")
    message = parent.get("header", {}).get("msg_id")
    return (cell, message) if cell and message else None
