"""Networks and heads, as Equinox modules. None of them knows how it is trained."""

from .classifier import AbstractModel, Classifier
from .conv4 import Conv4
from .conv_net import ConvNet
from .criterion import AbstractCriterion, CrossEntropy, Labelled, SquaredError, accuracy
from .densenet import DenseNet
from .encoder import AbstractEncoder, AbstractNetwork, Identity
from .linear_head import LinearHead, cross_entropy
from .linnet import LinNet
from .mlp import MLP
from .resnet12 import ResNet12

__all__ = [
    "MLP",
    "AbstractCriterion",
    "AbstractEncoder",
    "AbstractModel",
    "AbstractNetwork",
    "Classifier",
    "Conv4",
    "ConvNet",
    "CrossEntropy",
    "DenseNet",
    "Identity",
    "Labelled",
    "LinNet",
    "LinearHead",
    "ResNet12",
    "SquaredError",
    "accuracy",
    "cross_entropy",
]
