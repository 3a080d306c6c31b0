"""A course of one's own: a copy of the assignments for a teacher."""

from pathlib import Path

from .. import book


def source() -> Path:
    """The folder of the course: nbgrader's configuration, the guide, the assignments."""
    folder = book.source() / "course"
    if not (folder / "nbgrader_config.py").is_file():
        raise book.BookError("This installation of comlnviz has no course; install it again.")
    return folder


def new_course(destination: Path) -> list[Path]:
    """Copy the course into ``destination``; return the files kept, which differ from ours.

    As with the book, a file that is there already is never written to.

    **Raises** `BookError` when ``destination`` is a file.
    """
    return book.copy_tree(source(), destination)
