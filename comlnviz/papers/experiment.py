"""What it takes to reproduce a table or figure: cells, in sizes, and a judge."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .findings import Cells, Finding

Cell = Callable[[Path], dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Preset:
    """One size of an experiment.

    **Fields:**

    - `data`: the datasets it reads, by name.
    - `cost`: what it takes, for the reader who is about to start it.
    - `protocol`: everything that was chosen, in words and numbers; stored with the results.
    - `cells`: the parts, in order, each a name and what computes it: (scratch folder) → numbers.
    - `after`: of a cell, the cells, each with its experiment's identifier, whose training it takes
      up where it finds it. Wherever those are under way too, it waits for them.
    """

    data: tuple[str, ...]
    cost: str
    protocol: Mapping[str, Any]
    cells: Mapping[str, Cell]
    after: Mapping[str, tuple[tuple[str, str], ...]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A table or figure of a paper.

    **Fields:**

    - `identifier`: as in `comlnviz reproduce`.
    - `title`, `claim`: what it is, and what it says that can turn out true or not.
    - `presets`: by name. `paper` is the paper's protocol, `classroom` keeps the claim and runs on
      two cores in minutes.
    - `judge`: of the numbers, which claims hold.
    - `form`: how a number is printed.
    - `lower_is_better`: whether the numbers are errors.
    """

    identifier: str
    title: str
    claim: str
    presets: Mapping[str, Callable[[], Preset]]
    judge: Callable[[Cells], tuple[Finding, ...]]
    form: str = ".2f"
    lower_is_better: bool = False

    def preset(self, name: str) -> Callable[[], Preset]:
        """What makes a preset.

        **Raises** `ValueError` for one that there is not.
        """
        if name not in self.presets:
            raise ValueError(
                f"There is no preset {name!r} of {self.identifier}: "
                f"choose from {', '.join(self.presets)}."
            )
        return self.presets[name]
