"""Exercises whose answers check themselves: computed here, not typed."""

import math
from collections.abc import Callable
from typing import Any


def _euler_step() -> float:
    # Gradient descent on a quadratic of curvature μ = 1 multiplies the error by 1 − α.
    return 2.0


def _gradient_steps() -> float:
    T, alpha = 10.0, 0.01
    return T / alpha


def _return_time() -> float:
    # The error starts at 1e-6 of the way and grows as e^{μt} with μ = 1.
    return math.log(1e6)


def _digits() -> float:
    # Each digit of the tolerance buys ln 10 / μ of time.
    return math.log(10.0) / 0.5


def _plain_sensitivity() -> float:
    N, d = 5, 1600
    return (N * d) ** 2


def _numbers_in_B() -> float:
    M, N = 25, 5
    return (M * N) ** 2


def _alignment() -> float:
    # dL/dT is minus the alignment, and a minimum has no slope.
    return 0.0


def _steps_of_maml() -> float:
    parameters, bytes_each, memory = 121_093, 4, 32e9
    return memory / (parameters * bytes_each)


def _bytes_round_a_ring() -> float:
    # A sum in n pieces goes round, n − 1 times, and comes back as often.
    parameters, bytes_each, devices = 121_093, 4, 8
    return 2 * (devices - 1) / devices * parameters * bytes_each


def _states() -> float:
    # Of second order: n times as many states, an error n² times smaller.
    states, error, wanted = 10, 1e-2, 1e-6
    return states * math.sqrt(error / wanted)


def _rate() -> float:
    # A step multiplies the distance to the bottom by 1 − α μ.
    curvature = 1 / 20
    return 1 / curvature


def _numbers_in_KLin() -> float:
    n, m = 300, 200
    return n**2 + m**2


def _tasks() -> float:
    return math.comb(100, 5)


def _nrmse_of_the_mean() -> float:
    # Its error is the deviation from the mean, whose root mean square is the standard deviation.
    return 1.0


_ANSWERS: dict[str, tuple[Callable[[], float], float, str]] = {
    "gradient steps": (
        _gradient_steps,
        1e-6,
        "a step of size α moves time on by α, so count how many of them fill T",
    ),
    "largest stable step": (
        _euler_step,
        0.05,
        "on a curvature μ a step multiplies the error by 1 − αμ: find where that passes −1",
    ),
    "plain sensitivity": (
        _plain_sensitivity,
        1e-6,
        "every entry of W can depend on every entry of W0, and W has N·d of them",
    ),
    "numbers in B": (
        _numbers_in_B,
        1e-6,
        "B has an N × N block for each pair of examples",
    ),
    "alignment at the best T": (
        _alignment,
        1e-6,
        "it is minus the slope of the query loss in T: how steep is a minimum?",
    ),
    "steps of MAML in 32 GB": (
        _steps_of_maml,
        0.05,
        "each step keeps one copy of the parameters, four bytes a number; GB are 1e9 bytes",
    ),
    "bytes round a ring of 8": (
        _bytes_round_a_ring,
        0.01,
        "an eighth at a time, each device passes seven on until the sums are complete, and seven "
        "more until all have them; four bytes a number",
    ),
    "states for an error of 1e-6": (
        _states,
        1e-6,
        "of second order: ten times as many states make the error a hundred times smaller",
    ),
    "rate of one step": (
        _rate,
        1e-6,
        "a step of size α multiplies the distance to the bottom by 1 − αμ: make that zero",
    ),
    "numbers in a KLin": (
        _numbers_in_KLin,
        1e-6,
        "L multiplies the gradient from the left, R from the right, and both are square",
    ),
    "tasks of a hundred characters": (
        _tasks,
        1e-6,
        "the number of ways to choose 5 of 100 when order does not count",
    ),
    "nRMSE of the mean": (
        _nrmse_of_the_mean,
        1e-6,
        "what is the root mean square of the deviations from the mean called?",
    ),
    "time of no return": (
        _return_time,
        0.05,
        "solve 1e-6 · exp(μT) = 1 for T, with μ = 1",
    ),
    "time a digit buys": (
        _digits,
        0.05,
        "a tolerance ten times smaller delays the error by the t with exp(μt) = 10; μ = 0.5",
    ),
}


def check(exercise: str, answer: Any) -> None:
    """Print whether `answer` is right, and a hint when it is not.

    **Raises** `ValueError` for an exercise that does not exist.
    """
    if exercise not in _ANSWERS:
        raise ValueError(f"There is no exercise {exercise!r}: choose from {', '.join(_ANSWERS)}.")
    truth, tolerance, hint = _ANSWERS[exercise]
    if answer is None:
        print(f"Not answered yet. Hint: {hint}.")
        return
    try:
        close = abs(float(answer) - truth()) <= tolerance * abs(truth())
    except (TypeError, ValueError):
        print(f"The answer should be a number; it is {answer!r}.")
        return
    print("Right." if close else f"Not yet. Hint: {hint}.")
