"""Whether a claim holds, by intervals.

Where those of two means overlap, nothing is decided; unless both keep their numbers on the same
tasks, whose differences decide more: what makes a task hard is hard for both.
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
    """Whether the interval of cell `one` lies above those of all others."""
    return _compare(claim, cells, one, others, ties="undecided")


def smaller_than_all(claim: str, cells: Cells, one: str, others: Iterable[str]) -> Finding:
    """Whether the interval of cell `one`, an error, lies below those of all others."""
    return _compare(claim, cells, one, others, ties="undecided", sign=-1, form=".3f")


def below_none(claim: str, cells: Cells, one: str, others: Iterable[str]) -> Finding:
    """Whether the interval of cell `one` lies below that of no other."""
    return _compare(claim, cells, one, others, ties="holds")


def _compare(
    claim: str,
    cells: Cells,
    one: str,
    others: Iterable[str],
    *,
    ties: Any,
    sign: int = 1,
    form: str = ".1f",
) -> Finding:
    others = list(others)
    if "mean" not in cells.get(one, {}):
        return Finding(claim, "undecided", f"{one} has no number")
    ahead_of_it, behind = ("above", "below") if sign > 0 else ("below", "above")
    lead = lambda name: sign * (cells[name]["mean"] - cells[one]["mean"])
    slack = lambda name: margin(cells[name], cells[one], errors=sign < 0)
    rivals = [name for name in others if "mean" in cells.get(name, {})]
    ahead = [n for n in rivals if lead(n) > slack(n)]
    level = [n for n in rivals if n not in ahead and lead(n) >= -slack(n)]
    by = " task by task" if rivals and all(_share(cells[n], cells[one]) for n in rivals) else ""
    column = one.rsplit(", ", 1)[-1]
    said = column in claim and all(name.endswith(f", {column}") for name in others)
    common = f", {column}" if said else ""
    short = lambda name: name.removesuffix(common)
    listed = lambda names: ", ".join(f"{short(n)} {cells[n]['mean']:{form}}" for n in names)
    ours = f"{short(one)} {cells[one]['mean']:{form}} ± {cells[one]['ci95']:{form}}"
    if ahead:
        return Finding(claim, "does not hold", f"{ours}; {ahead_of_it} it{by}: {listed(ahead)}")
    absent = [name for name in others if name not in cells]
    if absent:
        return Finding(
            claim, "undecided", f"{ours}; no numbers yet for {', '.join(map(short, absent))}"
        )
    if level:
        return Finding(claim, ties, f"{ours}; not told apart from it{by}: {listed(level)}")
    return Finding(claim, "holds", f"{ours}; all others lie {behind} it{by}")


def margin(cell: Numbers, other: Numbers, *, errors: bool) -> float:
    """How far two means have to be apart to be told apart.

    Half the 95% interval of the tasks' differences where both cells keep them, of accuracies as
    shares and of errors as they are; else the sum of their own.
    """
    if not _share(cell, other):
        return cell["ci95"] + other["ci95"]
    unit = 1 if errors else 100
    return float(ci95(np.subtract(cell["per_task"], other["per_task"]))) * unit


def _share(cell: Numbers, other: Numbers) -> bool:
    return len(cell.get("per_task", ())) == len(other.get("per_task", ())) > 0


def paired(claim: str, cells: Cells, one: str, other: str) -> Finding:
    """Whether two cells agree, task by task, to within the interval of one of them.

    Both keep their accuracy on each task in `per_task`, in the same order.
    """
    missing = [name for name in (one, other) if "per_task" not in cells.get(name, {})]
    if missing:
        return Finding(claim, "undecided", f"no numbers for {', '.join(missing)}")
    difference = np.subtract(cells[one]["per_task"], cells[other]["per_task"]) * 100
    mean = float(difference.mean())
    ci = float(ci95(difference))
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
