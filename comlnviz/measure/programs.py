"""What the compiler made of a computation, read from the programs that this process has."""

import math
import re
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

_KINDS = "all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute"
_COLLECTIVE = re.compile(rf"= (.*?) ({_KINDS})(-start)?\((.*)")
_SHAPE = re.compile(r"\b(pred|bf16|[fsuc]\d+)\[([\d,]*)\]")
_GROUPS = re.compile(
    r"replica_groups=(?:\{\{([\d,]+)\}|\[\d+,(\d+)\]<=|mesh\[([^\]]*)\] \{([^}]*)\})"
)
_SCOPE = re.compile(r'op_name="([^"]*)"')


def programs(name: str) -> list[str]:
    """Texts of the compiled programs of this process in whose names the pattern is, newest first.

    Of `meta_train` it is "_advance". A text may take long to make: ask for few.
    """
    loaded = jax.devices()[0].client.live_executables()
    modules = [module for program in loaded for module in program.hlo_modules()]
    return [module.to_string() for module in modules if re.search(name, module.name)]


class Collective(NamedTuple):
    """A place in a program at which devices exchange something.

    **Fields:**

    - `kind`: such as "all-reduce".
    - `bytes`: of its result on one device.
    - `devices`: how many take part.
    - `scope`: where in the source it comes from, as JAX names it.
    """

    kind: str
    bytes: int
    devices: int
    scope: str


def collectives(text: str) -> tuple[Collective, ...]:
    """Those of a program's text, in its order."""
    found = []
    for line in text.splitlines():
        match = _COLLECTIVE.search(line)
        if match is None:
            continue
        result, kind, starts, rest = match.groups()
        sizes = [_size(dtype, shape) for dtype, shape in _SHAPE.findall(result)]
        # What starts now and is done later names what it reads, too, unless it is a sum.
        size = sum(sizes) if starts is None or kind == "all-reduce" else sizes[-1]
        scope = _SCOPE.search(rest)
        found.append(Collective(kind, size, _devices(rest), scope.group(1) if scope else ""))
    return tuple(found)


def gradient_bytes(meta: PyTree) -> int:
    """Bytes of a meta-gradient: what all devices have to agree upon in a step of `meta_train`.

    Of meta-parameters, or of their shapes alone, as `eqx.filter_eval_shape` has them.
    """
    shaped = [x for x in jax.tree.leaves(meta) if hasattr(x, "dtype")]
    floats = [x for x in shaped if jnp.issubdtype(x.dtype, jnp.inexact)]
    return sum(x.size * x.dtype.itemsize for x in floats)


def _devices(text: str) -> int:
    """How many take part: listed, counted, or the axes of a mesh."""
    groups = _GROUPS.search(text)
    listed, counted, mesh, axes = groups.groups() if groups else (None, "1", None, None)
    if listed:
        return len(listed.split(","))
    if counted:
        return int(counted)
    sizes = dict(re.findall(r"'(\w+)'=(\d+)", mesh or ""))
    return math.prod(int(sizes[axis]) for axis in re.findall(r"'(\w+)'", axes or ""))


def _size(dtype: str, shape: str) -> int:
    bits = 8 if dtype == "pred" else int(re.sub(r"\D", "", dtype))
    count = 1
    for length in filter(None, shape.split(",")):
        count *= int(length)
    return count * bits // 8
