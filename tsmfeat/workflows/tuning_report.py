"""What a search for the best post-processing found, and what the find is worth on videos that did not choose it."""

from dataclasses import asdict, dataclass
from typing import Any

from tsmfeat.workflows.tune_options import TuneOptions
from tsmfeat.workflows.tuning_gain import HeldOutGain
from tsmfeat.workflows.tuning_settings import Setting, Value, value_text


@dataclass(frozen=True)
class OptionReport:
    """One option of the search.

    Parameters
    ----------
    name
        As the commands name it.
    default, chosen
        Its value before, and the one of the best setting.
    of_folds
        The value chosen without each fold.
    best_scores
        For each value the best final score, on all videos, of the settings tried that have it; NaN: none was tried.
    is_idle
        Whether it has no say beside the other options chosen.
    """

    name: str
    default: Value
    chosen: Value
    of_folds: tuple[Value, ...]
    best_scores: tuple[tuple[Value, float], ...]
    is_idle: bool

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object; values are texts as `--search` takes them."""
        return {
            "option": self.name,
            "default": value_text(self.default),
            "chosen": value_text(self.chosen),
            "of_folds": [value_text(value) for value in self.of_folds],
            "best_scores": [
                {"value": value_text(value), "final_score": score if score == score else None}
                for value, score in self.best_scores
            ],
            "is_idle": self.is_idle,
        }


@dataclass(frozen=True, eq=False)
class TuneReport:
    """What `tune` found.

    Parameters
    ----------
    sources
        What was post-processed.
    setting
        The best setting on all videos.
    default_score
        Final score of the setting where the search starts.
    optimistic_score
        Of `setting` on the videos that chose it.
    pooled_score
        Of all videos, each with the setting that the other folds chose, ranked together. Too low where the settings
        give scores of different scales.
    held_out
        The same fold by fold, and what is gained: the honest number.
    searched
        Each option.
    num_settings, num_possible
        Different settings graded, and points of the space.
    is_exhaustive
        Whether all were graded.
    num_videos, num_folds
        Annotated videos, and folds of them.
    search_seconds, seconds
        Wall time of the search, and of everything.
    out
        The file written; empty: none.
    is_kept
        Whether what was written is `setting`; otherwise it is the default, since nothing was gained.
    options
        As resolved.
    """

    sources: tuple[str, ...]
    setting: Setting
    default_score: float
    optimistic_score: float
    pooled_score: float
    held_out: HeldOutGain
    searched: tuple[OptionReport, ...]
    num_settings: int
    num_possible: int
    is_exhaustive: bool
    num_videos: int
    num_folds: int
    search_seconds: float
    seconds: float
    out: str
    is_kept: bool
    options: TuneOptions

    @property
    def honest_gain(self) -> float:
        """What the choice is worth on videos that it was not made on."""
        return self.held_out.gain

    @property
    def settings_per_minute(self) -> float:
        """Settings graded in a minute of wall time."""
        return 60 * self.num_settings / max(self.search_seconds, 1e-9)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``tsmfeat tune --json``."""
        return {
            "out": self.out,
            "sources": list(self.sources),
            "default_score": self.default_score,
            "optimistic_score": self.optimistic_score,
            "optimistic_gain": self.optimistic_score - self.default_score,
            "honest_default_score": self.held_out.default_score,
            "honest_score": self.held_out.tuned_score,
            "honest_gain": self.honest_gain,
            "honest_gain_interval": list(self.held_out.interval),
            "is_distinguishable": self.held_out.is_distinguishable,
            "default_of_folds": [None if score != score else score for score in self.held_out.default_of_folds],
            "tuned_of_folds": [None if score != score else score for score in self.held_out.tuned_of_folds],
            "pooled_score": self.pooled_score,
            "is_kept": self.is_kept,
            "setting": asdict(self.setting),
            "searched": [each.to_dict() for each in self.searched],
            "num_settings": self.num_settings,
            "num_possible": self.num_possible,
            "is_exhaustive": self.is_exhaustive,
            "num_videos": self.num_videos,
            "num_folds": self.num_folds,
            "search_seconds": self.search_seconds,
            "settings_per_minute": self.settings_per_minute,
            "options": asdict(self.options),
            "seconds": self.seconds,
        }
