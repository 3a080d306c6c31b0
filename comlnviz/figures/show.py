"""Show a figure in a notebook with a description that is stored beside it."""

import io

from matplotlib.figure import Figure


def show(figure: Figure, alt: str) -> None:
    """Display `figure` as a PNG whose metadata carries `alt`, a sentence for who cannot see it.

    **Raises** `ValueError` for a description too short to be one.
    """
    if len(alt) < 20:
        raise ValueError(f"alt must describe the picture in a sentence; got {alt!r}.")
    from IPython.display import display

    out = io.BytesIO()
    figure.savefig(out, format="png")
    display({"image/png": out.getvalue()}, metadata={"image/png": {"alt": alt}}, raw=True)
