"""What goes wrong with data, in sentences for the reader."""

import importlib.util


class DataError(Exception):
    """Data that is missing, incomplete, or not what it says it is."""


class DamagedFile(DataError):
    """A file that is cut short, corrupt or hostile; `load` adds what to do about it."""


def require(module: str) -> None:
    """**Raises** `DataError` where `module`, which the `lab` extra brings, is not installed."""
    if importlib.util.find_spec(module) is None:
        raise DataError(f'{module} is not installed; pip install "comlnviz[lab]" brings it.')
