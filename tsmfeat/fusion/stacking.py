"""The segments of several models, one after another, with the names they share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsmfeat.kernels.rows import Rows, empty_rows, first_rows, halve_rows, scale_rows
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Stack:
    """Segments of several models under common names.

    Parameters
    ----------
    video_ids, actions, scenes
        All that occur, by first appearance.
    rows
        The segments of the first model, then those of the second, and so on; bounds in whole units.
    owners
        int32 (N,): the model of each row.
    spare
        Room as long as the rows, for whoever needs it first.
    unit
        Units in a second.
    """

    video_ids: tuple[str, ...]
    actions: Vocabulary
    scenes: Vocabulary
    rows: Rows
    owners: npt.NDArray[np.int32]
    spare: Rows
    unit: float

    def to_segments(self, rows: Rows) -> Segments:
        """Return rows as segments in seconds, in memory of their own, so that they do not keep all the room alive."""
        start, end = rows.start / self.unit, rows.end / self.unit
        # Adding 0 turns -0 into 0; in place, since fresh memory costs more than the sum.
        start += 0.0
        end += 0.0
        return Segments(rows.video.copy(), rows.label.copy(), start, end, rows.score.copy())


def stack_models(models: Sequence[Predictions], decimals: int) -> Stack:
    """Lay models' segments one after another, bounds rounded, and leave out what has no length or is not finite.

    Parameters
    ----------
    models
        Their videos, actions and scenes are found by name.
    decimals
        Of a second.
    """
    video_ids = _list_names(model.video_ids for model in models)
    actions = Vocabulary(_list_names(model.vocabulary.names for model in models))
    scenes = Vocabulary(_list_names(model.scene_vocabulary.names for model in models))
    unit = float(10**decimals)
    # Room for the rows and what becomes of them at once: fresh memory costs as much as the work on it.
    room, spare = halve_rows(empty_rows(2 * sum(len(model.segments) for model in models)))
    place_of = {name: place for place, name in enumerate(video_ids)}
    owners = np.empty(len(room.score), np.int32)
    count = 0
    for number, model in enumerate(models):
        found = model.segments
        maps = (
            np.array([place_of[name] for name in model.video_ids], np.int32),
            actions.ids_of(model.vocabulary.names),
        )
        rows = Rows(found.video, found.label, found.start, found.end, found.score)
        # What overflows becomes infinite and is left out with the rest that is not finite.
        with np.errstate(over="ignore"):
            after = scale_rows(rows, maps, unit, room, count)
        owners[count:after] = number
        count = after
    return Stack(video_ids, actions, scenes, first_rows(room, count), owners[:count], spare, unit)


def _list_names(lists: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in lists for name in names))
