"""A multi-task head: two matrices, on raw embeddings or on what a body makes of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import CheckpointError, ConfigurationError

_Floats = npt.NDArray[np.float32]

_BODY = "body."
_OUTPUTS = ("action_weight", "action_bias", "scene_weight", "scene_bias", "missing")
ACTIVATIONS = ("softmax", "sigmoid")


@dataclass(frozen=True, eq=False)
class HeadParameters:
    """The parameters of a head, standardisation folded in: scores are ``representation @ weight.T + bias``.

    Parameters
    ----------
    action_weight
        float32 (C + 1, H); background is the last row.
    action_bias
        float32 (C + 1,).
    scene_weight, scene_bias
        float32 (S, H) and (S,); both None where there is no scene head.
    kind
        One of `tsmfeat.heads.options.HEADS`. The representation of a linear head is the embedding, H = D.
    body
        The arrays that make the representation of every other kind (`tsmfeat.heads.representation`), by name;
        ``input_weight`` among them, whose last axis is D.
    missing
        float32 (D,): raw numbers that stand in for a view that an interval lacks; None where no views are joined.
    activation
        One of `ACTIVATIONS`, of the actions: ``"softmax"``: one of them or background; ``"sigmoid"``: each by itself.
        Scenes have a softmax.

    Raises
    ------
    CheckpointError
        The shapes do not fit each other, only one of the scene's two is given, or the activation is unknown.

    Examples
    --------
    >>> weights = HeadParameters(np.zeros((3, 8)), np.zeros(3))
    >>> weights.embedding_size, weights.num_actions, weights.num_scenes
    (8, 2, 0)
    """

    action_weight: _Floats
    action_bias: _Floats
    scene_weight: _Floats | None = None
    scene_bias: _Floats | None = None
    kind: str = "linear"
    body: Mapping[str, _Floats] = field(default_factory=dict)
    missing: _Floats | None = None
    activation: str = "softmax"

    def __post_init__(self) -> None:
        """Cast to float32 and check the shapes."""
        for name in _OUTPUTS:
            if (values := getattr(self, name)) is not None:
                object.__setattr__(self, name, np.ascontiguousarray(values, np.float32))
        object.__setattr__(self, "body", {name: np.ascontiguousarray(v, np.float32) for name, v in self.body.items()})
        if (self.kind == "linear") == ("input_weight" in self.body):
            raise CheckpointError(
                f"a {self.kind} head with the arrays {', '.join(self.body) or 'of no body'}; every kind but linear has "
                "an input_weight",
                "",
            )
        if self.activation not in ACTIVATIONS:
            raise CheckpointError(f"the unknown activation {self.activation!r}; known are {', '.join(ACTIVATIONS)}", "")
        _require_matrix("action", self.action_weight, self.action_bias)
        if self.missing is not None and self.missing.shape != (self.embedding_size,):
            shape = self.missing.shape
            raise CheckpointError(f"{shape} numbers stand in for views of ({self.embedding_size},); one for one", "")
        self._require_scene()

    def _require_scene(self) -> None:
        if (self.scene_weight is None) != (self.scene_bias is None):
            raise CheckpointError("a scene head with only one of weight and bias; it has both or neither", "")
        if self.scene_weight is not None and self.scene_bias is not None:
            _require_matrix("scene", self.scene_weight, self.scene_bias)
            if self.scene_weight.shape[1] != self.action_weight.shape[1]:
                widths = f"{self.action_weight.shape[1]} and {self.scene_weight.shape[1]}"
                raise CheckpointError(f"action and scene heads expect {widths} numbers a row; one representation", "")

    @property
    def embedding_size(self) -> int:
        """The numbers of one embedding, D."""
        return int(self.body.get("input_weight", self.action_weight).shape[-1])

    @property
    def num_actions(self) -> int:
        """The actions C, background not counted."""
        return len(self.action_bias) - 1

    @property
    def num_scenes(self) -> int:
        """The scenes S; 0 without a scene head."""
        return 0 if self.scene_bias is None else len(self.scene_bias)

    def tensors(self) -> dict[str, _Floats]:
        """Return the arrays there are, by name; those of the body as ``body.NAME``."""
        outputs = {name: getattr(self, name) for name in _OUTPUTS if getattr(self, name) is not None}
        return outputs | {_BODY + name: values for name, values in self.body.items()}

    @staticmethod
    def from_tensors(kind: str, tensors: Mapping[str, _Floats], activation: str = "softmax") -> "HeadParameters":
        """Build parameters from `tensors`' result.

        Raises
        ------
        CheckpointError
            The shapes do not fit each other.
        """
        outputs = {name: values for name, values in tensors.items() if not name.startswith(_BODY)}
        body = {name.removeprefix(_BODY): values for name, values in tensors.items() if name.startswith(_BODY)}
        return HeadParameters(**outputs, kind=kind, body=body, activation=activation)


def _require_matrix(task: str, weight: _Floats, bias: _Floats) -> None:
    if weight.ndim != 2 or bias.shape != weight.shape[:1] or 0 in weight.shape:
        shapes = f"weight of shape {weight.shape} and bias of shape {bias.shape}"
        raise CheckpointError(f"{task} head has {shapes}; expected (K, D) and (K,), neither K nor D 0", "")


def equivalent_dropout(dropout: float, num_frames: int) -> float:
    """Return the dropout on a mean embedding that makes the noise of dropout on each of its frames.

    TSM drops entries of every frame's embedding and then averages the frames, so T independent masks are averaged.
    One mask with ``p_eq = r / (1 + r)``, ``r = p / ((1 - p) T)``, has the same mean and the same variance where the
    frames are alike.

    Parameters
    ----------
    dropout
        Probability p on a frame, in [0, 1).
    num_frames
        Frames T of a clip, 1 or more.

    Raises
    ------
    ConfigurationError
        A number outside its range.

    Examples
    --------
    >>> round(equivalent_dropout(0.5, 8), 4), round(equivalent_dropout(0.5, 16), 4), equivalent_dropout(0.5, 1)
    (0.1111, 0.0588, 0.5)
    """
    if not 0.0 <= dropout < 1.0 or num_frames < 1:
        raise ConfigurationError(
            f"dropout {dropout!r} on {num_frames!r} frames: a probability in [0, 1) and one frame or more",
            "use for example --dropout 0.5",
        )
    ratio = dropout / ((1.0 - dropout) * num_frames)
    return ratio / (1.0 + ratio)
