"""The official evaluator of ActionFormer itself, where a checkout of it is given; it needs pandas and joblib."""

from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions

FILE = Path("libs/utils/metrics.py")

Floats = npt.NDArray[np.float64]


def load_official(
    peer_dir: Path | None, found: Predictions, truth: Annotations, thresholds: Floats
) -> dict[str, Callable[[], Floats]]:
    """Return the official evaluation, called class after class as its own workers do; nothing without a checkout.

    Raises
    ------
    FileNotFoundError
        The folder holds no `FILE`.
    """
    if peer_dir is None:
        return {}
    module = _load_file(peer_dir / FILE)
    predictions, annotations = _to_frame(found), _to_frame(truth)
    classes = range(len(truth.vocabulary))

    def evaluate_officially() -> Floats:
        by_label, truth_by_label = predictions.groupby("label"), annotations.groupby("label")
        return np.stack(
            [
                module.compute_average_precision_detection(
                    truth_by_label.get_group(label).reset_index(drop=True),
                    by_label.get_group(label).reset_index(drop=True),
                    thresholds,
                )
                for label in classes
            ]
        )

    return {"ActionFormer evaluator": evaluate_officially}


def _load_file(path: Path) -> ModuleType:
    spec = spec_from_file_location("official_metrics", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; --peer-dir names a checkout that holds {FILE}")
    if not hasattr(np, "float"):
        setattr(np, "float", float)  # noqa: B010 - a name numpy dropped, and the evaluator needs
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _to_frame(rows: Predictions | Annotations) -> Any:  # noqa: ANN401 - pandas is no dependency
    from pandas import DataFrame

    segments = rows.segments
    # Names, as in files: with a number for a video every column would be one, and its rows floats.
    names = np.array(rows.video_ids, object)[segments.video]
    columns = {"video-id": names, "t-start": segments.start, "t-end": segments.end}
    return DataFrame({**columns, "label": segments.label, "score": segments.score})
