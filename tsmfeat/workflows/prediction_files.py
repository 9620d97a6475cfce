"""The file that predictions go into: may it be written, can its form hold them, writing it."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tsmfeat.errors import ConfigurationError, OutputError
from tsmfeat.files import make_folder
from tsmfeat.formats.reading import require_format
from tsmfeat.formats.writing import write_predictions
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.progress import Progress
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat.workflows.kinds import require_replaceable
from tsmfeat.workflows.predict_options import PredictOptions
from tsmfeat.workflows.score_options import FuseOptions


def require_prediction_output(out: Path) -> None:
    """Refuse an output that is something else already, or that cannot be written, before hours of work.

    Raises
    ------
    ConfigurationError
        A folder, or a file that holds no predictions.
    OutputError
        The folder cannot be written to.
    """
    if out.is_dir():
        raise ConfigurationError(f"{out}: a folder; predictions go into a file", f"use -o {out / 'predictions.json'}")
    require_replaceable(out, "predictions")
    folder = out.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not (folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        raise OutputError(f"{folder}: cannot be written to", "choose another folder with -o")


def rehearse_writing(out: Path, vocabularies: Iterable[Vocabulary], options: PredictOptions) -> None:
    """Write one segment of every class to a passing file of the same name: what cannot be written shows at once.

    Parameters
    ----------
    out
        The prediction file.
    vocabularies
        Those of the heads.
    options
        Form, classes and sample.

    Raises
    ------
    ConfigurationError
        An unknown form, or none that the name tells.
    InputError
        A class without an id where the form holds ids, or classes or a sample that cannot be read.
    """
    names = tuple(dict.fromkeys(name for vocabulary in vocabularies for name in vocabulary.names))
    label, zeros = np.arange(len(names), dtype=np.int32), np.zeros(len(names))
    segments = Segments(np.zeros_like(label), label, zeros, zeros + 1, zeros)
    with tempfile.TemporaryDirectory(prefix="tsmfeat-predict-") as folder:
        _write(Predictions(("rehearsal",), Vocabulary(names), segments), Path(folder, out.name), options)


def write_prediction_file(
    found: Predictions, out: Path, options: PredictOptions | FuseOptions, progress: Progress
) -> None:
    """Write predictions whole, and tell what the form cannot hold; the folder is made if needed.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    make_folder(out.parent)
    for loss in _write(found, out, options):
        progress.warn(f"{out}: its form cannot hold {loss}")


def _write(found: Predictions, path: Path, options: PredictOptions | FuseOptions) -> tuple[str, ...]:
    name = require_format(options.format_name, "predictions") if options.format_name else None
    return write_predictions(found, path, name, options.classes or None, options.sample or None)
