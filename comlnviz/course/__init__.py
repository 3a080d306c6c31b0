"""The course: what copies it, runs a submission safely, checks and grades it.

The assignments themselves are in ``notebooks/course``. Nothing of the core imports this.
"""

from .check import Verdict as Verdict
from .check import check as check
from .folder import new_course as new_course
from .folder import source as source
from .runner import Limits as Limits
from .runner import Outcome as Outcome
from .runner import run as run
