"""Lines laid out letter by letter stand where matplotlib's own layout of the whole puts them."""

import pytest
from effort import often
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import RendererAgg, get_hinting_flag
from matplotlib.font_manager import FontProperties

from comlnviz.apps.letters import Letters

AGG = RendererAgg(100, 100, 100)
LETTERS = Letters(AGG)
FONTS = [
    FontProperties(size=9),
    FontProperties(size=10, weight="bold"),
    FontProperties(size=8, family="monospace"),
]
# Kerned pairs, ligatures, signs between letters of two scripts, and others.
ALPHABET = "AVTWYafilmotvy0123456789 .,:;±×·−-–—=+()[]%αβλμσΔ₀₁ᵢ²√∞≤≈→'\"/é"


def same_as_the_whole(s: str, font: FontProperties) -> bool:
    line = LETTERS.line(s, font)
    if line is None:
        return False
    assert line[:3] == pytest.approx(AGG.get_text_width_height_descent(s, font, False))
    items = AGG._prepare_font(font)._layout(s, flags=get_hinting_flag())
    assert list(line.places) == pytest.approx([item.x for item in items])
    return True


@settings(max_examples=often(200, 5000), deadline=None)
@given(st.text(ALPHABET, min_size=1, max_size=40), st.sampled_from(FONTS))
def test_letters_stand_as_in_a_layout_of_the_whole(s, font):
    same_as_the_whole(s, font)


@pytest.mark.parametrize("s", ["T = 12.3, AVATAR", "β-Tα-T", "error 3.1e-05 ± 2%", "7"])
def test_lines_of_figures_are_made_of_their_letters(s):
    assert same_as_the_whole(s, FONTS[0])


@pytest.mark.parametrize("s", ["", "efficient", "a\u0301", "שלום"])
def test_where_letters_change_each_other_the_whole_is_laid_out(s):
    assert LETTERS.line(s, FONTS[0]) is None


def test_a_line_is_laid_out_but_once_for_all_that_its_letters_make(monkeypatch):
    letters = Letters(AGG)
    assert letters.line("T = 0.12 T = 0.12", FONTS[0])
    monkeypatch.setattr(AGG, "_prepare_font", None)  # would raise if it were asked
    assert letters.line("T = 0.12 T = 0.12 T = 0.1", FONTS[0])
