"""Make the README's animation with the package itself: `make gif`."""

import sys

from comlnviz.apps import BackwardInstability

app = BackwardInstability(problem="logistic regression", T=100.0, tolerance=1e-5)
app.compare()
print(app.export(sys.argv[1]))
