"""A-MAML's meta-gradient with stored states: ours, and the authors' algorithm in PyTorch.

    python benchmarks/adjoint_maml.py [--states 500] [--repeats 5]

Five CosMixture tasks (100 examples to adapt on, 100 to be judged by; two hidden layers of 32 tanh),
T = 5, the gradient of the mean query loss in the initial parameters, float32, all in one run and in
turns; ours take the tasks together, by `vmap`. Errors are relative to a meta-gradient in float64,
through every step of Dopri5 at 1e-9. Then the memory that a stored state takes, by XLA's analysis,
in copies of the parameters.

The authors' algorithm is written anew from their released code (github.com/shib0li/Adjoint-MAML,
core/meta_learner.py): torchdiffeq's fixed RK4 over the grid of states, then modified Euler with
Hessian-vector products by double reverse mode, task by task; without its proximal term, which the
paper does not have; and with its one step of the costate too many. It is measured where it can be:

    pip install torch torchdiffeq

Source: A-MAML (Li et al. 2023), Section 5.1 and Algorithm 2.
"""

import argparse
import statistics
import time
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import numpy as np

from comlnviz import gradient_flow
from comlnviz.adjoints import Checkpointed, StoredStates, Unrolled
from comlnviz.models import MLP, Classifier, SquaredError
from comlnviz.tasks import CosMixture

TASKS, SHOTS, T = 5, 100, 5.0
CRITERION = SquaredError()
MODEL = Classifier(MLP(2, (32, 32), jnp.tanh), 1, CRITERION)


def problem(dtype):
    """The network, and the tasks stacked."""
    with jax.enable_x64(False):  # in 64 bits other numbers would be drawn
        network = MODEL.init(jax.random.key(0))
        sample = CosMixture(SHOTS, SHOTS, standardized=True).sample
        tasks = jax.vmap(sample)(jax.random.split(jax.random.key(1), TASKS))
        drawn = jax.device_get((network, tasks))
    return jax.tree.map(lambda x: jnp.asarray(x, dtype), drawn)


def ours(adjoint, dtype=jnp.float32, **settings):
    """The compiled meta-gradient: its temporary memory in bytes, and a call that waits for it."""
    network, tasks = problem(dtype)

    def value(network):
        def one(task):
            solved = gradient_flow(
                CRITERION, network, task.support, T, adjoint=adjoint, throw=False, **settings
            )
            return CRITERION(solved.params, task.query)

        return jnp.mean(jax.vmap(one)(tasks))

    compiled = jax.jit(jax.grad(value)).lower(network).compile()

    def call():
        return np.concatenate([np.ravel(x) for x in jax.tree.leaves(compiled(network))])

    return compiled.memory_analysis().temp_size_in_bytes, call


def theirs(states):
    """The released algorithm in PyTorch, on our network and tasks."""
    import torch
    from torchdiffeq import odeint

    network, tasks = jax.tree.map(lambda x: torch.tensor(np.asarray(x)), problem(np.float32))
    leaves, structure = jax.tree.flatten(network)
    sizes = [leaf.numel() for leaf in leaves]
    start = torch.cat([leaf.ravel() for leaf in leaves])
    grid, h = torch.linspace(0, T, states + 1), T / states

    def predict(flat, x):
        parts = torch.split(flat, sizes)
        shaped = [p.view(leaf.shape) for p, leaf in zip(parts, leaves, strict=True)]
        made = jax.tree.unflatten(structure, shaped)
        for weight, bias in made.encoder.layers:
            x = torch.tanh(x @ weight.T + bias)
        return x @ made.head.T + made.bias

    def loss(flat, data):
        return torch.mean((predict(flat, data[0]) - data[1]) ** 2) / 2

    def one(support, query):
        fit = lambda flat: loss(flat, support)
        slope = lambda _, flat: -torch.autograd.functional.jacobian(fit, flat)
        path = odeint(slope, start, grid, method="rk4")
        bend = lambda flat, v: torch.autograd.functional.vhp(fit, flat, v)[1]
        costate = torch.autograd.functional.jacobian(lambda flat: loss(flat, query), path[-1])
        for j in reversed(range(states + 1)):  # at 0 once more: path[-1] is its neighbour there
            first = bend(path[j], costate)
            second = bend(path[j - 1], costate - h * first)
            costate = costate - h / 2 * (first + second)
        return costate

    def call():
        part = lambda data, i: tuple(x[i] for x in data)
        found = [one(part(tasks.support, i), part(tasks.query, i)) for i in range(TASKS)]
        return torch.stack(found).mean(0).numpy()

    return call


def slopes(counts):
    """Bytes a further stored state takes, in copies of the parameters of all tasks."""
    copy = 4 * TASKS * sum(x.size for x in jax.tree.leaves(problem(np.float32)[0]))
    bytes_ = [ours(StoredStates(n + 1))[0] for n in counts]
    return np.diff(bytes_) / np.diff(counts) / copy


def main():
    """Medians of interleaved repeats, and errors against float64."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--states", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    n = given.states
    with jax.enable_x64(True):
        truth = ours(Unrolled(), jnp.float64, rtol=1e-9, atol=1e-9)[1]()
    fixed = dict(rtol=None, atol=None)
    sides = {
        f"StoredStates({n + 1})": ours(StoredStates(n + 1)),
        "StoredStates(101, order=4)": ours(StoredStates(101, order=4)),
        "Checkpointed, Dopri5 at 1e-6": ours(Checkpointed()),
        "Unrolled, Dopri5, steps of 0.1": ours(Unrolled(), max_steps=64, dt0=0.1, **fixed),
        "Unrolled, Heun, steps of 0.1": ours(
            Unrolled(), max_steps=64, dt0=0.1, solver="heun", **fixed
        ),
    }
    runs = {name: run for name, (_, run) in sides.items()}
    if all(find_spec(name) for name in ("torch", "torchdiffeq")):
        runs["as released, in PyTorch"] = theirs(n)
    else:
        print("PyTorch or torchdiffeq is missing: ours are measured alone.")
    found = {name: run() for name, run in runs.items()}
    times = {name: [] for name in runs}
    for _ in range(given.repeats):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - began)
    slowest = statistics.median(list(times.values())[-1])
    print(f"{TASKS} CosMixture tasks, T = {T:g}, float32, {jax.devices()[0].device_kind}")
    for name, seen in times.items():
        median = statistics.median(seen)
        error = np.linalg.norm(found[name] - truth) / np.linalg.norm(truth)
        memory = f"{sides[name][0] / 1e6:8.2f} MB" if name in sides else " " * 11
        print(
            f"  {name:32}{1e3 * median:9.1f} ms  {slowest / median:6.1f} times as fast as the last"
            f"{memory}  error {error:.1e}"
        )
    counts = [100, 200, 400, 800]
    listed = ", ".join(f"{slope:.2f}" for slope in slopes(counts))
    print(f"copies of the parameters a stored state, between {counts}: {listed}")


if __name__ == "__main__":
    main()
