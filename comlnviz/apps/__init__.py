"""Live figures for notebooks. Each displays itself."""

from .flow_explorer import FlowExplorer

ALL = (FlowExplorer,)

__all__ = ["ALL", "FlowExplorer"]
