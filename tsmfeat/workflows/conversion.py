"""Files become others: a foreign or training checkpoint a clean one of ours, a format of annotations another."""

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.formats.options import FormatName, Pieces
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.workflows.format_conversion import ConversionReport, convert_file
from tsmfeat.workflows.kinds import holds_checkpoint
from tsmfeat.workflows.options import ConvertOptions

if TYPE_CHECKING:
    from tsmfeat.workflows.checkpoint_conversion import CheckpointReport

_SILENCE = Silence()
_DEFAULTS = ConvertOptions()
_OF_FORMATS = tuple(field.name for field in fields(ConvertOptions) if field.name != "trunk")


def convert(
    source: str | Path, out: str | Path, options: ConvertOptions = _DEFAULTS, progress: Progress = _SILENCE
) -> "CheckpointReport | ConversionReport":
    """Write a file's content in another form; what it holds is told by its content.

    Parameters
    ----------
    source
        A checkpoint (`tsmfeat.workflows.checkpoint_conversion.convert_checkpoint`), or annotations or predictions in
        any known format (`tsmfeat.workflows.format_conversion.convert_file`).
    out
        What to write.
    options
        `ConvertOptions`; those of the other kind of file are refused.
    progress
        Told what is left out.

    Returns
    -------
    CheckpointReport or ConversionReport

    Raises
    ------
    TsmfeatError
        A source that is damaged or of no known kind, an option that does not fit it, an output that cannot be written.
    """
    source = Path(source)
    if not source.exists():
        raise InputError(f"{source}: does not exist", "check the path")
    if holds_checkpoint(source):
        _require_unset(options, _OF_FORMATS, f"{source}: a checkpoint has no")
        # Loading torch takes seconds, and no other kind needs it.
        from tsmfeat.workflows.checkpoint_conversion import convert_checkpoint

        return convert_checkpoint(source, out, options.trunk, progress)
    _require_unset(options, ("trunk",), f"{source}: is no checkpoint and has no")
    return convert_file(
        source,
        out,
        from_format=cast("FormatName", options.from_format) if options.from_format else None,
        to_format=cast("FormatName", options.to_format) if options.to_format else None,
        classes=options.classes or None,
        sample=options.sample or None,
        pieces=cast("Pieces", options.pieces),
        strict=options.strict,
        progress=progress,
    )


def _require_unset(options: ConvertOptions, names: tuple[str, ...], finding: str) -> None:
    for name in names:
        if getattr(options, name) != getattr(_DEFAULTS, name):
            option = "--" + name.removesuffix("_format")
            raise ConfigurationError(f"{finding} {option.removeprefix('--')}", f"leave {option} out")
