"""What tIoU thresholds may be."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import ConfigurationError
from tsmfeat.kernels.pair_tious import MAX_THRESHOLDS


def require_thresholds(thresholds: Sequence[float]) -> npt.NDArray[np.float64]:
    """Return tIoU thresholds as float64 (T,), or refuse them.

    Raises
    ------
    ConfigurationError
        None or more than 64, or one that is not above 0 and at most at 1.

    Examples
    --------
    >>> require_thresholds((0.5, 0.75)).tolist()
    [0.5, 0.75]
    """
    values = np.asarray(thresholds, np.float64)
    if values.ndim != 1 or not 1 <= len(values) <= MAX_THRESHOLDS:
        raise ConfigurationError(
            f"tIoU thresholds of shape {values.shape}; a list of 1 to {MAX_THRESHOLDS} is needed",
            "give them as 0.5,0.75,0.95",
        )
    inside = (values > 0) & (values <= 1)
    if not inside.all():
        bad = float(values[~inside][0])
        raise ConfigurationError(f"tIoU threshold {bad}; thresholds lie above 0 and at most at 1", "50 % is 0.5")
    return values
