"""The named methods, one a file: each a short composition of inner loop, adjoint and model."""

from .anil import ANIL
from .base import AbstractAlgorithm, AbstractHeadAlgorithm, AbstractNetworkAlgorithm, accuracy
from .comln import COMLN
from .fomaml import FOMAML
from .imaml import IMAML
from .maml import MAML
from .meta_opt_net import MetaOptNetRR
from .meta_sgd import MetaSGD
from .proto_net import ProtoNet
from .r2d2 import R2D2
from .reptile import Reptile

__all__ = [
    "ANIL",
    "COMLN",
    "FOMAML",
    "IMAML",
    "MAML",
    "R2D2",
    "AbstractAlgorithm",
    "AbstractHeadAlgorithm",
    "AbstractNetworkAlgorithm",
    "MetaOptNetRR",
    "MetaSGD",
    "ProtoNet",
    "Reptile",
    "accuracy",
]
