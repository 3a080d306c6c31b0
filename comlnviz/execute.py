"""Execute a notebook in place and store only what does not change from run to run."""

import atexit
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from .book import BookError

# A widget's id is random, and nothing is behind it once the kernel is gone: readers need the
# picture beside it.
_VOLATILE_TYPES = (
    "application/vnd.jupyter.widget-view+json",
    "application/vnd.jupyter.widget-state+json",
)


def execute(
    path: Path,
    *,
    timeout: int = 600,
    environment: dict[str, str] | None = None,
    report: Callable[[str], object] = partial(print, flush=True),  # noqa: B008
) -> None:
    """Execute the notebook at ``path`` in its own folder, then store its outputs.

    Each cell may take ``timeout`` seconds; ``environment`` adds variables to the kernel's;
    ``report`` gets a line after each code cell. A notebook that fails stays as it was, and the
    `BookError` names the cell.
    """
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    notebook = read(path)
    code = [
        i
        for i, cell in enumerate(notebook.cells)
        if cell.cell_type == "code" and cell.source.strip()
    ]
    number, started = 0, perf_counter()

    def on_start(cell_index: int, **_: Any) -> None:
        nonlocal number, started
        if cell_index in code:
            number, started = code.index(cell_index) + 1, perf_counter()

    def on_executed(**_: Any) -> None:
        report(f"{path.name}: code cell {number}/{len(code)}, {perf_counter() - started:.1f} s")

    client = NotebookClient(
        notebook,
        timeout=timeout,
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(path.resolve().parent)}},
        on_cell_start=on_start,
        on_cell_executed=on_executed,
    )
    with tempfile.TemporaryFile() as log:  # what the kernel says of itself, not of the notebook
        try:
            client.execute(env={**os.environ, **(environment or {})}, stderr=log)
        except NoSuchKernel as error:
            raise BookError(f"{path}: the kernel {error.name!r} is not installed here.") from error
        except CellExecutionError as error:
            reason = f"raised {error.ename}: {error.evalue}".splitlines()[0]
            raise BookError(f"{path}: code cell {number} of {len(code)} {reason}") from error
        except CellTimeoutError as error:
            reason = f"took more than {timeout} s; give it longer with --timeout."
            raise BookError(f"{path}: code cell {number} of {len(code)} {reason}") from error
        except (DeadKernelError, RuntimeError, AssertionError) as error:
            # The assertion is nbclient's, which misses the kernel that Ctrl-C has stopped.
            atexit.unregister(client._cleanup_kernel)  # nothing is left to clean up at exit
            if number:
                reason = f"died in code cell {number} of {len(code)}."
            else:
                log.seek(0)
                lines = log.read().decode(errors="replace").split("\n")
                reason = (
                    "did not start: " + next(filter(str.strip, lines[::-1]), "no reason").strip()
                )
            raise BookError(f"{path}: the kernel {reason}") from error
    write(strip_volatile(notebook), path)


def read(path: Path) -> Any:
    """Return the notebook stored at ``path`` in the current format."""
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except OSError as error:
        raise BookError(f"{path} cannot be read; give the path of a notebook.") from error
    except (
        Exception
    ) as error:  # nbformat converts old formats, and fails in many ways on other files
        raise BookError(
            f"{path} is no notebook; give a file in Jupyter's .ipynb format."
        ) from error


def write(notebook: Any, path: Path) -> None:
    """Store a notebook whole or not at all."""
    import nbformat

    partial = path.with_name(f".{path.name}.partial")
    nbformat.write(notebook, partial)
    os.replace(partial, path)


def strip_volatile(notebook: Any) -> Any:
    """Drop what differs between two runs or two machines, so that diffs stay small."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata.get("language_info", {}).pop("version", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            for mimetype in _VOLATILE_TYPES:
                if len(data) > 1:
                    data.pop(mimetype, None)
    return notebook
