"""The prefix of a trunk's name says who builds it."""

from tsmfeat.trunk.foreign import ForeignTrunk
from tsmfeat.trunk.hf_models import load_hf
from tsmfeat.trunk.names import HF, PYTHON, TIMM, split_trunk
from tsmfeat.trunk.options import TrunkOptions
from tsmfeat.trunk.python_models import load_python
from tsmfeat.trunk.timm_models import load_timm
from tsmfeat.trunk.tsm import TemporalShiftTrunk, load_temporal_shift


def load_trunk(options: TrunkOptions) -> TemporalShiftTrunk | ForeignTrunk:
    """Build a trunk as options say, whoever it is of.

    Parameters
    ----------
    options
        Of a plain name with ``shift="auto"`` the shift is on, unless the checkpoint was trained without.

    Returns
    -------
    TemporalShiftTrunk or ForeignTrunk
        Meets `tsmfeat.trunk.protocol.Trunk`; on the CPU, in eval mode, without gradients.

    Raises
    ------
    ConfigurationError
        No such model, or a number of frames that it cannot take.
    CheckpointError
        A file that cannot be read, does not fit the trunk, or was trained with frames shifted elsewhere.
    EnvironmentLackError
        The library is not installed, or a checkpoint not at hand.

    Examples
    --------
    >>> load_trunk(TrunkOptions("resnet18", "random:0")).embedding_size
    512
    """
    match split_trunk(options.trunk)[0]:
        case prefix if prefix == TIMM:
            return load_timm(options)
        case prefix if prefix == HF:
            return load_hf(options)
        case prefix if prefix == PYTHON:
            return load_python(options)
        case _:
            return load_temporal_shift(options)
