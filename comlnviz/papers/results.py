"""Results that were measured, read back and laid beside what was published."""

import dataclasses
from pathlib import Path
from typing import Any

from .experiment import Experiment
from .findings import Finding
from .table import read_record


def results_folder() -> Path:
    """Where the stored results are: inside the package in a wheel, beside it in a clone."""
    package = Path(__file__).parent.parent
    return next(
        (f for f in (package / "results", package.parent / "results") if f.is_dir()),
        package.parent / "results",
    )


@dataclasses.dataclass(frozen=True, repr=False)
class Result:
    """A stored result; in a notebook it shows itself as a table, ours beside the paper's.

    **Fields:**

    - `record`: what its file holds.
    - `findings`: the paper's claims, and whether they hold here.
    - `form`, `lower_is_better`: as in `Experiment`.
    """

    record: dict[str, Any]
    findings: tuple[Finding, ...]
    form: str = ".2f"
    lower_is_better: bool = False

    @property
    def cells(self) -> dict[str, dict[str, Any]]:
        """The numbers, by the name of the cell."""
        return self.record["cells"]

    def markdown(self) -> str:
        """What it is, a table in Markdown, what that comes from, and the findings."""
        title = f"**{self.record['title']}** · `{self.record['identifier']}`"
        parts = (title, self._table(), self._source(), self._found())
        return "\n\n".join(part for part in parts if part)

    _repr_markdown_ = __repr__ = markdown

    def _table(self) -> str:
        """Bold: the best of a column, and what its interval does not tell apart from it."""
        names = [name.rsplit(", ", 1) for name, cell in self.cells.items() if "growth" not in cell]
        if not names:
            return ""
        methods, columns = ([*dict.fromkeys(part)] for part in zip(*names, strict=True))
        theirs, published = self._published(), self.record["published"]
        named = published["columns"] if theirs else []
        place = {c: at for c in columns if (at := _corresponding(c, named)) is not None}
        head = ["method"]
        for column in columns:
            head.append(f"{column}, ours")
            if column in place:
                head.append(f"{named[place[column]]}, paper")
        rows = [head, ["---"] + ["---:"] * (len(head) - 1)]
        for method in methods:
            row = [method]
            for column in columns:
                row.append(self._ours(f"{method}, {column}", column))
                if column in place:
                    value = theirs[method][place[column]] if method in theirs else None
                    row.append(self._plus_minus(*value) if value else "")
            rows.append(row)
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)

    def _ours(self, name: str, column: str) -> str:
        cell = self.cells.get(name, {})
        if "mean" not in cell:
            return "diverged" if "failed" in cell else ""
        rivals = [c for n, c in self.cells.items() if n.endswith(f", {column}") and "mean" in c]
        sign = -1 if self.lower_is_better else 1
        best = max(rivals, key=lambda c: sign * c["mean"])
        text = self._plus_minus(cell["mean"], cell["ci95"])
        level = sign * (cell["mean"] - best["mean"]) + cell["ci95"] + best["ci95"] >= 0
        return f"**{text}**" if level else text

    def _plus_minus(self, mean: float, ci: float) -> str:
        return f"{mean:{self.form}} ± {ci:{self.form}}"

    def _published(self) -> dict[str, list[list[float] | None]]:
        """What the paper says of each method; of several networks, with the first it lists."""
        table = self.record["published"]
        name = lambda row: row["method"].removeprefix("COMLN, ")
        return {name(row): row["values"] for row in reversed(table["rows"])} if table else {}

    def _source(self) -> str:
        record, protocol = self.record, self.record["protocol"]
        devices = ", ".join(dict.fromkeys(cell["device"] for cell in self.cells.values()))
        if "ways" in protocol:
            how = protocol.get("timed") or (
                f"{protocol['num_steps']} steps of {protocol['batch_size']} tasks; mean and 95% "
                f"interval over {protocol['test_tasks']:,} test tasks"
            )
            ways, encoder = (protocol[part] for part in ("ways", "encoder"))
            own = f", {encoder}" if encoder != "by cell" else ""
            kind = f"{ways}-way tasks" if ways != "by cell" else "tasks"
            what = f"{kind} of {protocol['data']}{own}, {how}"
        else:
            what = "; ".join(f"{name}: {value}" for name, value in protocol.items())
        published = record["published"]
        theirs = (
            ""
            if published is None
            else (f" Paper: {published['source']}; {published['rows'][0]['backbone']}.")
        )
        unfinished = "" if record["complete"] else " **Not complete.**"
        return f"*Ours: preset `{record['preset']}`, {what}; {devices}.{theirs}*{unfinished}"

    def _found(self) -> str:
        return "\n".join(
            f"- {found.claim} **{found.verdict.capitalize()}**: {found.why}."
            for found in self.findings
        )


def _corresponding(column: str, published: list[str]) -> int | None:
    """The first published column of that name, which may have its dataset in front."""
    places = (i for i, c in enumerate(published) if c == column or c.endswith(f" {column}"))
    return next(places, None)


def read(experiment: Experiment, preset: str, folder: Path | None) -> Result:
    """A stored result.

    **Raises** `FileNotFoundError` when there is none, `ValueError` for one of another version and
    for a preset that the experiment does not have.
    """
    experiment.preset(preset)
    path = (folder or results_folder()) / f"{experiment.identifier}-{preset}.json"
    record = read_record(path)
    if record is None:
        raise FileNotFoundError(
            f"There is no {path.name} in {path.parent}: run "
            f"`comlnviz reproduce {experiment.identifier} --preset {preset}`."
        )
    findings = experiment.judge(record["cells"])
    return Result(record, findings, experiment.form, experiment.lower_is_better)
