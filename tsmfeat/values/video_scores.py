"""Scores of whole videos: how much of each class there is in them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError
from tsmfeat.values.annotations import require_unique_video_ids
from tsmfeat.values.vocabulary import Vocabulary

# Sums over classes and videos stay finite below it.
_HIGHEST_SCORE = 1e100


@dataclass(frozen=True, eq=False)
class VideoScores:
    """A score per video and class.

    Parameters
    ----------
    video_ids
        V unique names.
    vocabulary
        K actions or scenes.
    scores
        float64 (V, K): 0 or more; NaN where nothing is said.

    Raises
    ------
    InputError
        Another shape, a video id twice, or a score that is negative or above 1e100.

    Examples
    --------
    >>> VideoScores(("a",), Vocabulary(("run", "eat")), np.array([[0.75, 0.25]])).scores.shape
    (1, 2)
    """

    video_ids: tuple[str, ...]
    vocabulary: Vocabulary
    scores: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        """Check the shape and the numbers."""
        object.__setattr__(self, "scores", np.asarray(self.scores, np.float64))
        expected = (require_unique_video_ids(self.video_ids), len(self.vocabulary))
        if self.scores.shape != expected:
            raise InputError(f"video scores of shape {self.scores.shape}; expected {expected}", "")
        bad = np.argwhere((self.scores < 0) | (self.scores > _HIGHEST_SCORE))
        if len(bad):
            video, label = bad[0].tolist()
            raise InputError(
                f"video {self.video_ids[video]!r}, class {self.vocabulary.names[label]!r}: score "
                f"{self.scores[video, label]}; a score of a video is a number from 0 to {_HIGHEST_SCORE:g}",
                "give probabilities, not their logarithms",
            )

    def align(self, video_ids: tuple[str, ...], vocabulary: Vocabulary) -> npt.NDArray[np.float64]:
        """Return the scores of other videos and classes, by name; NaN where nothing is said.

        Parameters
        ----------
        video_ids
            V' names.
        vocabulary
            K' names.

        Returns
        -------
        float64 (V', K')
        """
        place_of = {name: place for place, name in enumerate(self.video_ids)}
        rows = np.array([place_of.get(name, -1) for name in video_ids], np.int64)
        columns = self.vocabulary.ids_of(vocabulary.names, unknown=-1)
        # A last row and column of NaN: what index -1 finds.
        padded = np.pad(self.scores, ((0, 1), (0, 1)), constant_values=np.nan)
        found: npt.NDArray[np.float64] = padded[np.ix_(rows, columns)]
        return found
