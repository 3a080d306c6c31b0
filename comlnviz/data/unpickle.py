"""Pickles of arrays from strangers: a pickle is a program, and this runs none but NumPy's arrays.

NumPy's own reconstructors are not called either: a forged dtype state can pass numbers off as
object pointers. The stand-ins below rebuild an array from its shape, its dtype's code and its
bytes.
"""

import math
import pickle
import zipfile
import zlib
from collections.abc import Callable
from io import BufferedIOBase
from typing import Any

import numpy as np

from .errors import DamagedFile

MAX_BYTES = 16 * 2**30
_KINDS = "biufSUO"
_WRONG = (
    *(pickle.UnpicklingError, EOFError, ImportError, AttributeError, IndexError, KeyError),
    *(TypeError, ValueError, ArithmeticError, MemoryError, zipfile.BadZipFile, zlib.error),
)


def load_pickle(stream: BufferedIOBase, name: str, *, max_bytes: int = MAX_BYTES) -> Any:
    """What `stream` holds: arrays, numbers, strings and bytes, in dicts, lists and tuples.

    Pickles of Python 2 are read too; their strings and bytes both come as `str`, by Latin-1.

    **Raises** `DamagedFile`, with the file's `name`, when the pickle is cut short or corrupt,
    longer than `max_bytes`, or asks for anything else: code is never run.
    """
    try:
        return _Unpickler(_Bounded(stream, name, max_bytes), encoding="latin1").load()
    except _WRONG as error:
        raise DamagedFile(f"{name} is cut short or is no pickle of arrays ({error})") from error


class _Bounded:
    """A stream that ends with a sentence after `left` bytes, before memory is taken for them."""

    def __init__(self, stream: BufferedIOBase, name: str, left: int):
        self._stream, self._name, self._limit, self._left = stream, name, left, left

    def read(self, size: int) -> bytes:
        return self._count(size, self._stream.read)

    def readline(self) -> bytes:
        return self._count(0, lambda _: self._stream.readline(self._left + 1))

    def _count(self, size: int, read: Callable[[int], bytes]) -> bytes:
        data = read(size) if size <= self._left else b""
        self._left -= max(size, len(data))
        if self._left < 0:
            raise DamagedFile(
                f"{self._name} asks for more than the {self._limit:,} bytes a pickle may have"
            )
        return data


class _Maker:
    """The only thing a pickle can call. It keeps no state that a pickle could set."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable):
        self._make = make

    def __call__(self, *arguments: Any) -> Any:
        return self._make(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it sets the state of a function")


class _Dtype:
    """A dtype by its code, such as `f4`; of a pickled state it takes the byte order only."""

    __slots__ = ("plain",)

    def __init__(self, code: str, *_: Any):
        self.plain = np.dtype(code if isinstance(code, str) else "V")
        if self.plain.kind not in _KINDS:
            raise pickle.UnpicklingError(f"it holds an array of dtype {code!r}")

    def __setstate__(self, state: tuple) -> None:
        order, *fields = state[1:5]
        if any(field is not None for field in fields):
            raise pickle.UnpicklingError("it holds an array of records")
        if order in ("<", ">"):
            self.plain = self.plain.newbyteorder(order)


class _Array(np.ndarray):
    """An array whose pickled state is checked before NumPy gets it."""

    def __setstate__(self, state: tuple) -> None:
        shape, dtype, fortran, raw = state[-4:]
        if isinstance(raw, str):
            raw = raw.encode("latin1")
        dtype = _checked(shape, dtype, raw)
        checked: Any = (1, shape, dtype, bool(fortran), raw)
        super().__setstate__(checked)


def _checked(shape: Any, dtype: Any, raw: Any) -> np.dtype:
    """The dtype, once `raw` is known to hold exactly the elements of such an array."""
    if not (isinstance(dtype, _Dtype) and isinstance(shape, tuple)):
        raise pickle.UnpicklingError("it holds an array without shape or dtype")
    if not all(type(size) is int and size >= 0 for size in shape):
        raise pickle.UnpicklingError(f"it holds an array of shape {shape}")
    objects = dtype.plain.kind == "O"
    size = math.prod(shape) * (1 if objects else dtype.plain.itemsize)
    if not isinstance(raw, list if objects else (bytes, bytearray)) or len(raw) != size:
        raise pickle.UnpicklingError("it holds an array whose bytes do not fit its shape")
    return dtype.plain


def _scalar(dtype: _Dtype, raw: Any) -> Any:
    raw = raw.encode("latin1") if isinstance(raw, str) else raw
    return _from_buffer(raw, dtype, (), "C")[()]


def _from_buffer(raw: Any, dtype: _Dtype, shape: tuple, order: str) -> np.ndarray:
    plain = _checked(shape, dtype, raw)
    if plain.kind == "O":
        raise pickle.UnpicklingError("it holds objects as bytes")
    return np.frombuffer(raw, plain).reshape(shape, order="F" if order == "F" else "C")


def _encode(text: str, encoding: str) -> bytes:
    """How a pickle of protocol 2 spells bytes."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"it encodes to {encoding!r}")
    return text.encode("latin1")


_NUMPY = {
    "multiarray": {
        "_reconstruct": _Maker(lambda *_: np.ndarray.__new__(_Array, (0,), np.uint8)),
        "scalar": _Maker(_scalar),
    },
    "numeric": {"_frombuffer": _Maker(_from_buffer)},
}
_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): "numpy.ndarray",  # a mere argument of _reconstruct
    ("numpy", "dtype"): _Maker(_Dtype),
    ("_codecs", "encode"): _Maker(_encode),
    **{
        (f"numpy.{core}.{module}", name): maker
        for core in ("core", "_core")
        for module, makers in _NUMPY.items()
        for name, maker in makers.items()
    },
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> Any:
        try:
            return _ADMITTED[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it asks for {module_name}.{global_name}, and data needs no code"
            ) from None
