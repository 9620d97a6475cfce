"""From frames in order to clips in order: every frame is resized once a way, whatever the number of plans."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from tsmfeat.video.pictures import Picture, Resizing


def wanted_frames(plans: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """Return the source frames any of the plans needs, ascending and unique.

    Examples
    --------
    >>> wanted_frames([np.array([[0, 2], [2, 5]]), np.array([[1, 5]])]).tolist()
    [0, 1, 2, 5]
    """
    return np.unique(np.concatenate([plan.ravel() for plan in plans]))


def assemble_clips(
    pictures: Iterable[tuple[int, Picture]],
    plans: Sequence[npt.NDArray[np.int64]],
    resizings: Sequence[Resizing],
) -> Iterator[tuple[int, int, list[npt.NDArray[np.uint8]]]]:
    """Put frames together to clips, as soon as a clip's last frame has come.

    Parameters
    ----------
    pictures
        Index and picture, ascending: every frame of `wanted_frames`.
    plans
        int64 (count, T) each, of `tsmfeat.video.clips.plan_clips_ticks`.
    resizings
        One a plan.

    Yields
    ------
    plan_index, interval, clip
        Intervals of a plan ascending; a clip is the list of its T resized frames.
    """
    makers = [_ClipMaker(plan) for plan in plans]
    for index, picture in pictures:
        resized: dict[Resizing, npt.NDArray[np.uint8]] = {}
        for plan_index, (maker, resizing) in enumerate(zip(makers, resizings, strict=True)):
            if not maker.needs(index):
                continue
            if resizing not in resized:
                resized[resizing] = picture.resized(resizing)
            for interval, clip in maker.add(index, resized[resizing]):
                yield plan_index, interval, clip


class _ClipMaker:
    """Holds the frames of one plan until the last clip that needs them is complete."""

    def __init__(self, plan: npt.NDArray[np.int64]) -> None:
        self._plan = plan
        self._needed = frozenset(plan.ravel().tolist())
        self._held: dict[int, npt.NDArray[np.uint8]] = {}
        self._next = 0

    def needs(self, index: int) -> bool:
        return index in self._needed

    def add(self, index: int, frame: npt.NDArray[np.uint8]) -> Iterator[tuple[int, list[npt.NDArray[np.uint8]]]]:
        self._held[index] = frame
        while self._next < len(self._plan) and self._plan[self._next, -1] <= index:
            yield self._next, [self._held[i] for i in self._plan[self._next].tolist()]
            self._next += 1
            self._forget()

    def _forget(self) -> None:
        first = self._plan[self._next, 0] if self._next < len(self._plan) else None
        for index in list(self._held):
            if first is not None and index >= first:
                return
            del self._held[index]
