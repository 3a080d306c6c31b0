"""Meta-training and evaluation: any algorithm on any tasks."""

from .evaluate import Score, evaluate
from .meta_train import Run, TrainingError, meta_train
from .presets import sgd_nesterov

__all__ = ["Run", "Score", "TrainingError", "evaluate", "meta_train", "sgd_nesterov"]
