"""Meta-training and evaluation: any algorithm on any tasks."""

from .evaluate import Score, evaluate
from .hosts import join_hosts
from .meta_train import Run, TrainingError, meta_train
from .presets import sgd_nesterov

__all__ = ["Run", "Score", "TrainingError", "evaluate", "join_hosts", "meta_train", "sgd_nesterov"]
