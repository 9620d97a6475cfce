"""Heads on disk: weights with the features and classes they speak of."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import CheckpointError, InputError, SpecMismatchError
from tsmfeat.files import canonical_json, digest_tensors, load_tensors, save_tensors, sha256_text
from tsmfeat.heads.model import HeadParameters
from tsmfeat.values.features import FeatureSpec
from tsmfeat.values.vocabulary import Vocabulary

KIND = "heads"
VERSION = 2
# The first version knew linear heads only, and did not name their kind.
_READABLE = (1, VERSION)
_REQUIRED = {"action_weight", "action_bias"}
_OPTIONAL = {"scene_weight", "scene_bias", "missing"}
_DAMAGED = "the file is damaged: copy it again, or make it anew with tsmfeat fit-heads"
_NO_SCENES = Vocabulary(())


@dataclass(frozen=True, eq=False)
class HeadsCheckpoint:
    """Fitted heads with all that is needed to use and to judge them.

    Parameters
    ----------
    weights
        For raw embeddings.
    spec
        Identity of the features they were fitted on; of the first view, where they join several.
    vocabulary
        C actions.
    scene_vocabulary
        S scenes; empty without a scene head.
    options
        The resolved options (`tsmfeat.heads.options.HeadOptions.to_dict`), JSON-able.
    record
        How they came to be, JSON-able: training record, validation numbers, subsets, annotation file and its
        SHA-256, version.
    joined
        Identities of the further views, whose embeddings stand behind those of the first.

    Raises
    ------
    CheckpointError
        The weights do not fit the spec's embedding size or a vocabulary.
    """

    weights: HeadParameters
    spec: FeatureSpec
    vocabulary: Vocabulary
    scene_vocabulary: Vocabulary = _NO_SCENES
    options: dict[str, Any] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)
    joined: tuple[FeatureSpec, ...] = ()

    def __post_init__(self) -> None:
        """Check the sizes against each other."""
        for what, found, expected in (
            ("numbers an embedding", self.weights.embedding_size, sum(spec.embedding_size for spec in self.specs)),
            ("actions", self.weights.num_actions, len(self.vocabulary)),
            ("scenes", self.weights.num_scenes, len(self.scene_vocabulary)),
        ):
            if found != expected:
                raise CheckpointError(
                    f"heads for {found} {what}, where spec and vocabularies have {expected}; both must agree",
                    "give heads without a scene task an empty scene vocabulary" if what == "scenes" else _DAMAGED,
                )
        if self.joined and self.weights.missing is None:
            raise CheckpointError("heads that join views without what stands in for a missing one; both or none", "")

    @property
    def specs(self) -> tuple[FeatureSpec, ...]:
        """Identities of all views, in the order of their embeddings; one where none are joined."""
        return (self.spec, *self.joined)


def save_heads(path: Path, checkpoint: HeadsCheckpoint) -> None:
    """Save heads as safetensors with a JSON header, whole or not at all.

    NaN and infinity in `options` and `record` become null: JSON has neither.

    Parameters
    ----------
    path
        The file, replaced if it exists.
    checkpoint
        What to save.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    header = {
        "kind": KIND,
        "version": VERSION,
        "head": checkpoint.weights.kind,
        "activation": checkpoint.weights.activation,
        "spec": checkpoint.spec.to_dict(),
        "joined": [spec.to_dict() for spec in checkpoint.joined],
        "vocabulary": list(checkpoint.vocabulary.names),
        "scene_vocabulary": list(checkpoint.scene_vocabulary.names),
        "options": _json_ready(checkpoint.options),
        "record": _json_ready(checkpoint.record),
    }
    tensors = checkpoint.weights.tensors()
    save_tensors(path, tensors, {**header, "sha256": _content_digest(header, tensors)})


def _content_digest(header: dict[str, Any], tensors: dict[str, Any]) -> str:
    return sha256_text(canonical_json({**header, "tensors": digest_tensors(tensors)}))


def _json_ready(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    if isinstance(value, dict):
        return {str(key): _json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_ready(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def load_heads(path: Path) -> HeadsCheckpoint:
    """Load heads saved by `save_heads`.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    HeadsCheckpoint

    Raises
    ------
    CheckpointError
        Missing, not one of ours, of another kind, damaged (a checksum covers every byte that matters), or its parts
        do not fit each other.
    SpecMismatchError
        Written by another version.
    """
    tensors, header = load_tensors(path, KIND)
    if header.get("version") not in _READABLE:
        raise SpecMismatchError(
            f"{path}: heads of version {header.get('version')!r}; this program reads versions up to {VERSION}",
            "use the version of tsmfeat that wrote it, or fit the heads again",
        )
    _require_intact(path, header, tensors)
    try:
        return HeadsCheckpoint(
            HeadParameters.from_tensors(header.get("head", "linear"), tensors, header.get("activation", "softmax")),
            FeatureSpec.from_dict(header["spec"]),
            Vocabulary(tuple(header["vocabulary"])),
            Vocabulary(tuple(header["scene_vocabulary"])),
            header["options"],
            header["record"],
            tuple(FeatureSpec.from_dict(spec) for spec in header.get("joined", [])),
        )
    except (CheckpointError, InputError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: its parts do not fit each other ({error})", _DAMAGED) from error


def _require_intact(path: Path, header: dict[str, Any], tensors: dict[str, npt.NDArray[Any]]) -> None:
    names = set(tensors)
    outputs = {name for name in names if not name.startswith("body.")}
    if not _REQUIRED <= outputs <= _REQUIRED | _OPTIONAL:
        expected = ", ".join(sorted(_REQUIRED | _OPTIONAL))
        raise CheckpointError(f"{path}: holds the tensors {', '.join(sorted(names))}; expected {expected}", _DAMAGED)
    odd = [name for name, values in tensors.items() if values.dtype != np.float32]
    if odd:
        raise CheckpointError(f"{path}: tensor {odd[0]!r} is {tensors[odd[0]].dtype}; expected float32", _DAMAGED)
    content = {key: value for key, value in header.items() if key != "sha256"}
    if header.get("sha256") != _content_digest(content, tensors):
        raise CheckpointError(f"{path}: its content does not match its checksum", _DAMAGED)
