"""What must be declared of features that something else has computed, and how stored features become arrays."""

import math
import re
from dataclasses import dataclass

from tsmfeat.errors import ConfigurationError, require_choice

DTYPES = ("float16", "float32")
TRUNK_PREFIX = "npy:"
_NAME = re.compile(r"[\w.+-]{1,64}")
# The store counts distinct frames in a byte.
_MOST_FRAMES = 255


@dataclass(frozen=True)
class ArrayOptions:
    """How a folder of arrays becomes a feature store, and a store such a folder.

    Parameters
    ----------
    name
        Of arrays: what made them, such as ``"vggish"``; the spec's trunk is then ``"npy:vggish"``.
    step_seconds
        Of arrays: seconds between two rows; None where the folder says so itself.
    num_frames
        Of arrays: inputs (frames, spectrograms) that one row sums up.
    clip_seconds
        Of arrays: the span one row sums up; None: the step.
    view
        Of arrays: name of the view.
    origin
        Of arrays: weights, version, settings in the user's words; part of the identity.
    id_rule
        Of arrays: one of ``tsmfeat.workflows.options.ID_RULES``.
    against
        Of arrays: a feature store, or annotations, whose durations the numbers of rows are checked by; empty: none.
    dtype
        Of stores: one of `DTYPES`, the type of the arrays written.

    Raises
    ------
    ConfigurationError
        A name that could not be one, a number out of its range, an unknown type.
    """

    name: str = ""
    step_seconds: float | None = None
    num_frames: int = 1
    clip_seconds: float | None = None
    view: str = ""
    origin: str = ""
    id_rule: str = "stem"
    against: str = ""
    dtype: str = DTYPES[0]

    def __post_init__(self) -> None:
        """Check names and numbers."""
        if self.name and not _NAME.fullmatch(self.name):
            raise ConfigurationError(
                f"name {self.name!r}: 1 to 64 letters, digits, '.', '_', '+' and '-' are legal",
                "give a short name, and say the rest with --origin",
            )
        if not 1 <= self.num_frames <= _MOST_FRAMES:
            raise ConfigurationError(f"{self.num_frames} frames; 1 to {_MOST_FRAMES} are legal", "use --num-frames 1")
        step, clip = self.step_seconds, self.clip_seconds
        if step is not None and not (math.isfinite(step) and step > 0):
            raise ConfigurationError(f"step {step!r} s: a step is a positive number of seconds", "use --step 0.5")
        if clip is not None and not (math.isfinite(clip) and clip >= (step or 0)):
            raise ConfigurationError(
                f"clips of {clip} s in steps of {step} s: a clip spans its interval at least",
                "leave --clip-seconds out, or make it larger than --step",
            )
        require_choice("dtype", self.dtype, DTYPES)

    @property
    def trunk(self) -> str:
        """Name of the trunk in the spec."""
        return TRUNK_PREFIX + self.name
