"""Tasks of a batch spread over devices, whoever's host they are on."""

from collections.abc import Sequence
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Key, PyTree

Devices = Literal["all"] | int | Sequence[jax.Device] | None
TASKS, EVERYWHERE = PartitionSpec("tasks"), PartitionSpec()


def mesh_over(devices: Devices, batch_size: int | None = None) -> Mesh | None:
    """The devices in a row that tasks are dealt out to; `None` for the one that JAX uses.

    **Arguments:**

    - `devices`: "all" that there are, of all hosts; the first so many; or these.
    - `batch_size`: tasks a step, of which every device takes as many.

    **Raises** `ValueError` for devices that are not there, and when they do not divide the batch.
    """
    if devices is None:
        return None
    there = jax.devices()
    if isinstance(devices, int):
        if not 1 <= devices <= len(there):
            raise ValueError(f"devices must be from 1 to {len(there)}, or 'all'; got {devices}.")
        chosen = there[:devices]
    else:
        chosen = there if devices == "all" else list(devices)
    if not chosen or not all(isinstance(device, jax.Device) for device in chosen):
        raise ValueError(f"devices must be 'all', a number or devices of JAX; got {devices!r}.")
    count = len(chosen)
    if batch_size is not None and batch_size % count:
        fewer, more = batch_size // count * count, -(-batch_size // count) * count
        would = f"{fewer} or {more}" if fewer else f"{more}"
        raise ValueError(
            f"batch_size must be a multiple of the {count} devices; got {batch_size}: "
            f"{would} would do."
        )
    return Mesh(np.array(chosen), ("tasks",))


def everywhere(tree: PyTree, mesh: Mesh | None) -> PyTree:
    """The arrays of a tree copied to each device, once, instead of at every call."""
    if mesh is None:
        return tree
    place = NamedSharding(mesh, EVERYWHERE)
    return jax.tree.map(lambda x: _copied(x, place) if eqx.is_array(x) else x, tree)


def _copied(x: jax.Array, place: NamedSharding) -> jax.Array:
    """`jax.device_put`, also where other hosts' devices are among them."""
    if x.sharding == place:
        return x
    if jnp.issubdtype(x.dtype, jax.dtypes.prng_key):
        data = _copied(jax.random.key_data(x), place)
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(x))
    values = np.asarray(x)
    return jax.make_array_from_callback(values.shape, place, lambda share: values[share])


def enough(keys: Key[Array, " tasks"], mesh: Mesh | None) -> Key[Array, " more"]:
    """The keys, and some of them again where the devices would not have as many each."""
    if mesh is None:
        return keys
    count = len(keys)
    return keys[np.arange(-(-count // mesh.size) * mesh.size) % count]


def together(tree: PyTree, mesh: Mesh | None) -> PyTree:
    """Under `jit`: the same on each device, so that every host can read it."""
    if mesh is None:
        return tree
    place = NamedSharding(mesh, EVERYWHERE)
    hold: Any = lambda x: jax.lax.with_sharding_constraint(x, place) if eqx.is_array(x) else x
    return jax.tree.map(hold, tree)


def dealt(function: Any, mesh: Mesh | None, out_specs: Any) -> Any:
    """`function(all, some)` on each device with its share of `some`; both trees of arrays."""
    if mesh is None:
        return function
    return jax.shard_map(
        function, mesh=mesh, in_specs=(EVERYWHERE, TASKS), out_specs=out_specs, check_vma=False
    )
