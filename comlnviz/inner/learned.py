"""Hyper-parameters that are meta-learned: each by its name, how many of it, and its range."""

import inspect
import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from ..models import AbstractEncoder

_KINDS = ("step", "layer", "array", "number")
_DOMAINS = {  # between which two, to the real number that descent moves, and back from it
    "positive": (0.0, math.inf, jnp.log, jnp.exp),
    "unit": (0.0, 1.0, jax.scipy.special.logit, jax.nn.sigmoid),
    "real": (-math.inf, math.inf, lambda x: x, lambda x: x),
}


class Learned(eqx.Module):
    """A number to be meta-learned, written where otherwise the number itself would stand.

    **Fields:**

    - `start`: its first value, a float.
    - `per`: of what there is one each: nothing (a single one), `"step"`, and one of `"layer"` (the
      arrays of one module), `"array"` (GIMLI's *parameter group*), `"number"` (as in Meta-SGD).
      A tuple of two, such as `("step", "layer")`, is one for each pair.
    - `domain`: `"positive"` (learned as its logarithm), `"unit"` (between 0 and 1, as its logit)
      or `"real"`.

    **Raises** `ValueError` for an integer (requirement III a) and for what is out of range.

    Source: GIMLI (Grefenstette et al. 2019), Sections 2.4 and 5.
    """

    start: float = eqx.field(static=True)
    per: tuple[str, ...] = eqx.field(
        static=True, default=(), converter=lambda per: (per,) if isinstance(per, str) else per
    )
    domain: str = eqx.field(static=True, default="positive")

    def __check_init__(self):
        if not isinstance(self.start, float):
            raise ValueError(
                f"Requirement III (a): only a continuous hyper-parameter has a gradient; got "
                f"{self.start!r}. Write it as a float if it is one."
            )
        if self.domain not in _DOMAINS:
            raise ValueError(f"domain must be one of {', '.join(_DOMAINS)}; got {self.domain!r}.")
        if not _DOMAINS[self.domain][0] < self.start < _DOMAINS[self.domain][1]:
            raise ValueError(f"start must lie inside the domain {self.domain!r}; got {self.start}.")
        if not set(self.per) <= set(_KINDS) or len(set(self.per) - {"step"}) > 1:
            raise ValueError(
                "per must be among 'step', 'layer', 'array', 'number', or 'step' with one of the "
                f"others; got {self.per}."
            )

    def value(self, free: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """What a real number stands for."""
        return _DOMAINS[self.domain][3](free)

    @property
    def spread(self) -> bool:
        """Whether different parameters have different values."""
        return bool(set(self.per) - {"step"})

    def label(self, path: tuple) -> str:
        """The name of the group to which the array at `path` belongs."""
        if not self.spread:
            return "all"
        path = path[:-1] if "layer" in self.per else path
        return jax.tree_util.keystr(path, simple=True, separator=".") or "top"

    def init(self, params: PyTree, num_steps: int) -> dict[str, Array]:
        """By group, real numbers: one, or one for each of the group's numbers, times the steps."""
        steps = (num_steps,) if "step" in self.per else ()
        floats = jax.tree_util.tree_leaves_with_path(eqx.filter(params, eqx.is_inexact_array))
        paths = floats if self.spread else [((), jnp.zeros(()))]
        shape = lambda leaf: leaf.shape if "number" in self.per else ()
        free = _DOMAINS[self.domain][2](jnp.asarray(self.start, float))
        return {
            self.label(path): jnp.broadcast_to(free, (*steps, *shape(leaf))) for path, leaf in paths
        }

    def at(self, free: dict[str, Array], path: tuple, step: Int[Array, ""] | int) -> Array:
        """The value for the array at `path`, at a step; past the last step, that of the last."""
        numbers = free[self.label(path)]
        return self.value(numbers.at[step].get(mode="clip") if "step" in self.per else numbers)


class AbstractLearned(eqx.Module):
    """A function with settings, of which some are `Learned`, or networks to be learned.

    What is learned is φ, a pytree: by name and group an array of real numbers, or a network. It is
    made by `init`; everything else takes it.
    """

    function: eqx.AbstractVar[Callable[..., Any]]
    settings: eqx.AbstractVar[Mapping[str, Any]]

    @property
    def names(self) -> tuple[str, ...]:
        """The settings that are learned."""
        learned = Learned | AbstractEncoder
        return tuple(name for name, s in self.settings.items() if isinstance(s, learned))

    @property
    def learned(self) -> dict[str, Learned]:
        """The `Learned` among the settings."""
        return {name: s for name, s in self.settings.items() if isinstance(s, Learned)}

    @abstractmethod
    def __call__(self, phi: dict[str, Any]) -> Any:
        """What the inner loop wants, at φ."""

    def init(self, key: PRNGKeyArray, params: PyTree, num_steps: int) -> dict[str, Any]:
        """φ at the start, for `num_steps` steps of adapting `params`."""
        phi = {}
        for name, setting in self.settings.items():
            if isinstance(setting, Learned):
                phi[name] = setting.init(params, num_steps)
            elif isinstance(setting, AbstractEncoder):
                key, own = jax.random.split(key)
                phi[name] = setting.init(own)
        return phi

    def values(self, phi: dict[str, Any]) -> dict[str, dict[str, Array]]:
        """By name and group, the values that φ stands for; a step's are along the first axis."""
        return {n: jax.tree.map(s.value, phi[n]) for n, s in self.learned.items()}

    def means(self, phi: dict[str, Any]) -> dict[str, Float[Array, " groups"]]:
        """By name, the mean value of every group."""
        return {
            name: jnp.stack([jnp.mean(v) for v in groups.values()])
            for name, groups in self.values(phi).items()
        }


def check_names(function: Callable, settings: Mapping[str, Any], own: int) -> None:
    """Whether `function` takes these keywords, beside its `own` first arguments.

    **Raises** `ValueError` naming those it takes, and for what is no function.
    """
    if not callable(function):
        raise ValueError(f"LearnedLoss and LearnedOptimizer take a function; got {function!r}.")
    parameters = list(inspect.signature(function).parameters.values())
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return
    names = [p.name for p in parameters[own:]]
    for name in settings:
        if name not in names:
            raise ValueError(
                f"{getattr(function, '__name__', function)} has no setting {name!r}; it has "
                f"{', '.join(names) or 'none'}."
            )
