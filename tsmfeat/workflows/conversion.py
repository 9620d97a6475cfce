"""Files become others: a training checkpoint a clean one, annotations another format, arrays a store and back."""

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.formats.options import FormatName, Pieces
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.workflows.array_export import export_arrays
from tsmfeat.workflows.array_files import holds_arrays
from tsmfeat.workflows.array_import import ArrayReport, import_arrays
from tsmfeat.workflows.array_options import ArrayOptions
from tsmfeat.workflows.format_conversion import ConversionReport, convert_file
from tsmfeat.workflows.kinds import holds_checkpoint, holds_features
from tsmfeat.workflows.options import ConvertOptions

if TYPE_CHECKING:
    from tsmfeat.workflows.checkpoint_conversion import CheckpointReport

_SILENCE = Silence()
_DEFAULTS = ConvertOptions()
_OF_FORMATS = tuple(field.name for field in fields(ConvertOptions) if field.name not in ("trunk", "arrays"))
_OF_ARRAYS = tuple(field.name for field in fields(ArrayOptions))
# Options whose names are not those of their fields.
_OPTIONS = {"from_format": "from", "to_format": "to", "step_seconds": "step", "id_rule": "id"}


def convert(
    source: str | Path, out: str | Path, options: ConvertOptions = _DEFAULTS, progress: Progress = _SILENCE
) -> "CheckpointReport | ConversionReport | ArrayReport":
    """Write a file's content in another form; what it holds is told by its content.

    Parameters
    ----------
    source
        A checkpoint (`tsmfeat.workflows.checkpoint_conversion.convert_checkpoint`), annotations or predictions in any
        known format (`tsmfeat.workflows.format_conversion.convert_file`), a folder of arrays
        (`tsmfeat.workflows.array_import.import_arrays`) or a feature store
        (`tsmfeat.workflows.array_export.export_arrays`).
    out
        What to write.
    options
        `ConvertOptions`; those of the other kind of file are refused.
    progress
        Told what is left out.

    Returns
    -------
    CheckpointReport, ConversionReport or ArrayReport

    Raises
    ------
    TsmfeatError
        A source that is damaged or of no known kind, an option that does not fit it, an output that cannot be written.
    """
    source = Path(source)
    features = holds_features(source)
    if not features and not source.exists():
        raise InputError(f"{source}: does not exist", "check the path")
    # A data set's folder may hold annotations beside arrays: naming a format says which are meant.
    if features or (not options.from_format and holds_arrays(source)):
        return _convert_arrays(source, Path(out), options, features, progress)
    _require_unset(options.arrays, _OF_ARRAYS, f"{source}: holds neither arrays nor stored features, and has no")
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


def _convert_arrays(
    source: Path, out: Path, options: ConvertOptions, features: bool, progress: Progress
) -> ArrayReport:
    if not features:
        _require_unset(options, ("trunk", *_OF_FORMATS), f"{source}: a folder of arrays has no")
        _require_unset(options.arrays, ("dtype",), f"{source}: a store's rows are float16, and it has no other")
        return import_arrays(source, out, options.arrays, progress)
    _require_unset(options, ("trunk", *_OF_FORMATS), f"{source}: a feature store has no")
    declared = tuple(name for name in _OF_ARRAYS if name != "dtype")
    _require_unset(options.arrays, declared, f"{source}: a feature store says itself what it holds, and has no")
    return export_arrays(source, out, options.arrays.dtype, progress)


def _require_unset(options: ConvertOptions | ArrayOptions, names: tuple[str, ...], finding: str) -> None:
    defaults = _DEFAULTS if isinstance(options, ConvertOptions) else _DEFAULTS.arrays
    for name in names:
        if getattr(options, name) != getattr(defaults, name):
            option = _OPTIONS.get(name, name).replace("_", "-")
            raise ConfigurationError(f"{finding} {option}", f"leave --{option} out")
