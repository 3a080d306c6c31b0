"""The papers' tables as data: JSON, one file a paper, by the identifier of `comlnviz reproduce`."""

import functools
import json
from importlib.resources import files
from typing import Any


@functools.cache
def published(identifier: str) -> dict[str, Any] | None:
    """A published table, or `None` for what has none; of a figure, what its text says.

    Its `source` says where from; `columns` are names, each of `rows` has a `method`, its
    `backbone`, whether it is `gradient_based`, and `values`: a mean and half a 95% interval a
    column.
    """
    paper = files(__name__) / f"{identifier.split('-')[0]}.json"
    if not paper.is_file():
        return None
    return json.loads(paper.read_text(encoding="utf-8")).get(identifier)
