"""How many tasks a second many devices would get through: on paper, from what one task costs."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


def ring_bytes(size: float, devices: int) -> float:
    """Bytes that each device sends, and receives, in an all-reduce of `size` bytes by a ring.

    A sum goes round in `devices` pieces, and comes back: 2 (n − 1) / n times its size.

    Source: Patarasuk and Yuan (2009), Bandwidth optimal all-reduce algorithms.
    """
    return 2 * (devices - 1) / devices * size


def ring_seconds(size: float, devices: int, bandwidth: float, latency: float) -> float:
    """Seconds of that, where a link carries `bandwidth` bytes a second each way.

    **Arguments:**

    - `size`: bytes of what is summed.
    - `devices`: in the ring; its slowest link counts.
    - `bandwidth`: bytes a second.
    - `latency`: seconds until a message's first byte is there; there are 2 (n − 1) messages.
    """
    return ring_bytes(size, devices) / bandwidth + 2 * (devices - 1) * latency


class Throughput(NamedTuple):
    """What a simulation found.

    **Fields:**

    - `tasks_per_second`: of all devices together.
    - `efficiency`: the share of the devices' time that tasks are computed in.
    """

    tasks_per_second: float
    efficiency: float


def simulate(
    costs: Float[np.ndarray, " n"],
    *,
    devices: int,
    batch_size: int,
    step_seconds: float = 0.0,
    num_steps: int = 2000,
    seed: int = 0,
) -> Throughput:
    """Meta-training on so many devices, each of which takes its tasks one after another.

    A step lasts as long as the device whose tasks take longest, and `step_seconds` more.

    **Arguments:**

    - `costs`: seconds of a task's meta-gradient as measured, of which tasks are drawn.
    - `devices`, `batch_size`: the former divide the latter.
    - `step_seconds`: of what a step does besides: the all-reduce, the optimizer, the dispatch.
    - `num_steps`, `seed`: of the simulation.

    **Raises** `ValueError` when a device would get another number of tasks than its neighbour.
    """
    if devices < 1 or batch_size % devices:
        raise ValueError(f"batch_size must be a multiple of devices; got {batch_size}, {devices}.")
    drawn = np.random.default_rng(seed).choice(costs, (num_steps, devices, batch_size // devices))
    each = drawn.sum(axis=2)
    seconds = float(np.sum(each.max(axis=1) + step_seconds))
    return Throughput(num_steps * batch_size / seconds, float(each.sum() / (devices * seconds)))
