"""The same training on one device and on eight, and what they exchange."""

import itertools

import numpy as np
import pytest

from comlnviz.figures.many_devices import (
    cost_in_words,
    described,
    ratios,
    what_it_costs,
    what_went_where,
)
from comlnviz.studies.many_devices import BATCH, STEPS, trained_on


@pytest.mark.slow
def test_eight_devices_learn_what_one_does_and_exchange_one_gradient_a_step():
    one, eight = trained_on(1, 8)
    assert (one.devices, eight.devices) == (1, 8) and len(one.losses) == STEPS
    np.testing.assert_allclose(eight.losses, one.losses, rtol=1e-4)
    assert one.score == pytest.approx(eight.score, abs=0.01)
    assert [*itertools.chain(*eight.tasks)] == [*range(BATCH)]
    assert {len(tasks) for tasks in eight.tasks} == {2}
    weights = 32 * 64 + 32 + 5 * 32 + 1  # encoder, head, and the logarithm of T
    assert one.gradient_bytes == eight.gradient_bytes == 4 * weights
    assert not [kind for kind, _, devices in one.exchanged if devices > 1]
    sums = [(size, devices) for kind, size, devices in eight.exchanged if kind == "all-reduce"]
    # In one sum with the gradient: the losses and the scores of the batch, a number each.
    assert max(sums) == (4 * weights + 8, 8)
    assert {devices for _, _, devices in eight.exchanged} == {8}
    others = sum(size for _, size, _ in eight.exchanged) - max(sums)[0]
    assert others < 8 * BATCH, "whether a task failed, and which: a few bytes a device"
    text = described(one, eight)
    assert "8 devices" in text and "2 tasks" in text
    for dark in (False, True):
        what_went_where(one, eight, dark).canvas.draw()


def test_a_ratio_is_to_one_device_with_as_many_tasks():
    rows = [dict(devices=1, batch_size=4, cpu=2.0), dict(devices=2, batch_size=4, cpu=2.5)]
    assert ratios(rows, "cpu") == {(1, 4): 1.0, (2, 2): 1.25}


def test_what_a_benchmark_found_is_drawn_as_it_is():
    counts, tasks = (1, 2), (2, 4)
    rows = [
        dict(devices=n, batch_size=batch, cpu=batch * (1.0 if n == 1 else 1.2), wall=batch / n)
        for n in counts
        for batch in tasks
    ]
    record = {"cores": 2, "weak": 2, "strong": 4, "rows": rows, "costs": [1.0, 1.0]}
    added, busy = what_it_costs(record).axes
    weak_cpu, weak_wall, strong_cpu = added.lines[:3]
    np.testing.assert_allclose(weak_cpu.get_ydata(), [1.0, 1.2])
    np.testing.assert_allclose(strong_cpu.get_ydata(), [1.0, 1.2])
    np.testing.assert_allclose(weak_wall.get_ydata(), [1.0, 0.5])
    for line in busy.lines:  # equal tasks: nobody waits
        np.testing.assert_allclose(line.get_ydata(), 1.0)


def test_a_machine_with_more_cores_than_devices_and_dear_steps_is_shown_whole():
    rows = [
        dict(devices=n, batch_size=batch, cpu=1.0 if n == 1 else 2.0, wall=1 / n)
        for n in (1, 2)
        for batch in (2, 4)
    ]
    record = {"cores": 16, "weak": 2, "strong": 4, "rows": rows, "costs": [1.0, 1.0]}
    assert "on 2 of them with a core each, 0.50 times" in cost_in_words(record)
    added, _ = what_it_costs(record).axes
    assert added.get_ylim()[1] > 2.0
