"""Traced programs on disk: a figure's first picture need not wait for Python to trace it again.

JAX's persistent cache keeps what XLA has compiled, yet to look a program up there it has to be
traced, which takes longer than all else in the first picture of a figure. So the traced program is
kept too, by `jax.export`, under a name that depends on all that it could depend on: the sources of
this package, versions, and the arguments, of which arrays count by their types and everything else
by its value.
"""

import contextlib
import dataclasses
import functools
import hashlib
import importlib
import importlib.util
import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import equinox as eqx
import jax
import numpy as np
from jax.core import Tracer

_PACKAGES = ("jax", "jaxlib", "equinox", "diffrax", "lineax", "optax", "numpy")
_MODULES = ("comlnviz", *_PACKAGES)
_MOST = 400  # programs; the oldest go


class _Unknown(Exception):
    """Something that cannot be told from others by its value."""


def kept(function: Callable) -> Callable:
    """`eqx.filter_jit(function)`, whose traced programs are kept where JAX keeps compiled ones.

    For a function of this package that is called with arrays, and returns them, in tuples, lists,
    dictionaries and Equinox modules. What else there is among them must be plain values, or
    functions and classes that have a name; with anything else, under a transformation, and where
    JAX has no persistent cache or flatbuffers is not installed, it is `eqx.filter_jit` and no more.
    Data must come as arguments: what a function reads from elsewhere becomes part of its program,
    whose name would not tell that it has changed.
    """
    plain = eqx.filter_jit(function)
    programs: dict[Any, Callable | None] = {}

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        folder, leaves = _folder(), []
        try:
            form = None if folder is None else _form(args, leaves)
        except _Unknown:
            form = None
        if folder is None or form is None or any(isinstance(x, Tracer) for x in leaves):
            return plain(*args)
        key = json.dumps([form, [_type_of(leaf) for leaf in leaves], _settings()])
        if key not in programs:
            programs[key] = _program(function, form, leaves, folder, key)
        program = programs[key]
        return plain(*args) if program is None else program(leaves)

    return call


def _program(
    function: Callable, form: Any, leaves: list[Any], folder: Path, key: str
) -> Callable | None:
    """The program as kept, or traced and kept; `None` when it cannot be."""
    name = f"{_sources()} {function.__module__}.{function.__qualname__} {key}"
    path = folder / hashlib.sha256(name.encode()).hexdigest()
    with contextlib.suppress(Exception):  # not there, or damaged: traced anew
        header, _, code = path.read_bytes().partition(b"\n")
        return _callable(jax.export.deserialize(bytearray(code)), json.loads(header))
    returned: list[Any] = []

    def flat(leaves: list[Any]) -> list[Any]:
        out: list[Any] = []
        returned.append(_form(function(*_rebuilt(form, leaves)), out))
        return out

    try:
        exported = jax.export.export(jax.jit(flat))(leaves)
        code = exported.serialize()
    except Exception:  # calls back to Python, or returns something unnamed
        return None
    with contextlib.suppress(OSError):
        partial = path.with_name(f"{path.name}.{os.getpid()}")
        partial.write_bytes(json.dumps(returned[-1]).encode() + b"\n" + code)
        os.replace(partial, path)
    return _callable(exported, returned[-1])


def _callable(exported: Any, form: Any) -> Callable:
    run = jax.jit(exported.call)
    return lambda leaves: _rebuilt(form, run(leaves))


# ---------------------------------------------------------------------- what a tree is made of
def _form(tree: Any, leaves: list[Any]) -> Any:
    """The tree in JSON, without its arrays, which are appended to `leaves`."""
    if eqx.is_array(tree):
        leaves.append(tree)
        return "array"
    if tree is None or isinstance(tree, bool | int | float | str):
        return {"value": tree}
    if isinstance(tree, eqx.Module):
        parts = {field.name: getattr(tree, field.name, None) for field in dataclasses.fields(tree)}
        return {"module": _name(type(tree)), "fields": _forms(parts, leaves)}
    if isinstance(tree, dict) and all(isinstance(name, str) for name in tree):
        return {"dict": _forms(dict(sorted(tree.items())), leaves)}  # as JAX orders them
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return {"named": _name(type(tree)), "items": [_form(item, leaves) for item in tree]}
    if type(tree) in (tuple, list):
        return {type(tree).__name__: [_form(item, leaves) for item in tree]}
    try:
        return {"name": _name(cast(Any, tree))}
    except TypeError:  # not hashable
        raise _Unknown from None


def _forms(parts: dict[str, Any], leaves: list[Any]) -> dict[str, Any]:
    return {name: _form(part, leaves) for name, part in parts.items()}


def _rebuilt(form: Any, leaves: list[Any]) -> Any:
    left = iter(leaves)

    def build(form: Any) -> Any:
        if form == "array":
            return next(left)
        if "value" in form:
            return form["value"]
        if "module" in form:
            module = object.__new__(_named(form["module"]))
            for name, part in form["fields"].items():
                object.__setattr__(module, name, build(part))
            return module
        if "dict" in form:
            return {name: build(part) for name, part in form["dict"].items()}
        if "named" in form:
            return _named(form["named"])(*map(build, form["items"]))
        if "name" in form:
            return _named(form["name"])
        ((kind, items),) = form.items()
        return {"tuple": tuple, "list": list}[kind](map(build, items))

    return build(form)


@functools.lru_cache(1000)
def _name(thing: Any) -> str:
    name = f"{getattr(thing, '__module__', '')}:{getattr(thing, '__qualname__', '')}"
    try:
        if _named(name) is thing:
            return name
    except (AttributeError, ImportError, ValueError):
        pass
    raise _Unknown


@functools.lru_cache(1000)
def _named(name: str) -> Any:
    module, _, path = name.partition(":")
    if module.split(".")[0] not in _MODULES:
        raise ImportError(name)
    return functools.reduce(getattr, path.split("."), importlib.import_module(module))


def _type_of(leaf: Any) -> str:
    return f"{leaf.dtype}{list(np.shape(leaf))}{getattr(leaf, 'weak_type', False)}"


def _settings() -> list[str]:
    """What else a trace depends on."""
    wide = jax.dtypes.canonicalize_dtype(np.float64)
    chosen = ("default_prng_impl", "threefry_partitionable", "default_matmul_precision")
    others = [getattr(jax.config, f"jax_{name}") for name in chosen]
    return [str(value) for value in (wide, jax.default_backend(), *others)]


# ---------------------------------------------------------------------- where they are
def _folder() -> Path | None:
    chosen = getattr(jax.config, "jax_compilation_cache_dir", None)
    return _made(chosen) if chosen else None


@functools.cache
def _made(cache: str) -> Path | None:
    if importlib.util.find_spec("flatbuffers") is None:
        return None
    folder = Path(cache) / "traced"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        by_age = sorted(folder.iterdir(), key=lambda path: -path.stat().st_mtime)
        for path in by_age[_MOST:]:
            path.unlink(missing_ok=True)
    except OSError:
        return None
    return folder


@functools.cache
def _sources() -> str:
    """A hash of all that a traced program is made from."""
    seen = hashlib.sha256(sys.version.encode())
    for package in _PACKAGES:
        seen.update(f"{package} {version(package)}".encode())
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        seen.update(path.read_bytes())
    return seen.hexdigest()
