"""Numbers of things: whole, and not too few."""

import numpy as np
import pytest

from comlnviz.counts import check_counts


@pytest.mark.parametrize("wrong", [2.5, 2.0, True, "2", None, np.float64(3)])
def test_what_is_no_integer_is_named_with_its_value(wrong):
    with pytest.raises(ValueError, match=r"^ways must be an integer; got .*[^.]\.$"):
        check_counts(shots=1, ways=wrong)


@pytest.mark.parametrize("least, count", [(1, 0), (2, 1), (0, -1), (1, np.int64(-3))])
def test_fewer_than_allowed_are_named_with_the_reason(least, count):
    message = rf"^states must be at least {least}, both ends; got {count}\.$"
    with pytest.raises(ValueError, match=message):
        check_counts(least, ", both ends", states=count)


def test_integers_of_any_kind_pass():
    check_counts(ways=1, shots=np.int32(5))
    check_counts(0, queries=0)
