"""Images that stay with the host: only those of a batch go to the device that asked for them."""

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Int, Shaped


class HostRows:
    """Rows of an array in the host's memory, or in a file mapped into it, read when drawn.

    Under `vmap` the rows of all tasks are read at once; where the tasks are dealt out to devices,
    each host reads those of its own devices.
    """

    def __init__(self, array: Shaped[np.ndarray, "classes size *row"]):
        self._array, self.shape, self.dtype = array, array.shape, array.dtype

    def __repr__(self) -> str:
        # As of the array itself: a training may go on with it on the device, or no longer.
        array = jax.ShapeDtypeStruct(self.shape, self.dtype)
        return eqx.tree_pformat(array, struct_as_array=True)

    def take(self, rows: Int[Array, "*drawn"]) -> Shaped[Array, "..."]:
        """The rows with these numbers, counted through all classes."""
        each = self.shape[2:]
        result = jax.ShapeDtypeStruct((*rows.shape, *each), self.dtype)
        return jax.pure_callback(self._read, result, rows, vmap_method="expand_dims")

    def _read(self, rows: Any) -> np.ndarray:
        return np.asarray(self._array[np.divmod(np.asarray(rows), self.shape[1])])
