"""Records in, matplotlib figures out: no pyplot, no Jupyter, artists that are made once and fed."""

from .comln import figure_5, figure_d
from .few_shot import curves_figure, episode_figure
from .show import show

__all__ = ["curves_figure", "episode_figure", "figure_5", "figure_d", "show"]
