"""Whether a claim holds, by the intervals of means.

Where two intervals overlap, nothing is decided; unless both cells keep their numbers on the same
tasks. Then the interval of the mean difference decides, which is narrower: a task that is hard for
one is hard for both. Intervals are over test tasks; another meta-training may end elsewhere.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from ..training.evaluate import ci95

Numbers = Mapping[str, Any]
Cells = Mapping[str, Numbers]


class Finding(NamedTuple):
    """A claim, whether it holds among the numbers here, and the numbers that say so."""

    claim: str
    verdict: Literal["holds", "does not hold", "undecided"]
    why: str


def above_all(claim: str, cells: Cells, one: str, others: Iterable[str]) -> Finding:
    """Whether cell `one` is told apart from all others, and above them."""
    return _compare(claim, cells, one, others, ties="undecided")


def smaller_than_all(claim: str, cells: Cells, one: str, others: Iterable[str]) -> Finding:
    """Whether cell `one`, an error, is told apart from all others, and below them."""
    return _compare(claim, cells, one, others, ties="undecided", errors=True)


def below_none(claim: str, cells: Cells, one: str, others: Iterable[str]) -> Finding:
    """Whether no other cell is told apart from cell `one` and above it."""
    return _compare(claim, cells, one, others, ties="holds")


def _compare(
    claim: str, cells: Cells, one: str, others: Iterable[str], *, ties: Any, errors: bool = False
) -> Finding:
    others = list(others)
    if not _known(cells.get(one, {})):
        return Finding(claim, "undecided", f"{one} has no number")
    form, sign = (".3f", -1) if errors else (".1f", 1)
    ahead_of_it, behind = ("below", "above") if errors else ("above", "below")
    against = {
        name: Difference.of(cells[name], cells[one], unit=1 if errors else 100)
        for name in others
        if _known(cells.get(name, {}))
    }
    ahead = [name for name, d in against.items() if sign * d.mean > d.ci95]
    level = [name for name, d in against.items() if abs(d.mean) <= d.ci95]
    column = one.rsplit(", ", 1)[-1]
    said = column in claim and all(name.endswith(f", {column}") for name in others)
    common = f", {column}" if said else ""
    short = lambda name: name.removesuffix(common)

    def listed(names: Iterable[str]) -> str:
        words = []
        for name in names:
            d, mean = against[name], f"{short(name)} {cells[name]['mean']:{form}}"
            apart = f" (on the same tasks {d.mean:+{form}} ± {d.ci95:{form}})" if d.paired else ""
            words.append(mean + apart)
        return ", ".join(words)

    ours = f"{short(one)} {cells[one]['mean']:{form}} ± {cells[one]['ci95']:{form}}"
    if ahead:
        return Finding(claim, "does not hold", f"{ours}; {ahead_of_it} it: {listed(ahead)}")
    absent = [name for name in others if name not in cells]
    if absent:
        return Finding(
            claim, "undecided", f"{ours}; no numbers yet for {', '.join(map(short, absent))}"
        )
    if level:
        return Finding(claim, ties, f"{ours}; not told apart from it: {listed(level)}")
    by = listed(against) if any(d.paired for d in against.values()) else ""
    return Finding(claim, "holds", f"{ours}; all others lie {behind} it{by and ': '}{by}")


def _known(cell: Numbers) -> bool:
    return np.isfinite(cell.get("mean", np.nan)).item()


class Difference(NamedTuple):
    """How far the means of two cells are apart, and how far they have to be to be told apart.

    **Fields:**

    - `mean`: of the one less the other.
    - `ci95`: half the 95% interval of the mean difference where both keep their numbers on the same
      tasks; else the sum of their own half-widths.
    - `paired`: whether they do.
    """

    mean: float
    ci95: float
    paired: bool

    @classmethod
    def of(cls, one: Numbers, other: Numbers, unit: int) -> "Difference":
        """`unit`: what a task's number is to be multiplied by to be one of the mean's."""
        first, second = (cell.get("per_task", ()) for cell in (one, other))
        if len(first) == len(second) > 1:
            apart = np.subtract(first, second) * unit
            return cls(float(apart.mean()), float(ci95(apart)), True)
        return cls(one["mean"] - other["mean"], one["ci95"] + other["ci95"], False)


def paired(claim: str, cells: Cells, one: str, other: str) -> Finding:
    """Whether two cells agree, task by task, to within the interval of one of them.

    Both keep their accuracy on each task in `per_task`, in the same order.
    """
    missing = [name for name in (one, other) if "per_task" not in cells.get(name, {})]
    if missing:
        return Finding(claim, "undecided", f"no numbers for {', '.join(missing)}")
    mean, ci, _ = Difference.of(cells[one], cells[other], unit=100)
    agrees = abs(mean) + ci <= cells[one]["ci95"]
    differs = abs(mean) - ci > cells[one]["ci95"]
    return Finding(
        claim,
        "holds" if agrees else "does not hold" if differs else "undecided",
        f"task by task {one} is {mean:+.2f} ± {ci:.2f} against {other}; its own interval is "
        f"± {cells[one]['ci95']:.2f}",
    )


def is_so(claim: str, holds: bool, why: str) -> Finding:
    """A claim that numbers decide without intervals."""
    return Finding(claim, "holds" if holds else "does not hold", why)
