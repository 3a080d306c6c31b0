"""What the papers say of their curves, held against what is measured."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..measure import COS_MIXTURE, METHODS, Problem
from ..measure.curves import slope
from ..papers.published import published
from .curves import Curve, stored, study


def judged(
    figure: str, device: str | None = None, *, backbone: str = "features"
) -> list[dict[str, Any]]:
    """What a paper says of its curves, and what the stored measurements say to that.

    Each has the `claim`, whether it `holds` (`None` where too little is measured) and `why`. Growth
    is the power of n between the two greatest lengths, from 100 steps on. What "grows" is what is
    kept beyond that of the shortest length, for a network may hide it; what is "constant" is all.
    It is exponential where the power itself grows with n; "alike" is within a factor of two at
    every length; "most", from 10 steps on.

    **Arguments:**

    - `figure`: "comln-figure-3" or "-4" (of which the paper says that it is alike), or
      "amaml-figure-3" or "-4".
    - `device`: whose measurements; the first there is when not given.
    - `backbone`: of a classifier: its features given, or the network of the figure's that computes
      them along, as in the paper ("conv-4", "resnet-12").

    **Raises** `ValueError` for another figure or backbone.
    """
    said = published(figure)
    if said is None or "statements" not in said:
        raise ValueError(f"No statements of {figure!r} are known.")
    if "d" in said:
        if backbone not in ("features", said["backbone"].lower()):
            raise ValueError(
                f"{figure} is of features, or of {said['backbone'].lower()}; got {backbone!r}."
            )
        problem = Problem(backbone, said["ways"], said["shots"]).with_features_of(said["d"])
    elif backbone == "features":
        problem = COS_MIXTURE
    else:
        raise ValueError(f"{figure} adapts a whole network: it has no {backbone!r} to judge.")
    device = next(iter(stored())) if device is None else device
    known = {c.method: c for c in study(problem, METHODS, 1).curves if c.device == device}
    judged = []
    for statement in said["statements"]:
        ((kind, methods),) = ((k, v) for k, v in statement.items() if k != "claim")
        missing = [method for method in methods if method not in known]
        verdict = None if missing else _JUDGES[kind]([known[method] for method in methods])
        holds, why = verdict or (None, "Too little is measured.")
        judged.append({"claim": statement["claim"], "holds": holds, "why": why})
    return judged


Verdict = tuple[bool, str] | None


def _power(curve: Curve, beyond_the_first: bool) -> float | None:
    lengths, values = curve.measured("temporary_bytes")
    long = lengths >= 100
    if long.sum() < 2 or (beyond_the_first and long.all()):
        return None
    grown = values[long][-2:] - (values[0] if beyond_the_first else 0)
    return slope(lengths[long][-2:], grown) if np.all(grown > 0) else 0.0


def _growth(curves: Sequence[Curve], grows: bool) -> Verdict:
    powers = {c.method: p for c in curves if (p := _power(c, grows)) is not None}
    if len(powers) < len(curves):
        return None
    # Adding 0.0 makes a rounded −0.00 a 0.00.
    said = "; ".join(f"{method} grows as n^{round(p, 2) + 0.0:.2f}" for method, p in powers.items())
    return all(p > 0.5 if grows else abs(p) < 0.05 for p in powers.values()), f"{said}."


def _exponential(curves: Sequence[Curve]) -> Verdict:
    (curve,) = curves
    lengths, values = curve.measured("temporary_bytes")
    if len(lengths) < 3:
        return None
    early, late = slope(lengths[-3:-1], values[-3:-1]), slope(lengths[-2:], values[-2:])
    why = f"{curve.method} grows as n^{early:.2f}, then n^{late:.2f}: "
    grows = bool(late > 2 * early and late > 2)
    return grows, why + ("faster than any power." if grows else "by a fixed amount a step.")


def _ratios(curves: Sequence[Curve], what: str) -> dict[float, float]:
    first, second = (dict(zip(*curve.measured(what), strict=True)) for curve in curves)
    return {n: first[n] / second[n] for n in sorted(set(first) & set(second))}


def _time(curves: Sequence[Curve], alike: bool) -> Verdict:
    ratios = _ratios(curves, "seconds")
    if len(ratios) < 2:
        return None
    one, other = (curve.method for curve in curves)
    last, values = max(ratios), ratios.values()
    why = f"{one} takes {min(values):.2g} to {max(values):.2g} times as long as {other}, "
    why += f"{ratios[last]:.2g} times at {last:,.0f} steps."
    return all(0.5 < r < 2 for r in values) if alike else bool(ratios[last] < 1), why


def _most(curves: Sequence[Curve]) -> Verdict:
    first, *others = curves
    of = lambda c: [r for n, r in _ratios((first, c), "temporary_bytes").items() if n >= 10]
    ratios = {c.method: of(c) for c in others}
    if not all(ratios.values()):
        return None
    why = "; ".join(f"{min(r):.2g} to {max(r):.2g} times {name}'s" for name, r in ratios.items())
    return bool(min(map(min, ratios.values())) > 1), f"{first.method}'s is {why}."


_JUDGES: dict[str, Callable[[Sequence[Curve]], Verdict]] = {
    "growing": functools.partial(_growth, grows=True),
    "constant": functools.partial(_growth, grows=False),
    "exponential": _exponential,
    "alike": functools.partial(_time, alike=True),
    "faster": functools.partial(_time, alike=False),
    "most": _most,
}
