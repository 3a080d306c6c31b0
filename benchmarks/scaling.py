"""Meta-training on 1, 2, 4 and 8 virtual devices of one CPU: what it costs to deal tasks out.

    python benchmarks/scaling.py [--out results/scaling] [--steps 20] [--repeats 3]

COMLN with a small Conv-4 on glyphs, 5-way 1-shot, T = 1, float32, each setting in a process of its
own whose second training is timed. *Weak*: as many tasks a device, 2. *Strong*: 16 tasks a step,
whatever the devices. Virtual devices share the cores, so a time by the clock says something for no
more devices than there are cores; the CPU's time says for any number what dealing out adds, since
one device computes the same tasks without. With --one-core all threads share a core, and the
clock says the same.
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

DEVICES, EACH, STRONG = (1, 2, 4, 8), 2, 16


def child(devices: int, batch: int, steps: int, repeats: int) -> None:
    """Train, and print seconds a step by the clock and of the CPU."""
    import jax
    import optax

    from comlnviz.algorithms import COMLN
    from comlnviz.data import load
    from comlnviz.models import Conv4
    from comlnviz.tasks import FewShot
    from comlnviz.training import meta_train

    assert len(jax.devices()) == devices
    settings = dict(
        algorithm=COMLN(Conv4((28, 28, 1), 32, patches=True), 5),
        tasks=FewShot(load("glyphs"), 5, 1, 5),
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


def measured(devices: int, batch: int, options: argparse.Namespace) -> dict:
    """What the child says."""
    environment = dict(os.environ, JAX_PLATFORMS="cpu")
    environment["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"
    numbers = map(str, (devices, batch, options.steps, options.repeats))
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
    batches = {EACH * n for n in options.devices} | {STRONG}
    alone = {batch: measured(1, batch, options) for batch in sorted(batches)}
    rows = [*alone.values()]
    print(f"{'':14}{'a step':>10}{'CPU':>10}{'against one device with the same tasks':>42}")
    for kind in ("weak", "strong"):
        for devices in options.devices:
            batch = EACH * devices if kind == "weak" else STRONG
            row = alone[batch] if devices == 1 else measured(devices, batch, options)
            if row not in rows:
                rows.append(row)
            ratios = " ".join(
                f"{what} {row[what] / alone[batch][what]:.2f}" for what in ("wall", "cpu")
            )
            said = f"{1e3 * row['wall']:7.1f} ms{1e3 * row['cpu']:7.1f} ms  {ratios}"
            print(f"{kind:7}{devices:2} × {batch // devices:2} {said}", flush=True)
    import jax

    options.out.mkdir(parents=True, exist_ok=True)
    cores = 1 if options.one_core else os.cpu_count()
    path = options.out / f"cpu-{cores}-cores-{platform.machine()}.json"
    record = {"cores": cores, "jax": jax.__version__, "load": os.getloadavg()[0], "rows": rows}
    path.write_text(json.dumps(record, indent=1) + "\n")
    print(path)


if __name__ == "__main__":
    main()
