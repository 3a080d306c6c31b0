"""Datasets as arrays: classes first, then drawings or photographs of each."""

from .digits import Dataset, load

__all__ = ["Dataset", "load"]
