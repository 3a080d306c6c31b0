"""What every stored notebook must be: executed in order, illustrated, described, small."""

import re
from pathlib import Path

import nbformat
import pytest

from comlnviz.apps import ALL

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
APPS = re.compile(rf"\b({'|'.join(app.__name__ for app in ALL)})\(")

notebooks = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path):
    return [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]


def outputs(path):
    return [output for cell in code_cells(path) for output in cell.outputs]


def test_the_book_is_there():
    assert {
        "00_start_here",
        "01_gradient_flow",
        "02_backward_instability",
        "03_forward_sensitivity",
        "04_learning_T",
        "05_adjoint_maml",
        "06_memory_and_runtime",
        "07_inner_loops",
        "08_meta_optimizers",
        "09_few_shot_images",
        "10_collaborative_filtering",
        "11_scaling",
    } <= {p.stem for p in NOTEBOOKS}


@notebooks
def test_cells_were_executed_once_in_order(path):
    cells = code_cells(path)
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))


@notebooks
def test_no_output_is_an_error_or_a_warning(path):
    assert not [o for o in outputs(path) if o.output_type == "error"]
    assert not [o for o in outputs(path) if o.get("name") == "stderr"]


@notebooks
def test_every_app_has_a_picture_and_no_dead_widget(path):
    for cell in code_cells(path):
        shown = [o for o in cell.outputs if "image/png" in o.get("data", {})]
        if APPS.search(cell.source):
            assert shown, cell.source
    assert "widgets" not in nbformat.read(path, as_version=4).metadata
    assert not [o for o in outputs(path) if any("widget" in t for t in o.get("data", {}))]


@notebooks
def test_every_picture_is_described_in_a_sentence(path):
    pictures = [o for o in outputs(path) if "image/png" in o.get("data", {})]
    assert pictures
    for picture in pictures:
        assert len(picture.metadata["image/png"]["alt"]) > 40


@notebooks
def test_it_is_small_and_its_cells_are_short(path):
    assert path.stat().st_size < 1_000_000
    assert max(len(c.source.splitlines()) for c in code_cells(path)) <= 15


@notebooks
def test_it_asks_before_it_shows_and_links_lead_somewhere(path):
    text = "\n".join(
        c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown"
    )
    assert re.search(r"\*\*(Guess|Before you)", text)
    for target in re.findall(r"\]\(([^)]+\.ipynb)\)", text):
        assert (FOLDER / target).exists(), target
    assert "/home/" not in text
