"""What a meta-gradient costs against the length of adaptation: what MemoryRuntime shows."""

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float

from ..measure import METHODS, Measurement, Problem, Solving
from ..measure.curves import LENGTHS, extrapolate, load
from ..measure.methods import ALPHA, check_methods
from ..papers.published import published
from ..papers.results import results_folder

HERE = "here"  # the device of a reader's own measurements
MEASURES = ("temporary_bytes", "seconds", "error")
# The rows of COMLN's Table 1, and the Gram adjoint's below them.
TABLE_1 = (
    "MAML", "ANIL", "MAML, every √n", "iMAML", "naive forward sensitivity", "COMLN, forward",
    "COMLN, Gram",
)  # fmt: skip


class Value(NamedTuple):
    """A value read off a curve: between two measured points, or beyond the last (not measured)."""

    value: float
    measured: bool


class Row(NamedTuple):
    """A row of Table 1, in bytes."""

    method: str
    exact: bool
    formula: str
    bytes: float


@dataclasses.dataclass(frozen=True)
class Curve:
    """One method on one problem and device.

    **Fields:**

    - `method`, `device`; `points`: measured ones, by growing length, all solved alike.
    """

    method: str
    device: str
    points: tuple[Measurement, ...]

    @property
    def solving(self) -> Solving:
        """How its flows were solved."""
        return self.points[0].solving

    def measured(self, what: str) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Lengths, and one of `MEASURES` there; only where it is known."""
        pairs = [(p.length, getattr(p, what)) for p in self.points]
        known = [(n, value) for n, value in pairs if value is not None]
        lengths, values = np.array(known, float).reshape(-1, 2).T
        return lengths, values

    def beyond(self, what: str) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Lengths from the last measured one on, and where the formula leads; or empty."""
        carried = extrapolate(self.points, what) if what != "error" else None
        if carried is None:
            return np.empty(0), np.empty(0)
        return np.array(carried.lengths, float), np.array(carried.values)

    def at(self, what: str, length: float) -> Value | None:
        """The value at a length, straight between points on log-log axes; `None` beyond all."""
        for measured, (x, y) in ((True, self.measured(what)), (False, self.beyond(what))):
            if len(x) and x[0] <= length <= x[-1] and np.all(y > 0):
                return Value(
                    float(np.exp(np.interp(np.log(length), np.log(x), np.log(y)))), measured
                )
        return None

    def stops(self, limit: float) -> Value | None:
        """The first length whose temporary memory passes `limit` bytes; `None` if none does."""
        for measured, (x, y) in (
            (True, self.measured("temporary_bytes")), (False, self.beyond("temporary_bytes"))
        ):  # fmt: skip
            above = np.flatnonzero(y > limit)
            if len(above) and above[0] == 0:
                return Value(float(x[0]), measured)
            if len(above):
                i = above[0]
                share = np.log(limit / y[i - 1]) / np.log(y[i] / y[i - 1])
                return Value(float(x[i - 1] * (x[i] / x[i - 1]) ** share), measured)
        return None


@dataclasses.dataclass(frozen=True)
class Record:
    """**Fields:** `problem`; `length`, that is read; `curves`; `table`, Table 1 at that length."""

    problem: Problem
    length: int
    curves: tuple[Curve, ...]
    table: tuple[Row, ...]

    @property
    def bytes(self) -> Float[np.ndarray, "curves n"]:
        """Temporary memory of each curve at each of `LENGTHS`; NaN where it was not measured."""
        table = np.full((len(self.curves), len(LENGTHS)), np.nan)
        for row, curve in zip(table, self.curves, strict=True):
            lengths, values = curve.measured("temporary_bytes")
            at = {length: value for length, value in zip(lengths, values, strict=True)}
            row[:] = [at.get(length, np.nan) for length in LENGTHS]
        return table


@functools.cache
def stored() -> dict[str, tuple[Measurement, ...]]:
    """The measurements that come with the package, by the name of their device."""
    files = sorted((results_folder() / "curves").glob("*.json"))
    return {file.stem: tuple(load(file)) for file in files}


def study(
    problem: Problem,
    methods: Iterable[str],
    length: int,
    *,
    solving: Solving = Solving(),  # noqa: B008
    parameters: int | None = None,
    here: Sequence[Measurement] = (),
) -> Record:
    """The curves of the chosen methods on every device that knows the problem, and Table 1.

    **Arguments:**

    - `problem`, `methods`: what to show; a method without a measurement has no curve.
    - `length`: gradient steps at which Table 1 is taken; T is 0.01 times as long.
    - `solving`: how flows are to be solved; where a method was not measured so, its own way.
    - `parameters`: |θ| of the whole network in Table 1; those of the problem's when not given.
    - `here`: measurements of the reader's own, shown as the device `HERE`.

    **Raises** `ValueError` for an unknown method.
    """
    methods, fields = tuple(methods), dataclasses.asdict(problem)
    check_methods(methods)
    found = []
    for device, points in {**stored(), HERE: tuple(here)}.items():
        for method in methods:
            own = [p for p in points if p.method == method and p.problem == fields]
            so = [p for p in own if p.solving == METHODS[method].solving(solving)]
            shown = so or [p for p in own if p.solving == Solving()]
            if shown:
                found.append(Curve(method, device, tuple(sorted(shown, key=lambda p: p.length))))
    return Record(problem, length, tuple(found), table_1(problem, length, parameters))


def table_1(problem: Problem, length: int, parameters: int | None = None) -> tuple[Row, ...]:
    """COMLN's Table 1 in bytes, for chosen M, N, d, T and |θ|; NaN for what does not fit.

    Source: COMLN (Deleu et al. 2022), Table 1; the row of the Gram adjoint is not in it.
    """
    return tuple(
        Row(
            name,
            METHODS[name].exact,
            METHODS[name].formula,
            _bytes(name, problem, length, parameters)
            if METHODS[name].fits(problem)
            else float("nan"),
        )
        for name in TABLE_1
    )


def formula(
    method: str, problem: Problem, parameters: int | None = None
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """`LENGTHS`, and the bytes that the method's formula says there, all constants being one."""
    values = [_bytes(method, problem, length, parameters) for length in LENGTHS]
    return np.array(LENGTHS, float), np.array(values)


def steps(T: float) -> int:
    """How many gradient steps of 0.01 last as long as T, at least one."""
    return max(1, round(T / ALPHA))


def _bytes(method: str, problem: Problem, length: int, parameters: int | None) -> float:
    size = _parameters(problem) if parameters is None else parameters
    return float(METHODS[method].numbers(problem, length, size)) * np.dtype(problem.dtype).itemsize


@functools.cache
def _parameters(problem: Problem) -> int:
    network = eqx.filter_eval_shape(problem.network().init, jax.random.key(0))
    return sum(leaf.size for leaf in jax.tree.leaves(network))


def paper(problem: Problem) -> dict[str, Any] | None:
    """What COMLN's Figures 3 and 4 say of their device, for the features of their backbones."""
    for number in (3, 4):
        said = published(f"comln-figure-{number}")
        if said is not None and said["d"] == problem.size and said["ways"] == problem.ways:
            return said
    return None
