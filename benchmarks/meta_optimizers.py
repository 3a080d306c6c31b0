"""What a learned update rule costs: meta-gradients with KFC and others against MAML's.

The four-layer Omniglot network, 10 ways, 5 shots, 4 steps. The paper's Table A3 has 10.35 s with
KFC and 1.09 s without, 9.5 times.

    python benchmarks/meta_optimizers.py [--layers 4] [--queries 5] [--repeats 5]
"""

import argparse
import statistics
import time

import equinox as eqx
import jax
import jax.numpy as jnp

from comlnviz.algorithms import MAML, MetaOptimizerMAML
from comlnviz.inner import CFC, KFC, KLin, MetaSGDRule
from comlnviz.models import Classifier, ConvNet
from comlnviz.tasks import Task

WAYS, SHOTS, STEPS, RATE = 10, 5, 4, 0.5


def task(queries: int) -> Task:
    """Random images: the time is that of any."""
    image_key, query_key = jax.random.split(jax.random.key(0))
    labels = lambda n: jnp.repeat(jnp.eye(WAYS), n, axis=0)
    images = lambda key, n: jax.random.uniform(key, (WAYS * n, 28, 28, 1))
    return Task(
        (images(image_key, SHOTS), labels(SHOTS)), (images(query_key, queries), labels(queries))
    )


def main() -> None:
    """Print seconds a meta-gradient and multiples of MAML's, interleaved, medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--queries", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    encoder = ConvNet((28, 28, 1), 64, options.layers, patches=jax.default_backend() == "cpu")
    model = Classifier(encoder, WAYS)
    rules = {
        "MAML": MAML(model, RATE, STEPS),
        "Meta-SGD": MetaOptimizerMAML(model, MetaSGDRule(), RATE, STEPS, adapt_rule=False),
        "Meta-Curvature": MetaOptimizerMAML(model, KLin(), RATE, STEPS, adapt_rule=False),
        "KFC": MetaOptimizerMAML(model, KFC(), RATE, STEPS),
        "CFC10": MetaOptimizerMAML(model, CFC(10), RATE, STEPS),
    }
    data, calls = task(options.queries), {}
    for name, algorithm in rules.items():
        meta = algorithm.init(jax.random.key(1))
        began = time.perf_counter()
        call = eqx.filter_jit(lambda m, t, a=algorithm: eqx.filter(a.meta_grad(m, t), eqx.is_array))
        jax.block_until_ready(call(meta, data))
        print(f"{name}: compiled in {time.perf_counter() - began:.0f} s", flush=True)
        calls[name] = (call, meta)
    seconds: dict[str, list[float]] = {name: [] for name in rules}
    for _ in range(options.repeats):
        for name, (call, meta) in calls.items():
            began = time.perf_counter()
            jax.block_until_ready(call(meta, data))
            seconds[name].append(time.perf_counter() - began)
    base = statistics.median(seconds["MAML"])
    for name, taken in seconds.items():
        median = statistics.median(taken)
        print(f"{name:15s} {median:.3f} s a task, {median / base:.2f} times MAML")


if __name__ == "__main__":
    main()
