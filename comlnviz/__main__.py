"""Make ``python -m comlnviz`` the command ``comlnviz``."""

import sys

from .cli import main

sys.exit(main())
