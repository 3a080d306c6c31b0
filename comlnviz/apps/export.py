"""Every live figure as files: pictures, and animations where a figure tells a story."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import ALL

PICTURES = (".png", ".svg")
ANIMATIONS = (".gif", ".html")


def export(folder: Path, apps: tuple[Any, ...] = ALL) -> Iterator[Path]:
    """Write each figure as it opens into ``folder``, and yield the paths as they are written."""
    folder.mkdir(parents=True, exist_ok=True)
    for make in apps:
        app = make()
        try:
            for suffix in PICTURES:
                yield app.save(folder / f"{make.__name__}{suffix}")
            if hasattr(app, "export"):
                for suffix in ANIMATIONS:
                    yield app.export(folder / f"{make.__name__}{suffix}")
        finally:
            app.close()
