"""The exercises' checks: right, wrong, unanswered, nonsense."""

import pytest

from comlnviz.exercises import check


@pytest.mark.parametrize(
    ("exercise", "right", "wrong"),
    [
        ("gradient steps", 1000, 100),
        ("largest stable step", 2, 1),
        ("time of no return", 13.8, 6.0),
        ("time a digit buys", 4.6, 2.3),
        ("plain sensitivity", 64_000_000, 8000),
        ("numbers in B", 15_625, 125),
        ("alignment at the best T", 0, 1),
        ("steps of MAML in 32 GB", 66_000, 264_000),
        ("bytes round a ring of 8", 847_651, 121_093 * 4),
        ("numbers in a KLin", 130_000, 60_000**2),
        ("nRMSE of the mean", 1, 0),
        ("tasks of a hundred characters", 75_287_520, 100**5),
    ],
)
def test_right_and_wrong_answers_are_told_apart(exercise, right, wrong, capsys):
    check(exercise, right)
    assert capsys.readouterr().out == "Right.\n"
    check(exercise, wrong)
    assert capsys.readouterr().out.startswith("Not yet. Hint:")


def test_no_answer_and_no_number_get_a_sentence(capsys):
    check("gradient steps", None)
    assert capsys.readouterr().out.startswith("Not answered yet.")
    check("gradient steps", "many")
    assert "should be a number; it is 'many'" in capsys.readouterr().out


def test_an_unknown_exercise_is_refused():
    with pytest.raises(ValueError, match="no exercise 'x': choose from gradient steps"):
        check("x", 1)
