"""Meta-training on 1, 2, 4 and 8 virtual devices of one CPU: what it costs to deal tasks out.

    python benchmarks/scaling.py [--out results/scaling] [--steps 20] [--repeats 3]

COMLN with a network of two layers of 512 on digits, 5-way 5-shot, 100 Euler steps, float32, each
setting in a process of its own whose second training is timed. *Weak*: as many tasks a device, 2.
*Strong*: 16 tasks a step, whatever the devices. Virtual devices share the cores, so a time by the
clock says something for no more devices than there are cores; the CPU's time says for any number
what dealing out adds, since one device computes the same tasks without. With --one-core all threads
share a core, and the clock says the same.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

DEVICES, WEAK, STRONG = (1, 2, 4, 8), 2, 16


def child(devices: int, batch: int, steps: int, repeats: int) -> None:
    """Train, and print seconds a step by the clock and of the CPU."""
    import jax
    import jax.numpy as jnp
    import optax

    from comlnviz.algorithms import COMLN
    from comlnviz.data import load
    from comlnviz.models import MLP
    from comlnviz.tasks import FewShot
    from comlnviz.training import meta_train

    assert len(jax.devices()) == devices
    encoder, tasks = MLP(64, (512, 512), jnp.tanh), FewShot(load("digits"), 5, 5, 15)
    if not steps:
        print(json.dumps(costs(COMLN(encoder, 5, T=10.0), tasks, repeats)))
        return
    fixed = dict(solver="euler", rtol=None, atol=None, dt0=0.01)  # as many steps for every task
    settings = dict(
        algorithm=COMLN(encoder, 5, **fixed),
        tasks=tasks,
        batch_size=batch,
        optimizer=optax.adam(0.002),  # one and the same, or everything is compiled again
        key=jax.random.key(0),
        tasks_at_once=1,
        devices=None if devices == 1 else "all",
        progress=False,
    )
    meta_train(num_steps=1, **settings)
    found = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        meta_train(num_steps=steps, **settings)
        found.append(((time.perf_counter() - wall) / steps, (time.process_time() - cpu) / steps))
    wall, cpu = (statistics.median(column) for column in zip(*found, strict=True))
    print(json.dumps({"devices": devices, "batch_size": batch, "wall": wall, "cpu": cpu}))


def costs(algorithm, tasks, repeats: int) -> list[float]:
    """Seconds of the meta-gradients of 40 tasks; an adaptive solver takes more steps for some."""
    import equinox as eqx
    import jax

    meta = algorithm.init(jax.random.key(0))
    gradient = eqx.filter_jit(
        lambda task: eqx.filter(algorithm.meta_grad(meta, task), eqx.is_array)
    )
    found = []
    for key in jax.random.split(jax.random.key(1), 40):
        task, seen = tasks.sample(key), []
        jax.block_until_ready(gradient(task))
        for _ in range(repeats):
            began = time.perf_counter()
            jax.block_until_ready(gradient(task))
            seen.append(time.perf_counter() - began)
        found.append(statistics.median(seen))
    return found


def measured(devices: int, batch: int, options: argparse.Namespace, steps: int) -> Any:
    """What a child says."""
    environment = dict(os.environ, JAX_PLATFORMS="cpu")
    environment["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    numbers = map(str, (devices, batch, steps, options.repeats))
    command = [sys.executable, __file__, "--child", *numbers]
    if options.one_core:
        os.sched_setaffinity(0, {0})
    answer = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(answer.stdout.splitlines()[-1])


def main() -> None:
    """Measure, print ratios, and keep the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--child", nargs=4, type=int)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--devices", type=int, nargs="+", default=DEVICES)
    parser.add_argument("--one-core", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("results/scaling"))
    options = parser.parse_args()
    if options.child:
        child(*options.child)
        return
    weak = [(devices, WEAK * devices) for devices in options.devices]
    strong = [(devices, STRONG) for devices in options.devices]
    alone = [(1, batch) for _, batch in (*weak, *strong)]
    found = {
        key: measured(*key, options, options.steps)
        for key in dict.fromkeys((*alone, *weak, *strong))
    }
    from comlnviz.figures.many_devices import ratios  # only now: children are to start JAX

    shares = {what: ratios([*found.values()], what) for what in ("wall", "cpu")}
    print(f"{'':13}{'a step':>10}{'CPU':>10}  against one device with the same tasks")
    for kind, keys in (("weak", weak), ("strong", strong)):
        for devices, batch in keys:
            row, each = found[devices, batch], batch // devices
            against = " ".join(f"{what} {of[devices, each]:.2f}" for what, of in shares.items())
            said = f"{1e3 * row['wall']:7.1f} ms{1e3 * row['cpu']:7.1f} ms  {against}"
            print(f"{kind:7}{devices:2} × {each:2} {said}", flush=True)
    import jax  # only now: this process computes nothing

    options.out.mkdir(parents=True, exist_ok=True)
    cores = 1 if options.one_core else os.cpu_count()
    path = options.out / f"cpu-{cores}-cores-{platform.machine()}.json"
    record = {
        "cores": cores, "jax": jax.__version__, "load": os.getloadavg()[0],
        "weak": WEAK, "strong": STRONG, "rows": [*found.values()],
        "costs": measured(1, 1, options, 0),
    }  # fmt: skip
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(path)


if __name__ == "__main__":
    main()
