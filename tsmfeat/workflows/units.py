"""What is scored as one: a whole video, or a bin of ten seconds; the two are never mixed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tsmfeat.errors import ConfigurationError
from tsmfeat.formats.binego360_bins import join_pieces
from tsmfeat.formats.recognition import holds_bins
from tsmfeat.metrics.resampling import Population
from tsmfeat.priors.options import AUTO
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.workflows.bins import BinnedPredictions, Bins, cut_annotations, cut_predictions
from tsmfeat.workflows.score_options import ScoreOptions
from tsmfeat.workflows.video_priors import Source


@dataclass(frozen=True, eq=False)
class View:
    """What predictions are judged by.

    Parameters
    ----------
    annotations
        A video a unit.
    bins
        How videos were cut; None where they are whole.
    every_bin
        Whether what is predicted in bins without truth counts.
    """

    annotations: Annotations
    bins: Bins | None = None
    every_bin: bool = False

    @property
    def population(self) -> Population:
        """What test sets are drawn from: whole videos, the bins of one always together."""
        if self.bins is None:
            return Population.of(self.annotations)
        return Population(self.annotations, self.bins.owner)


def require_unit(path: str | Path, unit: str) -> bool:
    """Tell whether a file is in bins, and refuse one that is where whole videos are scored.

    Parameters
    ----------
    path
        A file or folder of annotations or predictions.
    unit
        One of ``tsmfeat.metrics.options.UNITS``.

    Raises
    ------
    ConfigurationError
        The file is in bins: its segments are cut to pieces, which would count as segments of whole videos.
    """
    in_bins = holds_bins(path)
    if in_bins and unit == "video":
        raise ConfigurationError(
            f"{path}: in bins of ten seconds, its segments cut at their edges; whole videos are to be scored",
            "use --unit bin10, or join the pieces first: tsmfeat convert IN OUT --pieces join",
        )
    return in_bins


_AS_NUMBERS = "what was chosen with --unit video can be given as numbers"


def require_whole_videos(options: ScoreOptions) -> None:
    """Refuse what would mix whole videos and bins: choices made on the one and scored on the other.

    Raises
    ------
    ConfigurationError
        Bins are scored, and something is asked for that is done on whole videos.
    """
    asked = {
        "--measures frames": "frames" in options.measures,
        "--weights learned": options.weights == "learned",
        "--gamma auto": options.prior.asked and options.prior.gamma == AUTO,
        "--compare-fusions": options.compare_fusions,
    }
    whole = [name for name, is_asked in asked.items() if is_asked]
    if options.unit != "video" and whole:
        raise ConfigurationError(
            f"{' and '.join(whole)} with --unit {options.unit}: done on whole videos",
            "leave one of the two out"
            + (f"; {_AS_NUMBERS}" if {"--weights learned", "--gamma auto"} & set(whole) else ""),
        )


def view_truth(truth: Annotations, unit: str, are_pieces: bool) -> View:
    """Return annotations in a unit.

    Parameters
    ----------
    truth
        Whole videos, or pieces from a file in bins.
    unit
        One of ``tsmfeat.metrics.options.UNITS``.
    are_pieces
        Whether they come from a file in bins.

    Raises
    ------
    InputError
        Nothing is left to score.
    """
    if unit == "video":
        return View(truth)
    bins = cut_annotations(truth, are_pieces)
    return View(bins.annotations, bins, every_bin=unit == "bin10-all")


def view_predictions(predictions: Predictions, view: View) -> BinnedPredictions:
    """Return predictions of whole videos in the unit of a view."""
    if view.bins is None:
        return BinnedPredictions(predictions, 0)
    return cut_predictions(predictions, view.bins, view.every_bin)


def join_sources(paths: Sequence[str], sources: Sequence[Source]) -> list[Source]:
    """Return sources with the pieces of files in bins made whole again, so that all are alike where they are fused."""
    return [
        replace(source, segments=join_pieces(source.segments))
        if isinstance(source, Predictions) and holds_bins(path)
        else source
        for path, source in zip(paths, sources, strict=True)
    ]
