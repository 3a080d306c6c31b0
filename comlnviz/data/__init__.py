"""Datasets as arrays: classes first, then drawings or photographs of each."""

from .dataset import Dataset
from .errors import DataError
from .load import lacking, load

__all__ = ["DataError", "Dataset", "lacking", "load"]
