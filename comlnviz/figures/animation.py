"""A figure that moves, as a file: GIF, MP4 or a self-contained HTML page."""

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.animation import FFMpegWriter, FuncAnimation, PillowWriter
from matplotlib.figure import Figure

FORMATS = (".gif", ".mp4", ".html")


def export_animation(
    figure: Figure, draw: Callable[[float], None], frames: Sequence[float], path: str | Path
) -> Path:
    """Call `draw(frame)` for every frame and write what `figure` then shows, 15 frames a second.

    **Raises** `ValueError` for another suffix than .gif, .mp4 or .html, `RuntimeError` for .mp4
    when ffmpeg is not installed. A file that could not be finished is not left behind.
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        raise ValueError(f"{path.name!r} must end in one of {', '.join(FORMATS)}.")
    if path.suffix == ".mp4" and not FFMpegWriter.isAvailable():
        raise RuntimeError("Writing .mp4 needs ffmpeg, which is not installed: use .gif or .html.")
    # Nothing is drawn on starting: the first frame is as good as any.
    film = FuncAnimation(figure, draw, frames=list(frames), init_func=lambda: None, interval=66)
    unfinished = path.with_name(f".{path.name}.part{path.suffix}")
    try:
        if path.suffix == ".html":
            unfinished.write_text(film.to_jshtml(fps=15, embed_frames=True), encoding="utf-8")
        else:
            writer = FFMpegWriter(fps=15) if path.suffix == ".mp4" else PillowWriter(fps=15)
            film.save(str(unfinished), writer=writer)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path
