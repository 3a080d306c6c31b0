"""Time a meta-gradient of `linear_flow` against COMLN's Algorithm 2 by `odeint`, in one run.

    python benchmarks/linear_flow_speed.py [--shots 5] [--d 1600] [--batch 1] [--T 1 10 100 1000]
                                           [--devices 2]

Both sides give the value and the gradients in W0, features and T of a 5-way task, or of a batch of
them by `vmap`, in float32 at tolerance 1.4e-8 (odeint's default). Algorithm 2 is written here from
the paper's equations, plainly: s, B and z integrated together, projected by Algorithms 3 and 4.
Beside it: the forward solve of s alone, without a gradient, and for a batch the same tasks one at a
time on one device. With several devices, which on a processor are made out of its cores, a batch
is dealt out to them on both sides, its tasks being there before, as in training. Repeats
interleave, so the load of the machine falls on all; only ratios mean anything.
"""

import argparse
import itertools
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.ode import odeint
from jax.sharding import NamedSharding

from comlnviz import linear_flow
from comlnviz.adjoints import GramAdjoint
from comlnviz.training.devices import TASKS, dealt, mesh_over

WAYS = 5
TOLERANCE = 1.4e-8


def outer_loss(W, queries, targets):
    """Mean cross-entropy of `W` on the query set."""
    return -jnp.mean(jnp.sum(targets * jax.nn.log_softmax(queries @ W.T), axis=-1))


def flow(W0, features, labels, T):
    """W(T)."""
    options = dict(rtol=TOLERANCE, atol=TOLERANCE, adjoint=GramAdjoint(), throw=False)
    return linear_flow(W0, features, labels, T, **options).params


def by_gram_adjoint(W0, features, labels, T, queries, targets):
    """Comlnviz."""
    value = lambda W0, features, T: outer_loss(flow(W0, features, labels, T), queries, targets)
    return jax.value_and_grad(value, argnums=(0, 1, 2))(W0, features, T)


def forward_alone(W0, features, labels, T, queries, targets):
    """Comlnviz, the value only."""
    return outer_loss(flow(W0, features, labels, T), queries, targets)


def by_algorithm_2(W0, features, labels, T, queries, targets):
    """COMLN's Algorithms 2 to 4 and Proposition 4."""
    M, N = labels.shape
    gram, logits0, same = features @ features.T, features @ W0.T, jnp.eye(M)

    def dynamics(state, _):
        s, B, z = state
        p = jax.nn.softmax(logits0 - gram @ s)
        A = (jax.vmap(jnp.diag)(p) - p[:, :, None] * p[:, None, :]) / M
        ds = (p - labels) / M
        AB = jnp.einsum("ikn,im,mjnl->ijkl", A, gram, B)
        dB = same[:, :, None, None] * A[:, None] - AB
        own = same[:, :, None, None] * s[None, None] + same[:, None, :, None] * s[None, :, None]
        dz = -jnp.einsum("ikn,ijmn->ijmk", A, own + jnp.einsum("ik,kjmn->ijmn", gram, z))
        return ds, dB, dz

    start = (jnp.zeros((M, N)), jnp.zeros((M, M, N, N)), jnp.zeros((M, M, M, N)))
    times = jnp.stack([jnp.zeros_like(T), T])
    s, B, z = (x[-1] for x in odeint(dynamics, start, times))
    W = W0 - s.T @ features
    value, V = jax.value_and_grad(outer_loss)(W, queries, targets)
    Vx = features @ V.T
    C = jnp.einsum("ik,ijkl->jl", Vx, B)
    D = jnp.einsum("ijmk,ik->mj", z, Vx)
    descent = (jax.nn.softmax(features @ W.T) - labels).T @ features / M
    to_features = -(s @ V + C @ W0 + D @ features)
    return value, (V - C.T @ features, to_features, -jnp.sum(V * descent))


def make_task(d, shots, seed=0):
    """A task whose features have unit norm, about a mean of their own for each class."""
    rng = np.random.default_rng(seed)

    def examples(count):
        x = centres[np.arange(count) % WAYS] + 0.7 * rng.normal(size=(count, d))
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    centres = rng.normal(size=(WAYS, d))
    count = WAYS * shots
    labels = np.eye(WAYS)[np.arange(count) % WAYS]
    W0 = rng.normal(size=(WAYS, d)) / np.sqrt(d)
    support, queries = 4 * examples(count), 4 * examples(count)
    return tuple(jnp.asarray(x, jnp.float32) for x in (W0, support, labels, queries, labels))


def seconds(function, *inputs):
    """How long one call takes, its result waited for."""
    begin = time.perf_counter()
    jax.block_until_ready(function(*inputs))
    return time.perf_counter() - begin


def difference(gradients, others):
    """The largest relative difference among the three gradients."""
    norm = lambda x: float(jnp.linalg.norm(x))
    return max(norm(a - b) / norm(b) for a, b in zip(gradients, others, strict=True))


def of_a_batch(function, mesh):
    """`function` of all tasks of a batch, dealt out to the devices of a mesh."""
    spread = dealt(lambda _, tasks: jax.vmap(function)(*tasks), mesh, TASKS)
    return lambda *tasks: spread(None, tasks)


def compare(shots, d, batch, lengths, repeats, devices):
    """Print the table of one size; the ratios."""
    tasks = [make_task(d, shots, seed) for seed in range(batch)]
    inputs_of = lambda task, T: (*task[:3], jnp.float32(T), *task[3:])
    at, together = lambda T: inputs_of(tasks[0], T), lambda f: f
    if batch > 1:
        mesh = mesh_over(devices, batch)
        place = lambda *x: jax.device_put(jnp.stack(x), NamedSharding(mesh, TASKS))
        at = lambda T: jax.tree.map(place, *(inputs_of(task, T) for task in tasks))
        together = lambda f: of_a_batch(f, mesh)
    sides = [
        jax.jit(together(f)).lower(*at(1)).compile()
        for f in (by_gram_adjoint, by_algorithm_2, forward_alone)
    ]
    one = jax.jit(by_gram_adjoint)
    memory = [side.memory_analysis().temp_size_in_bytes for side in sides]
    print(f"{WAYS}-way {shots}-shot, d = {d}, {batch} at once on {devices}; temporary memory each: "
          f"{memory[0]:,} against {memory[1]:,} bytes, 1/{memory[1] / memory[0]:.1f}")  # fmt: skip
    names = ("T", "ours ms", "Alg. 2 ms", "ratio", "of forward", "of singly", "differ")
    print(" ".join(f"{name:>10}" for name in names))
    ratios = []
    for T in lengths:
        inputs, singles = at(T), [inputs_of(task, T) for task in tasks]
        singly = lambda *_, singles=singles: [one(*task) for task in singles]
        functions = [*sides, singly] if batch > 1 else sides
        ours, theirs, *_ = (function(*inputs) for function in functions)  # warm-up
        runs = [[seconds(function, *inputs) for function in functions] for _ in range(repeats)]
        mine, plain, forward, *single = (statistics.median(c) for c in zip(*runs, strict=True))
        ratios.append(plain / mine)
        gap = difference(ours[1], theirs[1])
        of_singly = mine / single[0] if single else 1.0
        print(f"{T:10g} {1e3 * mine:10.2f} {1e3 * plain:10.1f} {ratios[-1]:9.1f}x "
              f"{mine / forward:9.1f}x {of_singly:9.2f}x {gap:10.1e}")  # fmt: skip
    print(f"geometric mean of the ratios: {statistics.geometric_mean(ratios):.1f}x", flush=True)


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--shots", type=int, nargs="+", default=[5])
    parser.add_argument("--d", type=int, nargs="+", default=[1600])
    parser.add_argument("--batch", type=int, nargs="+", default=[1])
    parser.add_argument("--T", type=float, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--devices", type=int, default=1)
    args = parser.parse_args()
    if jax.config.jax_platforms in (None, "cpu"):
        jax.config.update("jax_num_cpu_devices", args.devices)
    print(f"float32, {jax.devices()[0].device_kind}")
    for size in itertools.product(args.shots, args.d, args.batch):
        compare(*size, args.T, args.repeats, args.devices)


if __name__ == "__main__":
    main()
