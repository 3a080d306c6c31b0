"""What every inner loop returns."""

from typing import Any

import equinox as eqx
from jaxtyping import Array, Bool, PyTree


class Solution(eqx.Module):
    """The result of an adaptation.

    **Fields:**

    - `params`: the adapted parameters. Where `ok` is false, the last state reached.
    - `path`: the states at `ts` (flows) or after every step, the start included (descent), with a
      leading time axis; `None` when not asked for. Times that were not reached hold NaN.
    - `stats`: `num_steps`, `num_accepted_steps`, `num_rejected_steps`,
      `num_gradient_evaluations` (`None` for implicit solvers, whose Newton iterations vary), and
      `final_time`, the time reached.
    - `ok`: whether the end was reached and everything on the way is finite.
    """

    params: PyTree
    path: PyTree | None
    stats: dict[str, Any]
    ok: Bool[Array, "..."]
