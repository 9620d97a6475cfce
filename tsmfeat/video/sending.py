"""A reader's side of the shared slots: clips are gathered in a slot, a full slot is handed to the parent."""

from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.video.slots import Pulse
from tsmfeat.video.tasks import SlotFilled


@dataclass
class _Filling:
    slot: int
    first_interval: int
    clips: npt.NDArray[np.uint8]
    count: int = 0


class ClipSender:
    """Writes clips to free slots and waits for one where the parent holds them all.

    Parameters
    ----------
    inbox, outbox
        Numbers of released slots come in; `SlotFilled` goes out.
    slots
        uint8 (num_slots, slot_bytes), shared with the parent.
    pulse
        Told while it waits for a slot.
    """

    def __init__(
        self, inbox: "Connection[Any, Any]", outbox: "Connection[Any, Any]", slots: npt.NDArray[np.uint8], pulse: Pulse
    ) -> None:
        self._pulse = pulse
        self._inbox = inbox
        self._outbox = outbox
        self._slots = slots
        self._free = list(range(len(slots)))
        # One slot a recipe is being filled.
        self._filling: dict[int, _Filling] = {}

    def give_back(self, slot: int) -> None:
        """Count a slot as free again."""
        self._free.append(slot)

    def add(self, key: int, recipe_index: int, interval: int, clip: list[npt.NDArray[np.uint8]]) -> None:
        """Write the next clip of a recipe; hand its slot over when no further clip fits."""
        if recipe_index not in self._filling:
            slot = self._take_slot(key)
            self._filling[recipe_index] = _Filling(slot, interval, self._as_clips(slot, clip))
        filling = self._filling[recipe_index]
        for place, frame in enumerate(clip):
            filling.clips[filling.count, place] = frame
        filling.count += 1
        if filling.count == len(filling.clips):
            self._hand_over(key, recipe_index)

    def flush(self, key: int) -> None:
        """Hand every begun slot over."""
        for recipe_index in sorted(self._filling):
            self._hand_over(key, recipe_index)

    def discard(self) -> None:
        """Forget the clips that were not handed over."""
        self._free += [filling.slot for filling in self._filling.values()]
        self._filling.clear()

    def _as_clips(self, slot: int, clip: list[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
        clip_bytes = len(clip) * clip[0].size
        capacity = self._slots.shape[1] // clip_bytes
        return self._slots[slot, : capacity * clip_bytes].reshape(capacity, len(clip), *clip[0].shape)

    def _take_slot(self, key: int) -> int:
        if not self._free and self._filling:
            # With more recipes than slots, waiting while holding begun slots could wait for ever.
            self._hand_over(key, max(self._filling, key=lambda recipe_index: self._filling[recipe_index].count))
        while not self._free:
            with self._pulse.waiting():
                slot = self._inbox.recv()
            self.give_back(slot)
        return self._free.pop()

    def _hand_over(self, key: int, recipe_index: int) -> None:
        filling = self._filling.pop(recipe_index)
        _, num_frames, height, width, channels = filling.clips.shape
        shape = (filling.count, num_frames, height, width, channels)
        self._outbox.send(SlotFilled(key, recipe_index, filling.first_interval, filling.slot, shape))
