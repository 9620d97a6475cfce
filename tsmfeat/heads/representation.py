"""What the output layers of a head see: the embedding itself, or what its kind's body makes of it. numpy only."""

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import CheckpointError
from tsmfeat.heads.conditioned import represent_conditioned
from tsmfeat.heads.mlp import represent_mlp
from tsmfeat.heads.model import HeadParameters
from tsmfeat.heads.tcn import represent_tcn

Floats = npt.NDArray[np.float32]


def represent(weights: HeadParameters, embeddings: Floats, row_offset: npt.NDArray[np.int64]) -> Floats:
    """Return the representation of every interval.

    Parameters
    ----------
    weights
        Fitted heads.
    embeddings
        float32 (N, D), raw.
    row_offset
        int64 (V + 1,): the videos of these rows, whole; kinds without context do not look.

    Returns
    -------
    float32 (N, H)

    Raises
    ------
    CheckpointError
        A kind that this version does not know.
    """
    match weights.kind:
        case "linear":
            return embeddings
        case "mlp":
            return represent_mlp(weights.body, embeddings)
        case "tcn":
            return represent_tcn(weights.body, embeddings, row_offset)
        case "conditioned":
            return represent_conditioned(weights.body, embeddings, row_offset)
    raise CheckpointError(f"heads of the unknown kind {weights.kind!r}", "use the version of tsmfeat that wrote them")
