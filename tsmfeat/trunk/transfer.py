"""Frames to the device and embeddings back, without making the device wait."""

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

NUM_BUFFERS = 2

_Clips = npt.NDArray[np.uint8] | Tensor


@dataclass
class _Buffer:
    pixels: Tensor
    copied: torch.cuda.Event | None = None


class UploadBuffers:
    """Two batches of page-locked memory: one is filled while the device still copies the other.

    On the CPU the memory is ordinary and the batch is used where it lies.

    Parameters
    ----------
    device
        Where batches go.
    batch_size
        Largest number of clips.
    """

    def __init__(self, device: torch.device, batch_size: int) -> None:
        self._device = device
        self._batch_size = batch_size
        self._buffers: deque[_Buffer] = deque()

    def upload(self, clips: _Clips, pad: bool) -> Tensor:
        """Copy clips to the device, through the buffer used least recently.

        Parameters
        ----------
        clips
            uint8 ``[n, ...]``, n at most `batch_size`.
        pad
            Whether rows of zeros fill the batch up.

        Returns
        -------
        Tensor
            uint8 on the device, of n rows, or of `batch_size` rows if padded. On the CPU it is the buffer itself,
            good until the next but one upload.
        """
        rows = self._batch_size if pad else len(clips)
        buffer = self._free_buffer((self._batch_size, *clips.shape[1:]))
        pixels = buffer.pixels.numpy()
        pixels[: len(clips)] = clips.numpy(force=True) if isinstance(clips, Tensor) else clips
        pixels[len(clips) : rows] = 0
        batch = buffer.pixels[:rows].to(self._device, non_blocking=True)
        buffer.copied = mark(self._device)
        return batch

    def clear(self) -> None:
        """Free the memory."""
        self._buffers.clear()

    def _free_buffer(self, shape: tuple[int, ...]) -> _Buffer:
        if not self._buffers or self._buffers[0].pixels.shape != shape:
            self._buffers = deque(_Buffer(_host_memory(shape, torch.uint8, self._device)) for _ in range(NUM_BUFFERS))
        self._buffers.rotate()
        wait(self._buffers[0].copied)
        return self._buffers[0]


def download(rows: Tensor) -> tuple[Tensor, torch.cuda.Event | None]:
    """Begin to copy a tensor to the host.

    Returns
    -------
    host, done
        The copy, complete once `wait` of `done` returns.
    """
    host = _host_memory(tuple(rows.shape), rows.dtype, rows.device)
    host.copy_(rows, non_blocking=True)
    return host, mark(rows.device)


def mark(device: torch.device) -> torch.cuda.Event | None:
    """Mark this place in a CUDA device's queue of work; the CPU has no queue."""
    return torch.cuda.current_stream(device).record_event() if device.type == "cuda" else None


def wait(event: torch.cuda.Event | None) -> None:
    """Wait until the device has passed a mark."""
    if event is not None:
        event.synchronize()


def _host_memory(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.empty(shape, dtype=dtype, pin_memory=device.type == "cuda")
