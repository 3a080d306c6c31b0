"""Live figures for notebooks. Each displays itself."""

from .backward_instability import BackwardInstability
from .flow_explorer import FlowExplorer

ALL = (FlowExplorer, BackwardInstability)

__all__ = ["ALL", "BackwardInstability", "FlowExplorer"]
