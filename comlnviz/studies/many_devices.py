"""The same training on one device and on many: what it comes to, and what went where.

JAX learns how many devices there are when it starts, so each training is in a process of its own,
with as many virtual devices of the CPU as it asks for.
"""

import dataclasses
import json
import os
import subprocess
import sys
from typing import Any

BATCH, STEPS, WAYS = 16, 100, 5


@dataclasses.dataclass(frozen=True)
class Trained:
    """A training that has ended.

    **Fields:**

    - `tasks`: of each device, the numbers of the tasks that it took of every batch.
    - `losses`: after each step; `score`: on new tasks.
    - `gradient_bytes`: of a meta-gradient; `data_bytes`: of the images of which tasks are drawn.
    - `exchanged`: of the compiled step, (kind, bytes, devices) of each collective.
    """

    tasks: list[list[int]]
    losses: list[float]
    score: float
    gradient_bytes: int
    data_bytes: int
    exchanged: list[tuple[str, int, int]]

    @property
    def devices(self) -> int:
        """How many there were."""
        return len(self.tasks)


def trained_on(*devices: int) -> tuple[Trained, ...]:
    """The same training on each of these numbers of virtual devices, beside each other.

    **Raises** `RuntimeError` with the last words of one that fails.
    """
    started = [_start(count) for count in devices]
    found = []
    for child in started:
        said, complaints = child.communicate()
        if child.returncode:
            raise RuntimeError(f"The training failed: {complaints.strip().splitlines()[-1:]}.")
        record = json.loads(said.splitlines()[-1])
        exchanged = [tuple(exchange) for exchange in record.pop("exchanged")]
        found.append(Trained(**record, exchanged=exchanged))
    return tuple(found)


def _start(devices: int) -> subprocess.Popen[str]:
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    return subprocess.Popen(
        [sys.executable, "-m", __name__], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
    )  # fmt: skip


def _train() -> Trained:
    """With all devices of this process."""
    import jax
    import jax.numpy as jnp
    import optax

    from ..algorithms import COMLN
    from ..data import load
    from ..measure.programs import collectives, gradient_bytes, programs
    from ..models import MLP
    from ..tasks import FewShot
    from ..training import evaluate, meta_train
    from ..training.devices import TASKS, mesh_over

    data = load("digits")
    tasks = FewShot(data, WAYS, 1, 5)
    algorithm = COMLN(
        MLP(64, (32,), jnp.tanh), WAYS, T=1.0, solver="euler", rtol=None, atol=None, dt0=0.1
    )
    run = meta_train(
        algorithm, tasks, num_steps=STEPS, batch_size=BATCH, optimizer=optax.adam(0.01),
        key=jax.random.key(0), devices="all", progress=False,
    )  # fmt: skip
    (text,) = programs("_advance")
    mesh: Any = mesh_over("all", BATCH)
    places = jax.sharding.NamedSharding(mesh, TASKS).devices_indices_map((BATCH,))
    return Trained(
        [[*range(BATCH)[place[0]]] for place in places.values()],
        [float(x) for x in run.history["loss"]],
        evaluate(algorithm, run.meta, tasks, num_tasks=100, devices="all").mean,
        gradient_bytes(run.meta),
        data.images.nbytes,
        [(found.kind, found.bytes, found.devices) for found in collectives(text)],
    )


if __name__ == "__main__":
    print(json.dumps(dataclasses.asdict(_train())))
