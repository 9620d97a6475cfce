"""A foreign or training checkpoint of a trunk becomes a clean one of ours."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tsmfeat.errors import CheckpointError, ConfigurationError
from tsmfeat.files import read_header
from tsmfeat.trunk.accounting import shapes_of
from tsmfeat.trunk.checkpoint import fit_state, save_state
from tsmfeat.trunk.listing import listed
from tsmfeat.trunk.options import require_trunk
from tsmfeat.trunk.placement import decide_shift
from tsmfeat.trunk.recognition import recognize_trunk
from tsmfeat.trunk.specs import SPECS
from tsmfeat.trunk.state_files import TRUNK_KIND, StateFile, read_state_file
from tsmfeat.trunk.training_files import read_training_file
from tsmfeat.trunk.tsm import trunk_shapes
from tsmfeat.values.progress import Progress, Silence

_SILENCE = Silence()


@dataclass(frozen=True)
class CheckpointReport:
    """What `convert_checkpoint` did.

    Parameters
    ----------
    out
        The file written.
    trunk
        The trunk it is a checkpoint of.
    layout
        Whose names the source has.
    placement
        Where the network was trained with shifted frames, as `tsmfeat.trunk.placement.Placement.to_dict`; `None` where
        the source cannot tell.
    checkpoint_digest
        Identity of the tensors, the same before and after.
    source_sha256
        SHA-256 of the source.
    notes
        What was left out, and what ``--shift`` will meet.
    """

    out: str
    trunk: str
    layout: str
    placement: dict[str, Any] | None
    checkpoint_digest: str
    source_sha256: str
    notes: tuple[str, ...]


def convert_checkpoint(
    source: str | Path, out: str | Path, trunk: str = "", progress: Progress = _SILENCE
) -> CheckpointReport:
    """Write a trunk's checkpoint anew: safetensors, torchvision's names, no Python objects.

    Nothing of the source is run. Where it holds more than tensors, those objects are read as nothing.

    Parameters
    ----------
    source
        A checkpoint of torchvision, official TSM or mmaction2, also one that a training left, or one of ours.
    out
        A ``.safetensors`` file. One that holds a trunk's checkpoint is replaced, no other.
    trunk
        The trunk's name; empty: recognised by the shapes.
    progress
        Told the notes.

    Returns
    -------
    CheckpointReport

    Raises
    ------
    CheckpointError
        The source is damaged, of another network, or holds no state dict.
    ConfigurationError
        `out` cannot be replaced, or the trunk is not known.
    OutputError
        `out` cannot be written.
    """
    source, out = Path(source), Path(out)
    _require_writable(source, out)
    if trunk:
        require_trunk(trunk)
    state = read_state_file(source, read_training_file)
    trunk = trunk or _recognize(state)
    loaded = fit_state(state, trunk, trunk_shapes(trunk))
    placement = None if state.placement is None else state.placement.to_dict()
    header = {"trunk": trunk, "source_sha256": state.file_sha256, "layout": state.layout, "placement": placement}
    save_state(out, loaded.tensors, header)
    notes = (*loaded.notes, *_shift_notes(state, trunk))
    for note in notes:
        progress.note(note)
    return CheckpointReport(str(out), trunk, state.layout, placement, loaded.digest, state.file_sha256, notes)


def _require_writable(source: Path, out: Path) -> None:
    """Refuse other names, and to replace anything but a trunk's checkpoint: a mistyped name must cost nothing."""
    if out.suffix != ".safetensors":
        raise ConfigurationError(
            f"{out}: a checkpoint is written as .safetensors", f"name it {out.with_suffix('.safetensors').name}"
        )
    if not out.exists():
        return
    if out.is_file() and source.exists() and not out.samefile(source) and _holds_trunk(out):
        return
    raise ConfigurationError(
        f"{out}: exists; only another trunk's checkpoint is replaced", "choose another name, or move it away"
    )


def _holds_trunk(path: Path) -> bool:
    try:
        return read_header(path).get("kind") == TRUNK_KIND
    except CheckpointError:
        return False


def _recognize(state: StateFile) -> str:
    trunk = recognize_trunk(shapes_of(state.values))
    if not trunk:
        raise CheckpointError(
            f"{state.path}: its keys and shapes are those of no trunk ({listed(list(state.values))})",
            "trunks are " + ", ".join(SPECS) + "; --trunk names one and lists what does not fit",
        )
    return trunk


def _shift_notes(state: StateFile, trunk: str) -> tuple[str, ...]:
    """Say now what an extraction with ``--shift auto`` will say: converting changes no placement."""
    try:
        _, notes = decide_shift(state.placement, "auto", SPECS[trunk].shifted_blocks, str(state.path), trunk)
    except CheckpointError as error:
        return (f"{error.message} (extract refuses it unless --shift off)",)
    return notes
