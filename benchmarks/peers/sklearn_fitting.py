"""Logistic regression by scikit-learn's L-BFGS, on the loss that ours has."""

import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tsmfeat.heads.rows import TrainingRows


def make_sklearn_fit(data: TrainingRows, iterations: int, weight_decay: float) -> Callable[[], float] | None:
    """Return what fits actions and scenes, and returns the actions' loss; None without scikit-learn.

    Its inputs are standardised float32 rows in memory, made beforehand: it is not made to look slow. Its penalty is
    half the squared weights, its loss a sum over rows times C: C = 1 / (rows * decay) makes it ours.
    """
    try:
        from sklearn.linear_model import LogisticRegression  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        return None
    inputs = data.features[data.rows].astype(np.float32)
    inputs = (inputs - inputs.mean(0)) / np.maximum(inputs.std(0), 1e-6)
    settings = dict(C=1.0 / (len(inputs) * weight_decay), max_iter=iterations, tol=0.0)

    def fit() -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of not having converged: the iterations are given
            heads = [
                LogisticRegression(**settings).fit(inputs, targets)
                for targets in (data.action_targets(), data.scene_targets())
            ]
        return _loss(heads[0].predict_log_proba(inputs), data.action_targets())

    return fit


def _loss(logs: npt.NDArray[np.float32], targets: npt.NDArray[np.int64]) -> float:
    return float(-logs[np.arange(len(targets)), targets].mean())
