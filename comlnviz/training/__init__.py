"""Meta-training and evaluation: any algorithm on any tasks."""

from .evaluate import Score, TrainingError, evaluate
from .hosts import join_hosts
from .meta_train import Run, meta_train
from .presets import sgd_nesterov

__all__ = ["Run", "Score", "TrainingError", "evaluate", "join_hosts", "meta_train", "sgd_nesterov"]
