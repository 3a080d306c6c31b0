"""Few-shot learning's speed: drawing tasks, a step of COMLN against one of ANIL, an evaluation.

    python benchmarks/few_shot.py [--repeats 7] [--channels 64] [--data omniglot-minimal]

All of it on one Conv-4, 28×28, 5-way, with whatever device is there; on a CPU one task at a time,
as `meta_train` and `evaluate` do. Steps are of 4 tasks with 5 shots, COMLN at T = 10 and ANIL with
5 unrolled steps; their repeats interleave, and only ratios mean anything.
"""

import argparse
import statistics
import time

import equinox as eqx
import jax
import jax.numpy as jnp

from comlnviz.algorithms import ANIL, COMLN, ProtoNet
from comlnviz.data import load
from comlnviz.models import Conv4
from comlnviz.tasks import FewShot
from comlnviz.training import evaluate

WAYS, BATCH, KEY = 5, 4, jax.random.key(0)


def median_times(functions, repeats):
    """Seconds each function takes, called in turns after a first call each."""
    for function in functions:
        jax.block_until_ready(function())
    times = [[] for _ in functions]
    for _ in range(repeats):
        for function, seen in zip(functions, times, strict=True):
            start = time.perf_counter()
            jax.block_until_ready(function())
            seen.append(time.perf_counter() - start)
    return [statistics.median(seen) for seen in times]


def drawing(data, repeats):
    """5-way 1-shot tasks drawn a second, with 1 and with 15 queries a class."""
    for queries in (1, 15):
        tasks = FewShot(data, WAYS, 1, queries)
        keys = jax.random.split(KEY, 64 * 50).reshape(50, 64)

        @jax.jit
        def draw(keys, tasks=tasks):
            # Every image is looked at, or nothing would be drawn.
            look = lambda keys: jnp.sum(
                jnp.stack([jnp.sum(x) for x in jax.tree.leaves(jax.vmap(tasks.sample)(keys))])
            )
            return jax.lax.map(look, keys)

        (seconds,) = median_times([lambda draw=draw, keys=keys: draw(keys)], repeats)
        print(f"tasks drawn a second, {queries} queries a class: {keys.size / seconds:,.0f}")


def step_of(algorithm, tasks):
    """A closure that computes the mean meta-gradient of a batch."""
    meta = algorithm.init(KEY)
    batch = jax.vmap(tasks.sample)(jax.random.split(KEY, BATCH))
    one = lambda meta, task: algorithm.meta_grad(meta, task)[1]

    @eqx.filter_jit
    def step(meta, batch):
        at_once = 1 if jax.default_backend() == "cpu" else BATCH
        grads = jax.lax.map(lambda task: one(meta, task), batch, batch_size=at_once)
        return jax.tree.map(lambda g: jnp.mean(g, axis=0), grads)

    return lambda: step(meta, batch)


def adaptation_of(algorithm, tasks):
    """The same without the encoder: a batch's features are given, and get their gradient."""
    meta = algorithm.init(KEY)
    batch = jax.vmap(tasks.sample)(jax.random.split(KEY, BATCH))
    embed = lambda part: (jax.lax.map(meta.encoder, part[0]), part[1])
    batch = jax.device_get((embed(batch.support), embed(batch.query)))
    meta = eqx.tree_at(lambda m: m.encoder, meta, lambda x: x)

    def loss(meta, support, query):
        solution = algorithm.adapt_head(meta, *support)
        log = jax.nn.log_softmax(algorithm.classify(meta, solution.params, query[0]))
        return -jnp.mean(jnp.sum(query[1] * log, axis=1))

    @eqx.filter_jit
    def step(meta, batch):
        grad = lambda pair: eqx.filter_grad(lambda a: loss(a[0], *a[1]))((meta, pair))
        return jax.lax.map(grad, batch)

    return lambda: step(meta, batch)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--data", default="omniglot-minimal")
    options = parser.parse_args()
    data = load(options.data)
    encoder = Conv4((28, 28, 1), options.channels, patches=jax.default_backend() == "cpu")
    drawing(data, options.repeats)

    tasks = FewShot(data, WAYS, 5, 5)
    comln, anil = COMLN(encoder, WAYS, T=10.0), ANIL(encoder, WAYS, 0.1, 5)
    steps = [step_of(comln, tasks), step_of(anil, tasks), adaptation_of(comln, tasks)]
    whole, other, part = median_times(steps, options.repeats)
    print(f"a step of COMLN: {whole / other:.2f} of ANIL's ({1e3 * whole:.0f} ms)")
    print(f"its adaptation: {100 * part / whole:.1f}% of the step")

    test = FewShot(load(options.data, split="test"), WAYS, 5, 15)
    for algorithm in (ProtoNet(encoder, WAYS), comln):
        start = time.perf_counter()
        evaluate(algorithm, algorithm.init(KEY), test, num_tasks=1000)
        seconds = time.perf_counter() - start
        print(f"{type(algorithm).__name__}: 1,000 tasks with 5 shots in {seconds:.1f} s, compiled")


if __name__ == "__main__":
    main()
