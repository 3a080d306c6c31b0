"""A-MAML, Table 5: how near a meta-gradient with few stored states is to one with a thousand."""

import functools
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..adjoints import StoredStates
from ..algorithms import AMAML
from ..models import MLP, Classifier, SquaredError
from ..tasks import CosMixture
from .amaml_table_4 import numbers
from .experiment import Experiment, Preset
from .findings import Cells, Finding, is_so

STATES, MANY = (10, 20, 50, 100, 200, 500), 1000
TIMES = (0.1, 0.3, 0.5)
STARTS = 20
ORDERS = {"Adjoint": 2, "Adjoint of order 4": 4}
PROTOCOL = {
    "problem": "CosMixture, standardized, 100shot-100val; network of two layers of 32 tanh",
    "starts": f"{STARTS}, each a fresh network and a task of its own",
    "states": "n states stand for n spacings of T/n",
    "reference": f"the same scheme with {MANY:,} states",
    "adjoint": "forward by Dopri5, rtol = atol = 1e-9; backward by modified Euler, and, which is "
    "not in the paper, by the classical Runge-Kutta method over the same states",
    "precision": "float64, as the authors' released code",
}


@functools.cache
def gradients(order: int, n: int) -> Float[np.ndarray, "times starts size"]:
    """Meta-gradients at all times from all starts, each as one vector."""
    model = Classifier(MLP(2, (32, 32), jnp.tanh), 1, SquaredError())
    with jax.enable_x64(True):
        algorithm = AMAML(model, rtol=1e-9, atol=1e-9, adjoint=StoredStates(n + 1, order))
        tasks = CosMixture(100, 100, standardized=True)

        def gradient(log_T, key):
            meta = algorithm.init(jax.random.fold_in(key, 1))
            meta = eqx.tree_at(lambda m: m.log_T, meta, log_T)
            found = algorithm.meta_grad(meta, tasks.sample(key))[1].network
            leaves = jax.tree.leaves(eqx.filter(found, eqx.is_inexact_array))
            return jnp.concatenate([x.reshape(-1) for x in leaves])

        keys = jax.random.split(jax.random.key(0), STARTS)
        row = lambda log_T: jax.lax.map(lambda key: gradient(log_T, key), keys)
        return np.asarray(jax.jit(lambda T: jax.lax.map(row, jnp.log(T)))(jnp.array(TIMES)))


def differences(order: int, n: int) -> Float[np.ndarray, "times starts"]:
    """Relative distances from the meta-gradients with many states."""
    few, many = gradients(order, n), gradients(order, MANY)
    return np.linalg.norm(few - many, axis=-1) / np.linalg.norm(many, axis=-1)


def preset() -> Preset:
    """Both orders with every number of states, to every time."""
    compute = lambda order, n, i, scratch: numbers(differences(order, n)[i])
    cells = {
        f"{scheme}, {n} states, T = {T:g}": partial(compute, order, n, i)
        for scheme, order in ORDERS.items()
        for n in STATES
        for i, T in enumerate(TIMES)
    }
    return Preset((), "two minutes on 2 cores", PROTOCOL, cells)


def judge(cells: Cells) -> tuple[Finding, ...]:
    """What 100 states are worth, and at what power of the spacing the difference falls."""
    mean: Any = lambda n, T: cells[f"Adjoint, {n} states, T = {T:g}"]["mean"]
    try:
        at_100 = [mean(100, T) for T in TIMES]
        powers = [np.log(mean(10, T) / mean(100, T)) / np.log(10) for T in TIMES]
    except KeyError:
        return ()
    listed = lambda values, form: ", ".join(f"{x:{form}}" for x in values)
    return (
        is_so(
            "With 100 states the meta-gradient is very close to that with 1,000.",
            max(at_100) < 1e-3,
            f"relative differences {listed(at_100, '.1e')} at T = {listed(TIMES, 'g')}",
        ),
        is_so(
            "The error of the backward modified Euler is of second order in the spacing.",
            all(abs(power - 2) < 0.2 for power in powers),
            f"from 10 to 100 states the difference falls with the power {listed(powers, '.2f')}, "
            "in the published table with 1.09, 1.06, 1.06",
        ),
    )


EXPERIMENT = Experiment(
    "amaml-table-5",
    "The meta-gradient of CosMixture with few stored states against that with 1,000",
    "After 100 or 200 stored states there is little to be gained.",
    {"classroom": preset, "paper": preset},
    judge,
    form=".2e",
    lower_is_better=True,
)
