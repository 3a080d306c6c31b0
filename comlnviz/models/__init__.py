"""Networks and heads, as Equinox modules. None of them knows how it is trained."""

from .classifier import Classifier
from .conv4 import Conv4
from .criterion import AbstractCriterion, CrossEntropy, Labelled, SquaredError, accuracy
from .densenet import DenseNet
from .encoder import AbstractEncoder, AbstractNetwork, Identity
from .linear_head import LinearHead, cross_entropy
from .mlp import MLP
from .resnet12 import ResNet12

__all__ = [
    "MLP",
    "AbstractCriterion",
    "AbstractEncoder",
    "AbstractNetwork",
    "Classifier",
    "Conv4",
    "CrossEntropy",
    "DenseNet",
    "Identity",
    "Labelled",
    "LinearHead",
    "ResNet12",
    "SquaredError",
    "accuracy",
    "cross_entropy",
]
