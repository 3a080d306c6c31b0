"""Networks and heads, as Equinox modules. None of them knows how it is trained."""

from .linear_head import LinearHead, cross_entropy

__all__ = ["LinearHead", "cross_entropy"]
