"""The recorded operations, drawn back through Agg, are the picture that Agg draws by itself."""

import struct

import numpy as np
import pytest
from matplotlib import colors
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.path import Path
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Affine2D, Bbox, TransformedPath

from comlnviz.apps.recorder import RecordingRenderer, animated_artists

T = np.linspace(0, 8, 200)


def decode(geometry):
    """Read the buffer as canvas.js does, but independently of the code that wrote it."""
    (number,) = struct.unpack_from("<I", geometry)
    counts = np.frombuffer(geometry, "<u4", 3 * number, 4).reshape(-1, 3)
    at = 4 + counts.nbytes
    shapes, positions, _ = counts.sum(axis=0)
    points = np.frombuffer(geometry, "<f4", 2 * (shapes + positions), at).reshape(-1, 2)
    at += points.nbytes
    codes = np.frombuffer(geometry, "u1", shapes, at)
    data = np.frombuffer(geometry, "u1", -1, at + codes.nbytes)
    p = c = b = 0
    for shape, place, size in counts:
        yield (
            points[p : p + shape],
            codes[c : c + shape],
            points[p + shape : p + shape + place],
            data[b : b + size],
        )
        p, c, b = p + shape + place, c + shape, b + size
    assert (p, c, b) == (len(points), len(codes), len(data))


def css(colour):
    if colour.startswith("#"):
        return colors.to_rgba(colour)
    red, green, blue, alpha = (float(v) for v in colour[5:-1].split(","))
    return red / 255, green / 255, blue / 255, alpha


def pick(value, i):
    return value[i % len(value)] if isinstance(value, tuple) else value


def replay(agg, styles, geometry):
    """Draw recorded operations with Agg in pixel space: what the browser does, in Python."""
    up = Affine2D().scale(1, -1).translate(0, agg.height)
    scale = 72 / agg.dpi
    for style, (points, codes, places, data) in zip(styles, decode(geometry), strict=True):
        kind, fill, stroke, width, dashes, offset, cap, join, clip, outline = style
        gc = agg.new_gc()
        gc.set_snap(False)
        gc.set_capstyle({"square": "projecting"}.get(cap, cap))
        gc.set_joinstyle(join)
        if dashes:
            gc.set_dashes(offset * scale, [d * scale for d in dashes])
        if clip:
            x, y, w, h = clip
            gc.set_clip_rectangle(Bbox.from_bounds(x, agg.height - y - h, w, h))
        if outline:
            path = Path(np.reshape(outline[0], (-1, 2)), outline[1])
            gc.set_clip_path(TransformedPath(path, up))
        if kind in ("image", "mask"):
            (x, y), (columns, rows), (wide, high) = places.astype(int)
            if kind == "mask":
                image = np.empty((rows, columns, 4), np.uint8)
                image[...] = np.round(255 * np.array(css(fill)))
                image[..., 3] = np.round(data.reshape(rows, columns) * css(fill)[3])
            else:
                image = data.reshape(rows, columns, 4).copy()
            across, down = np.arange(wide) * columns // wide, np.arange(high) * rows // high
            image = image[down][:, across]
            rows = high
            agg.draw_image(gc, x, agg.height - y - rows, np.ascontiguousarray(image[::-1]))
            continue
        for i, (x, y) in enumerate(places if kind == "markers" else [(0, 0)]):
            if not np.isfinite(x + y):
                continue
            edge, face = pick(stroke, i), pick(fill, i)
            gc.set_linewidth(pick(width, i) * scale if edge else 0)
            gc.set_foreground(css(edge) if edge else (0, 0, 0, 0), isRGBA=True)
            path = Path(points + np.array([x, y]), codes)
            agg.draw_path(gc, path, up, css(face) if face else None)


def record(figure):
    agg = figure.canvas.get_renderer()
    recorder = RecordingRenderer(agg)
    for artist in animated_artists(figure):
        artist.draw(recorder)
    return recorder.operations


def line(ax):
    return ax.plot(T, np.sin(T))


def dashed(ax):
    return ax.plot(T, np.sin(T), "--", lw=3) + ax.plot(T, np.cos(T), "-.", dash_capstyle="round")


def gaps(ax):
    y = np.sin(T)
    y[50:60] = np.nan
    y[100] = np.inf
    return ax.plot(T, y)


def diverged(ax):
    return ax.plot(T, np.exp(T**2))


def steps(ax):
    return [*ax.step(T[::10], np.sin(T[::10]), lw=1), ax.axvline(3.3), ax.axhline(0.21, ls=":")]


def markers(ax):
    return (
        ax.plot(T[::20], np.sin(T[::20]), "o-", mfc="w", mew=1.5)
        + ax.plot(T[::20], np.cos(T[::20]), "s", ms=7)
        + ax.plot(T[::20], np.cos(T[::20]) / 2, "x")
        + ax.plot(T[::20], np.cos(T[::20]) / 3, "*", ms=12, alpha=0.5)
    )


def scatter(ax):
    many = ax.scatter(T[::5], np.sin(T[::5]), c=T[::5], s=30)
    sizes = ax.scatter(T[::9], np.cos(T[::9]), s=10 + 9 * T[::9], alpha=0.4, edgecolors="k")
    return [many, sizes, ax.scatter(T[::9], np.cos(T[::9]) / 2, color="C3")]


def band(ax):
    return [ax.fill_between(T, np.sin(T) - 0.2, np.sin(T) + 0.2, alpha=0.3)]


def bars(ax):
    return list(ax.bar(range(5), [1, -0.5, 0.3, 0.8, 0.2], edgecolor="k"))


def hatched(ax):
    return list(ax.bar(range(5), [1, -0.5, 0.3, 0.8, 0.2], hatch="//"))


def trajectories(ax):
    curves = [np.column_stack([T, np.sin(T + p)]) for p in (0, 1, 2)]
    plain = LineCollection(curves, colors="C2")
    coloured = LineCollection([c / [1, 2] for c in curves], array=np.arange(3.0), lw=2)
    return [ax.add_collection(plain), ax.add_collection(coloured)]


def arrows(ax):
    grid = np.meshgrid(np.arange(1, 8), [-0.5, 0, 0.5])
    return [ax.quiver(*grid, np.cos(grid[0]), np.sin(grid[0]))]


def annotation(ax):
    return [
        ax.annotate(
            "here", (2, 0.5), (4, -0.6), arrowprops={"arrowstyle": "->", "color": "C1"}, color="C1"
        ),
        ax.annotate("", (6, 0.5), (7, -0.6), arrowprops={"width": 2, "headwidth": 7}),
    ]


def texts(ax):
    return [
        ax.text(1.1, 0.3, "T = 3.14 fjg"),
        ax.text(3, 0.3, "two\nlines", ha="center", color="C1", alpha=0.6, weight="bold"),
        ax.text(5, 0.2, r"$\dot W = -\nabla L^{2}$", size=14),
        ax.text(6.5, -0.5, "turned by 30°", rotation=30, va="top", style="italic"),
        ax.text(7.5, 0, "up", rotation=90),
        ax.text(2, -0.7, "in a box", bbox={"boxstyle": "round", "fc": "w"}),
        ax.text(0, 0.9, "cut off at the left", ha="center", clip_on=True),
        ax.text(4, -0.8, "halo", path_effects=[withStroke(linewidth=3, foreground="y")]),
    ]


def image(ax):
    return [ax.imshow(np.sin(T[:, None] + T), extent=(1, 5, -0.8, 0.7), aspect="auto")]


def heatmap(ax):
    values = np.sin(np.arange(12.0).reshape(3, 4) ** 2)
    place = dict(interpolation="none", aspect="auto", origin="upper")
    upright = ax.imshow(values, extent=(1, 3, -0.8, 0.7), **place)
    turned = ax.imshow(values, extent=(6, 4, 0.9, -0.5), **place)
    return [upright, turned]


def mesh(ax):
    return [ax.pcolormesh(T[::40], np.linspace(-1, 1, 5), np.arange(20.0).reshape(4, 5)[:, :4])]


def in_a_circle(ax):
    (curve,) = ax.plot(T, np.sin(T), lw=4)
    curve.set_clip_path(Path.unit_circle(), Affine2D().scale(2, 0.7).translate(3, 0) + ax.transData)
    return [curve]


KINDS = [
    line, dashed, gaps, diverged, steps, markers, scatter, band, bars, hatched, trajectories,
    arrows, annotation, texts, image, heatmap, mesh, in_a_circle,
]  # fmt: skip


@pytest.mark.parametrize("dpi", [100, 217])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_replayed_operations_are_the_picture_that_agg_draws(kind, dpi):
    figure = Figure(figsize=(5, 3), dpi=dpi)
    canvas = FigureCanvasAgg(figure)
    ax = figure.subplots()
    ax.set(xlim=(-0.5, 8), ylim=(-1.2, 1.2))
    artists = kind(ax)
    for artist in artists:
        artist.set_zorder(10 + artist.get_zorder())  # above the frame, as live artists are
    canvas.draw()
    expected = np.array(canvas.buffer_rgba(), float)
    for artist in artists:
        artist.set_animated(True)
    canvas.draw()
    empty = np.array(canvas.buffer_rgba(), float)
    recorder = record(figure)
    replay(canvas.get_renderer(), recorder.styles, recorder.geometry())
    seen = np.array(canvas.buffer_rgba(), float)

    drawn = np.abs(expected - empty).max(axis=2) > 8
    wrong = np.abs(expected - seen).max(axis=2)
    assert drawn.sum() > 50
    assert (wrong > 24).sum() < 0.02 * drawn.sum()
    assert np.abs(expected - seen).mean() < 0.02 * np.abs(expected - empty).mean()


def figure_with(kind, **options):
    figure = Figure(figsize=(5, 3))
    canvas = FigureCanvasAgg(figure)
    ax = figure.subplots()
    for artist in kind(ax, **options):
        artist.set_animated(True)
    canvas.draw()
    return figure, ax


def test_a_gap_splits_a_curve_and_a_curve_stays_one_operation():
    figure, _ = figure_with(gaps)
    recorder = record(figure)
    ((_, codes, _, _),) = decode(recorder.geometry())
    assert list(codes).count(Path.MOVETO) == 3
    assert recorder.styles[0][0] == "path"


def test_styles_stay_while_only_coordinates_move():
    figure, ax = figure_with(markers)
    before = record(figure)
    for curve in ax.lines:
        curve.set_ydata(0.9 * curve.get_ydata())
    after = record(figure)
    assert before.styles == after.styles
    assert before.geometry() != after.geometry()


def test_many_points_or_lines_of_one_kind_are_one_operation():
    figure, _ = figure_with(lambda ax: [ax.scatter(T, np.sin(T), c=T)])
    assert len(record(figure).styles) == 1
    figure, _ = figure_with(lambda ax: trajectories(ax)[:1])
    assert len(record(figure).styles) == 1


def test_artists_come_in_drawing_order_and_hidden_ones_not_at_all():
    figure, ax = figure_with(dashed)
    first, second = ax.lines
    assert animated_artists(figure) == [first, second]
    first.set_zorder(5)
    assert animated_artists(figure) == [second, first]
    second.set_visible(False)
    assert animated_artists(figure) == [first]
    ax.set_visible(False)
    assert animated_artists(figure) == []


def test_artists_of_inset_axes_and_of_the_figure_are_found():
    figure, ax = figure_with(line)
    inset = ax.inset_axes((0.5, 0.5, 0.4, 0.4))
    (deep,) = inset.plot(T, T, animated=True)
    note = figure.text(0.5, 0.5, "note", animated=True)
    assert set(animated_artists(figure)) == {*ax.lines, deep, note}


def test_mathtext_and_moving_text_need_no_font_in_the_browser():
    figure, ax = figure_with(lambda ax: [ax.text(0.2, 0.2, r"$x^2$")])
    recorder = record(figure)
    assert recorder.styles[0][0] == "mask"
    assert "$" not in repr(recorder.styles)
    ax.texts[0].set_x(0.25)
    moved = record(figure)
    assert moved.styles == recorder.styles
    assert moved.geometry() != recorder.geometry()


@pytest.mark.parametrize("x", [3.0, 3.3, 0.76])
def test_a_long_line_made_of_its_letters_is_the_line_that_agg_draws(x, monkeypatch):
    figure = Figure(figsize=(7, 1))
    FigureCanvasAgg(figure)
    text = figure.text(0, 0.5, "forward: 11 steps, A/V WAVE fjord; 25% of W(0) × exp ∫μ dt")
    text.set_x(x / figure.bbox.width)
    text.set_animated(True)

    def mask():
        operations = record(figure)
        (dx, dy), (columns, rows), _ = operations._points[-1]
        whole = np.zeros((100, 700))
        tile = np.frombuffer(operations._bytes[-1], np.uint8).reshape(int(rows), int(columns))
        whole[int(dy) : int(dy + rows), int(dx) : int(dx + columns)] = tile
        return whole

    made_of_letters = mask()
    monkeypatch.setattr("comlnviz.apps.recorder._LONG", 10**6)
    drawn_whole = mask()
    assert drawn_whole.max() > 200
    # Equal but where two letters touch: Agg adds their edges, here the darker one stays.
    difference = np.abs(made_of_letters - drawn_whole)
    assert (difference > 0).sum() < 0.01 * (drawn_whole > 0).sum()
    assert difference.max() < 64
