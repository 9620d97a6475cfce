"""The tests' slow and obvious twins, found in the checkout."""

import sys
from importlib import import_module
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "tests"))

naive_fuse = import_module("naive").naive_fuse
naive_wbf = import_module("naive_fusions").naive_wbf
