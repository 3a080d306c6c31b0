"""How long tests search that could go on for ever: briefly, or as long as was meant."""

import os

THOROUGH = os.environ.get("COMLNVIZ_THOROUGH") == "1"


def often(briefly: int, thoroughly: int) -> int:
    """So many times; `thoroughly` where COMLNVIZ_THOROUGH=1 (see `make thorough`)."""
    return thoroughly if THOROUGH else briefly
