"""The named methods, one a file: each a short composition of inner loop, adjoint and model."""

from ..models import accuracy
from .amaml import AMAML
from .anil import ANIL
from .base import AbstractAlgorithm, AbstractHeadAlgorithm, AbstractNetworkAlgorithm
from .cavia import CAVIA
from .comln import COMLN
from .fomaml import FOMAML
from .gimli import GIMLI
from .imaml import IMAML
from .leap import LEAP
from .leo import LEO
from .lr_d2 import LRD2
from .maml import MAML
from .maml_pp import MAMLpp
from .meta_opt_net import MetaOptNetRR, MetaOptNetSVM
from .meta_optimizer_maml import MetaOptimizerMAML
from .meta_sgd import MetaSGD
from .proto_net import ProtoNet
from .r2d2 import R2D2
from .reptile import Reptile

__all__ = [
    "AMAML",
    "ANIL",
    "CAVIA",
    "COMLN",
    "FOMAML",
    "GIMLI",
    "IMAML",
    "LEAP",
    "LEO",
    "LRD2",
    "MAML",
    "R2D2",
    "AbstractAlgorithm",
    "AbstractHeadAlgorithm",
    "AbstractNetworkAlgorithm",
    "MAMLpp",
    "MetaOptNetRR",
    "MetaOptNetSVM",
    "MetaOptimizerMAML",
    "MetaSGD",
    "ProtoNet",
    "Reptile",
    "accuracy",
]
