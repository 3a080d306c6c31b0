"""The papers' optimizers."""

import optax


def sgd_nesterov(
    num_steps: int, *, learning_rate: float = 0.1, weight_decay: float = 0.0
) -> optax.GradientTransformation:
    """SGD with Nesterov momentum 0.9 and a rate that falls in three steps.

    The rate is 1, 0.06, 0.012, 0.0024 times `learning_rate`, changing after 20, 40 and 50
    sixtieths of `num_steps`, which are Lee et al.'s epochs.

    **Arguments:**

    - `num_steps`: of the whole meta-training.
    - `learning_rate`: at the start; 0.1 in both papers.
    - `weight_decay`: added to the gradient; 5e-4 in Lee et al., none in COMLN's text.

    Source: COMLN (Deleu et al. 2022), Appendix E.5; the schedule from MetaOptNet (Lee et al. 2019).
    """
    at = {round(num_steps * share): by for share, by in ((1 / 3, 0.06), (2 / 3, 0.2), (5 / 6, 0.2))}
    schedule = optax.piecewise_constant_schedule(learning_rate, at)
    return optax.chain(
        optax.add_decayed_weights(weight_decay),
        optax.sgd(schedule, momentum=0.9, nesterov=True),
    )
