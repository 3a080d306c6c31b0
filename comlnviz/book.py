"""The book on disk: where its notebooks are, how a reader gets a copy and opens it."""

import filecmp
import os
import shutil
import sys
from pathlib import Path

FIRST = "00_start_here.ipynb"
_HIDDEN = (".ipynb_checkpoints", "__pycache__")
_COURSE = "course"  # for teachers: it holds the solutions


class BookError(Exception):
    """A sentence for the reader: what is wrong, the value, what is allowed."""


def source() -> Path:
    """Return the folder of the notebooks: inside the package in a wheel, beside it in a clone."""
    package = Path(__file__).parent
    for folder in (package / "notebooks", package.parent / "notebooks"):
        if (folder / FIRST).is_file():
            return folder
    raise BookError(f"This installation of comlnviz has no {FIRST}; install comlnviz again.")


def copy_book(destination: Path) -> list[Path]:
    """Copy the book into ``destination``; return the files kept, which differ from the book's."""
    return copy_tree(source(), destination, leave=(*_HIDDEN, _COURSE))


def copy_tree(origin: Path, destination: Path, leave: tuple[str, ...] = _HIDDEN) -> list[Path]:
    """Copy a folder into ``destination``; return the files kept, which differ from the folder's.

    A file that is there already is never written to: it may hold a reader's work. Files and folders
    whose names are in ``leave`` are not copied.
    """
    kept = []
    if destination.exists() and not destination.is_dir():
        raise BookError(f"{destination} is a file; give a folder, or a name that is still free.")
    if destination.resolve() == origin.resolve():
        return []
    for page in sorted(origin.rglob("*")):
        relative = page.relative_to(origin)
        if page.is_dir() or any(part in leave for part in relative.parts):
            continue
        target = destination / relative
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            # A copy cut short must not pass for a reader's own version the next time.
            partial = target.with_name(f".{target.name}.partial")
            shutil.copyfile(page, partial)
            os.replace(partial, target)
        elif not filecmp.cmp(page, target, shallow=False):
            kept.append(relative)
    return kept


def lab_command(folder: Path, *, browser: bool, port: int | None = None) -> list[str]:
    """Return the command that opens the book of ``folder`` in JupyterLab."""
    command = [sys.executable, "-m", "jupyterlab"]
    command += [
        f"--ServerApp.root_dir={folder.resolve()}",
        f"--LabApp.default_url=/lab/tree/{FIRST}",
    ]
    if port is not None:
        command.append(f"--port={port}")
    if not browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # in a container there is nobody else
    return command


def has_display() -> bool:
    """Tell whether a browser can open here; only Linux and its kin may have no display."""
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
