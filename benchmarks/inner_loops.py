"""A second-order meta-gradient through 50 and 500 inner steps: our adjoints, and PyTorch's tools.

    python benchmarks/inner_loops.py [--steps 50 500] [--repeats 9] [--optimizer sgd]

Five tasks of A-MAML's CosMixture problem (100 examples to adapt on, 100 to be judged by; two hidden
layers of 32 tanh), the gradient of the mean query loss in the initial parameters, float32. All in
one run, in turns, so that only ratios mean anything; ours take the tasks together, by `vmap`, and
in the row "dealt out" on one device a core. Of `higher`, `torchopt`, `learn2learn` and `torch` what
is installed is measured beside:

    pip install torch higher torchopt learn2learn

Source: A-MAML (Li et al. 2023), Section 5.1; GIMLI (Grefenstette et al. 2019), Section 4.
"""

import argparse
import itertools
import os
import statistics
import time
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import numpy as np
import optax

from comlnviz import gradient_descent
from comlnviz.adjoints import Checkpointed, StoredStates, Unrolled
from comlnviz.training.devices import EVERYWHERE, dealt, mesh_over

TASKS, SHOTS, RATE, SIZES = 5, 100, 0.01, (2, 32, 32, 1)


def problem():
    """Weights by layer, inputs (5, 200, 2) and values (5, 200), as NumPy."""
    rng = np.random.default_rng(0)
    weights = [
        (rng.normal(size=(n, m)) / np.sqrt(n), np.zeros(m)) for n, m in itertools.pairwise(SIZES)
    ]
    x = rng.uniform(-1, 1, (TASKS, 2 * SHOTS, 2))
    amplitude, omega, phase = (rng.uniform(*r, (TASKS, 1, 1)) for r in ((0.1, 5), (0.5, 2), (0, 3)))
    y = np.sum(amplitude * np.cos(omega * np.pi * x + phase), axis=-1)
    return jax.tree.map(lambda a: a.astype(np.float32), (weights, x, y))


def loss(params, data):
    """Mean squared error of the network."""
    x, y = data
    for i, (weight, bias) in enumerate(params):
        x = x @ weight + bias[None]
        x = jnp.tanh(x) if i < len(params) - 1 else x
    return jnp.mean((x[:, 0] - y) ** 2)


OPTIMIZERS = {
    "sgd": lambda: optax.sgd(RATE),
    "momentum": lambda: optax.sgd(RATE, momentum=0.9, nesterov=True),
    "adam": lambda: optax.adam(RATE, eps_root=1e-8),
}


def ours(adjoint, steps, optimizer, devices=None):
    """The compiled meta-gradient, its temporary memory in MB, and a call that waits for it."""
    params, x, y = jax.tree.map(jnp.asarray, problem())
    mesh = mesh_over(devices)
    # Each device takes as many: the tasks that are there twice weigh nothing.
    count = TASKS if mesh is None else -(-TASKS // mesh.size) * mesh.size
    some = np.arange(count) % TASKS
    tasks = (x[some], y[some], jnp.asarray((np.arange(count) < TASKS) / TASKS, x.dtype))

    def share(params, tasks):
        def one(params, x, y):
            rule = OPTIMIZERS[optimizer]()
            support, query = (x[:SHOTS], y[:SHOTS]), (x[SHOTS:], y[SHOTS:])
            end = gradient_descent(
                loss, params, support, steps, optimizer=rule, adjoint=adjoint
            ).params
            return loss(end, query)

        x, y, weights = tasks
        value = lambda params: weights @ jax.vmap(one, (None, 0, 0))(params, x, y)
        gradient = jax.grad(value)(params)
        return gradient if mesh is None else jax.lax.psum(gradient, mesh.axis_names)

    compiled = jax.jit(dealt(share, mesh, EVERYWHERE)).lower(params, tasks).compile()
    megabytes = compiled.memory_analysis().temp_size_in_bytes / 1e6
    return megabytes, lambda: jax.tree.leaves(jax.block_until_ready(compiled(params, tasks)))


def torch_problem():
    """The same in PyTorch: a module with our weights, inputs, values."""
    import torch

    weights, x, y = problem()
    layers = []
    for i, (weight, bias) in enumerate(weights):
        layer = torch.nn.Linear(*weight.shape)
        layer.weight.data, layer.bias.data = torch.tensor(weight.T.copy()), torch.tensor(bias)
        layers += [layer, torch.nn.Tanh()] if i < len(weights) - 1 else [layer]
    return torch.nn.Sequential(*layers), torch.tensor(x), torch.tensor(y)


def in_our_order(gradients):
    """PyTorch's (weight, bias, …) as ours."""
    return [np.asarray(g.detach()).T for g in gradients]


def by_higher(steps):
    """`higher.innerloop_ctx`, task by task."""
    import higher
    import torch

    net, x, y = torch_problem()
    fit = lambda net, x, y: torch.mean((net(x)[:, 0] - y) ** 2)

    def run():
        net.zero_grad()
        for i in range(TASKS):
            inner = torch.optim.SGD(net.parameters(), lr=RATE)
            with higher.innerloop_ctx(net, inner, copy_initial_weights=False) as (fast, rule):
                for _ in range(steps):
                    rule.step(fit(fast, x[i, :SHOTS], y[i, :SHOTS]))
                (fit(fast, x[i, SHOTS:], y[i, SHOTS:]) / TASKS).backward()
        return in_our_order(p.grad for p in net.parameters())

    return run


def by_torchopt(steps):
    """`torchopt.MetaSGD`, task by task."""
    import torch
    import torchopt

    net, x, y = torch_problem()
    fit = lambda x, y: torch.mean((net(x)[:, 0] - y) ** 2)

    def run():
        net.zero_grad()
        start = torchopt.extract_state_dict(net)
        leaves = list(net.parameters())
        total = 0.0
        for i in range(TASKS):
            rule = torchopt.MetaSGD(net, lr=RATE)
            for _ in range(steps):
                rule.step(fit(x[i, :SHOTS], y[i, :SHOTS]))
            total = total + fit(x[i, SHOTS:], y[i, SHOTS:]) / TASKS
            torchopt.recover_state_dict(net, start)
        return in_our_order(torch.autograd.grad(total, leaves))

    return run


def by_learn2learn(steps):
    """`learn2learn.algorithms.MAML`, task by task."""
    import learn2learn
    import torch

    net, x, y = torch_problem()
    maml = learn2learn.algorithms.MAML(net, lr=RATE, first_order=False)
    fit = lambda net, x, y: torch.mean((net(x)[:, 0] - y) ** 2)

    def run():
        maml.zero_grad()
        for i in range(TASKS):
            learner = maml.clone()
            for _ in range(steps):
                learner.adapt(fit(learner, x[i, :SHOTS], y[i, :SHOTS]))
            (fit(learner, x[i, SHOTS:], y[i, SHOTS:]) / TASKS).backward()
        return in_our_order(p.grad for p in net.parameters())

    return run


def by_torch_func(steps):
    """`torch.func`: grad of a vmap over tasks of a loop of grads."""
    import torch

    net, x, y = torch_problem()
    names, values = zip(*net.named_parameters(), strict=True)
    values = tuple(v.detach() for v in values)

    def fit(values, x, y):
        out = torch.func.functional_call(net, dict(zip(names, values, strict=True)), (x,))
        return torch.mean((out[:, 0] - y) ** 2)

    def one(values, x, y):
        start = values
        for _ in range(steps):
            grads = torch.func.grad(fit)(start, x[:SHOTS], y[:SHOTS])
            start = tuple(v - RATE * g for v, g in zip(start, grads, strict=True))
        return fit(start, x[SHOTS:], y[SHOTS:])

    total = lambda values: torch.func.vmap(one, (None, 0, 0))(values, x, y).mean()
    meta = torch.func.grad(total)
    return lambda: in_our_order(meta(values))


PEERS = {
    "higher": by_higher,
    "torchopt": by_torchopt,
    "learn2learn": by_learn2learn,
    "torch": by_torch_func,
}


def main():
    """Medians of interleaved repeats, and how far each gradient is from the unrolled one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, nargs="+", default=[50, 500])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="sgd")
    parser.add_argument("--devices", type=int, default=os.cpu_count(), help="for the row dealt out")
    given = parser.parse_args()
    if jax.config.jax_platforms in (None, "cpu"):
        jax.config.update("jax_num_cpu_devices", given.devices)
    for steps in given.steps:
        adjoints = {type(a).__name__: a for a in (StoredStates(), Unrolled(), Checkpointed())}
        made = {name: ours(a, steps, given.optimizer) for name, a in adjoints.items()}
        made["dealt out"] = ours(StoredStates(), steps, given.optimizer, "all")
        runs, memory = (
            {n: run for n, (_, run) in made.items()},
            {n: m for n, (m, _) in made.items()},
        )
        if given.optimizer == "sgd":
            runs |= {name: make(steps) for name, make in PEERS.items() if find_spec(name)}
        gradients = {name: run() for name, run in runs.items()}
        times = {name: [] for name in runs}
        for _ in range(given.repeats):
            for name, run in runs.items():
                began = time.perf_counter()
                run()
                times[name].append(time.perf_counter() - began)
        flat = {n: np.concatenate([np.ravel(x) for x in g]) for n, g in gradients.items()}
        truth, fastest = flat["Unrolled"], statistics.median(times["StoredStates"])
        print(f"{steps} steps of {given.optimizer}")
        for name, seen in times.items():
            median, off = statistics.median(seen), np.linalg.norm(flat[name] - truth)
            megabytes = f"{memory[name]:7.1f} MB" if name in memory else " " * 10
            print(
                f"  {name:13}{1e3 * median:9.1f} ms  {median / fastest:5.1f} times  {megabytes}"
                f"  differs by {off / np.linalg.norm(truth):.1e}"
            )


if __name__ == "__main__":
    main()
