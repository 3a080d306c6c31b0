"""A training's state on disk: either the old file or the new one, never half of one."""

import json
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

_HEADER = "header"


def save(path: Path, state: PyTree, history: dict[str, np.ndarray], header: dict[str, Any]) -> None:
    """Write `state`'s arrays, the history and a header that says what they belong to.

    The file gets its name when it is complete and on the disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    leaves = jax.device_get(jax.tree.leaves(eqx.filter(state, eqx.is_array)))
    arrays = {f"state{i}": np.asarray(leaf) for i, leaf in enumerate(leaves)}
    arrays |= {f"history {name}": values for name, values in history.items()}
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            np.savez(file, **arrays, **{_HEADER: text})  # pyright: ignore[reportArgumentType]
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    if os.name == "posix":  # the new name too
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def load(
    path: Path, like: PyTree, header: dict[str, Any]
) -> tuple[PyTree, dict[str, np.ndarray], dict[str, Any]]:
    """The state with the structure of `like`, the history, and the whole header as saved.

    **Raises** `ValueError` when the file cannot be read, or when its header differs from `header`
    in one of the latter's entries.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            saved = json.loads(file[_HEADER].tobytes())
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(
            f"{path} is not a checkpoint of meta_train, or is damaged ({error}): "
            "name another file, or delete it to start anew."
        ) from None
    for name, value in header.items():
        if saved.get(name) != value:
            raise ValueError(
                f"Checkpoint {path} belongs to another training: its {name} is "
                f"{saved.get(name)}, here it is {value}. Name another file, or delete it."
            )
    dynamic, static = eqx.partition(like, eqx.is_array)
    leaves, structure = jax.tree.flatten(dynamic)
    restored = [jnp.asarray(arrays[f"state{i}"]) for i in range(len(leaves))]
    history = {n.removeprefix("history "): a for n, a in arrays.items() if n.startswith("history ")}
    return eqx.combine(jax.tree.unflatten(structure, restored), static), history, saved


def fingerprint(state: PyTree, **settings: Any) -> dict[str, Any]:
    """A header by which a checkpoint is told from that of another training."""
    leaves = jax.tree.leaves(eqx.filter(state, eqx.is_array))
    shapes = " ".join(f"{leaf.dtype}{list(leaf.shape)}" for leaf in leaves)
    return {**{name: _described(value) for name, value in settings.items()}, "state": shapes}


def _described(value: Any) -> str:
    """The same words for the same settings in every process: functions without their addresses."""
    text = eqx.tree_pformat(value, width=10**6) if isinstance(value, eqx.Module) else str(value)
    return re.sub(r" at 0x[0-9a-f]+", "", text)
