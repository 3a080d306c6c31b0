"""Results that were measured, read back and laid beside what was published."""

import json
from pathlib import Path
from typing import Any

from .published import published


def results_folder() -> Path:
    """Where the stored results are: inside the package in a wheel, beside it in a clone."""
    package = Path(__file__).parent.parent
    return next(
        (f for f in (package / "results", package.parent / "results") if f.is_dir()),
        package.parent / "results",
    )


def result(
    identifier: str, preset: str = "classroom", folder: Path | None = None
) -> dict[str, Any]:
    """A stored result. **Raises** `FileNotFoundError` when there is none."""
    path = (folder or results_folder()) / f"{identifier}-{preset}.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no {path.name} in {path.parent}: run `comlnviz reproduce {identifier}`."
        )
    return json.loads(path.read_text(encoding="utf-8"))


def side_by_side(record: dict[str, Any]) -> list[dict[str, Any]]:
    """A table's rows: the method, then for each number of shots ours and what was published.

    Ours and theirs are not of the same data unless the preset is `paper`; `better` counts the
    methods whose interval lies wholly below this one's, column by column, among ours.
    """
    cells = {}
    for name, cell in record["cells"].items():
        method, column = name.rsplit(", ", 1)
        cells.setdefault(method, {})[column] = cell
    columns = list(dict.fromkeys(name.rsplit(", ", 1)[1] for name in record["cells"]))
    table = published(record["identifier"])
    theirs = {r["method"]: r for r in reversed(table["rows"])} if table else {}
    rows = []
    for method, ours in cells.items():
        row: dict[str, Any] = {"method": method}
        for number, column in enumerate(columns):
            if column not in ours:
                continue
            mean, ci = ours[column]["mean"], ours[column]["ci95"]
            row[column] = (mean, ci)
            others = [c[column] for m, c in cells.items() if m != method and column in c]
            row[f"{column} better"] = sum(
                mean - ci > other["mean"] + other["ci95"] for other in others
            )
            if method in theirs:
                row[f"{column} published"] = tuple(theirs[method]["values"][number])
        rows.append(row)
    return rows
