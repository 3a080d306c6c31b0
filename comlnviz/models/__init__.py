"""Networks and heads, as Equinox modules. None of them knows how it is trained."""

from .classifier import Classifier
from .conv4 import Conv4
from .conv_net import ConvNet
from .encoder import AbstractEncoder, AbstractNetwork, Identity
from .linear_head import LinearHead, cross_entropy
from .linnet import LinNet
from .mlp import MLP
from .resnet12 import ResNet12

__all__ = [
    "MLP",
    "AbstractEncoder",
    "AbstractNetwork",
    "Classifier",
    "Conv4",
    "ConvNet",
    "Identity",
    "LinNet",
    "LinearHead",
    "ResNet12",
    "cross_entropy",
]
