"""Meta-train the learners that FewShotLab comes with, into results/models/.

    python tools/train_lab_models.py [--steps 1500]

On glyphs, 5-way 2-shot, between the one and the five shots that the lab asks for. A minute or two
a method on two cores.
"""

import argparse
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from comlnviz.data import load
from comlnviz.studies.lab import METHODS, WAYS
from comlnviz.tasks import FewShot
from comlnviz.training import evaluate, meta_train

FOLDER = Path(__file__).parent.parent / "results" / "models"
SHOTS = 2  # between the one and the five that the lab asks for


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1500)
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    tasks = FewShot(load("glyphs"), WAYS, SHOTS, 5)
    validation = FewShot(load("glyphs", split="validation"), WAYS, SHOTS, 15)
    for name, algorithm in METHODS.items():
        run = meta_train(
            algorithm, tasks, num_steps=options.steps, batch_size=4, optimizer=optax.adam(2e-3),
            key=jax.random.key(0), validation=validation, validate_every=250, tasks_at_once=1,
        )  # fmt: skip
        eqx.tree_serialise_leaves(FOLDER / f"{name}.eqx", run.meta)
        for data in ("glyphs", "omniglot-minimal"):
            for shots in (1, 5):
                try:
                    test = FewShot(load(data, split="test"), WAYS, shots, 5)
                except Exception as error:
                    print(error)
                    continue
                print(name, data, shots, evaluate(algorithm, run.meta, test, num_tasks=300))
        if hasattr(run.meta, "log_T"):
            print("T", jnp.exp(run.meta.log_T))


if __name__ == "__main__":
    main()
