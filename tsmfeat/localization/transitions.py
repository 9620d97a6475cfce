"""What a change of label costs, learned from how labels follow each other."""

import numpy as np
import numpy.typing as npt


def learn_transition_costs(
    row_offset: npt.NDArray[np.int64], labels: npt.NDArray[np.int32], num_labels: int, smoothing: float = 1.0
) -> npt.NDArray[np.float64]:
    """Return what it costs that one label follows another: how much less often it does than staying.

    The cost of a change from i to j is ``log p(i | i) - log p(j | i)``, so staying is free, and never below 0. The
    shares p are counted over neighbouring rows of one video, `smoothing` added to each count.

    Parameters
    ----------
    row_offset
        int64 (V + 1,): video v owns rows ``row_offset[v]:row_offset[v + 1]``.
    labels
        int32 (N,) in [0, num_labels); pairs with a negative label are left out.
    num_labels
        C + 1, background last.
    smoothing
        Above 0: added to every count.

    Returns
    -------
    float64 (C + 1, C + 1)
        The cost of j after i in place ``[i, j]``.

    Examples
    --------
    >>> costs = learn_transition_costs(np.array([0, 5]), np.array([0, 0, 0, 0, 1], np.int32), 2)
    >>> costs.round(3).tolist()  # 3 + 1 pairs stay, 1 + 1 change; nothing is known of label 1
    [[0.0, 0.693], [0.0, 0.0]]
    """
    inner = np.ones(max(len(labels) - 1, 0), np.bool_)
    borders = row_offset[1:-1] - 1
    inner[borders[(borders >= 0) & (borders < len(inner))]] = False
    first, second = labels[:-1][inner], labels[1:][inner]
    known = (first >= 0) & (second >= 0)
    pairs = first[known].astype(np.int64) * num_labels + second[known]
    counts = np.bincount(pairs, minlength=num_labels**2).reshape(num_labels, num_labels) + smoothing
    logs = np.log(counts)
    costs: npt.NDArray[np.float64] = np.maximum(np.diag(logs)[:, None] - logs, 0.0)
    return costs
