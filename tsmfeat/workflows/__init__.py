"""One module a job: the only place where stages meet.

The jobs are loaded when they are first named, so importing this package costs no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tsmfeat.workflows.ablation import ablate as ablate
    from tsmfeat.workflows.conversion import convert as convert
    from tsmfeat.workflows.examination import doctor as doctor
    from tsmfeat.workflows.extraction import extract as extract
    from tsmfeat.workflows.fitting import fit_heads as fit_heads
    from tsmfeat.workflows.fusing import fuse as fuse
    from tsmfeat.workflows.inspection import inspect as inspect
    from tsmfeat.workflows.merging import merge as merge
    from tsmfeat.workflows.prediction import predict as predict
    from tsmfeat.workflows.run_listing import runs as runs
    from tsmfeat.workflows.scoring import score as score
    from tsmfeat.workflows.tuning import tune as tune
    from tsmfeat.workflows.validation import validate as validate

_HOMES = {
    "ablate": "tsmfeat.workflows.ablation",
    "convert": "tsmfeat.workflows.conversion",
    "doctor": "tsmfeat.workflows.examination",
    "extract": "tsmfeat.workflows.extraction",
    "fit_heads": "tsmfeat.workflows.fitting",
    "fuse": "tsmfeat.workflows.fusing",
    "inspect": "tsmfeat.workflows.inspection",
    "merge": "tsmfeat.workflows.merging",
    "predict": "tsmfeat.workflows.prediction",
    "runs": "tsmfeat.workflows.run_listing",
    "score": "tsmfeat.workflows.scoring",
    "tune": "tsmfeat.workflows.tuning",
    "validate": "tsmfeat.workflows.validation",
}
__all__ = [
    "ablate",
    "convert",
    "doctor",
    "extract",
    "fit_heads",
    "fuse",
    "inspect",
    "merge",
    "predict",
    "runs",
    "score",
    "tune",
    "validate",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module attribute can be anything
    """Load a job the first time it is named."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the jobs."""
    return sorted(_HOMES)
