"""Meta-train the network that FreezeLab freezes layer by layer, into results/models/.

    python tools/train_freeze_model.py [--steps 600]

By MAML on glyphs, 10-way 2-shot, four steps within a task. A few minutes on one core.
"""

import argparse
import time

import equinox as eqx
import jax
import optax

from comlnviz.data import load
from comlnviz.studies.frozen_layers import LEARNER, QUERIES, SHOTS, WAYS, place
from comlnviz.tasks import FewShot
from comlnviz.training import evaluate, meta_train


def main() -> None:
    """Train, write, and say how good it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600)
    steps = parser.parse_args().steps
    tasks = {
        split: FewShot(load("glyphs", split=split), WAYS, SHOTS, QUERIES)
        for split in ("train", "validation", "test")
    }
    began = time.monotonic()
    run = meta_train(
        LEARNER, tasks["train"], num_steps=steps, batch_size=4, optimizer=optax.adam(0.003),
        key=jax.random.key(0), validation=tasks["validation"], validate_every=100,
        validation_tasks=50, tasks_at_once=1, progress=False,
    )  # fmt: skip
    place().parent.mkdir(parents=True, exist_ok=True)
    eqx.tree_serialise_leaves(place(), run.meta)
    print(f"{steps} steps in {time.monotonic() - began:.0f} s")
    print("test:", evaluate(LEARNER, run.meta, tasks["test"], num_tasks=300))


if __name__ == "__main__":
    main()
