"""Clips of uint8 frames become float16 embeddings, batch by batch on one device."""

from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.trunk.compiling import compile_network
from tsmfeat.trunk.device import exact_convolutions, exact_products
from tsmfeat.trunk.folding import prepare_network
from tsmfeat.trunk.protocol import Trunk
from tsmfeat.trunk.stopwatch import Stopwatch
from tsmfeat.trunk.transfer import NUM_BUFFERS, UploadBuffers, download, wait

FLOAT16_MAX = 65504.0

Clips = npt.NDArray[np.uint8] | Tensor
Embeddings = npt.NDArray[np.float16]

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Embedder:
    """A trunk on a device, ready for clips: call it, or `start` a batch and fetch its embeddings later.

    A copy of the trunk with folded norms is used; the trunk itself is left as it is. Leaving the context frees the
    device's memory.

    Parameters
    ----------
    trunk
        Any that meets the protocol, in eval mode; its mean and std normalise the frames.
    device
        Resolved: ``"cpu"`` or ``"cuda:N"`` (`tsmfeat.trunk.device.resolve_device`).
    precision
        Resolved: ``"fp32"`` (TF32 is off), ``"bf16"`` or ``"fp16"`` (autocast).
    batch_size
        Clips in one forward pass.
    pad
        Whether a smaller batch is filled up with zeros to `batch_size`, so that the device sees one shape only.
        `None`: on CUDA, where a new shape costs a new choice of kernels; on the CPU it would only be lost work.
    num_rolls
        K: a clip's embedding is the mean over K copies of it, the k-th with its frames rolled by ``k·W // K`` columns.
        A panorama has no left end: this is a test-time crop for it. A linear head's scores are the mean of its scores.

    Attributes
    ----------
    busy_seconds
        How long the device computed for the batches fetched so far: from a forward pass's beginning on the device to
        its end, copies left out.

    Raises
    ------
    ConfigurationError
        Fewer than one roll, or a trunk that is no torch module.

    Examples
    --------
    >>> from tsmfeat.trunk.tsm import build_trunk
    >>> with Embedder(build_trunk("resnet18", num_frames=2), "cpu", "fp32", batch_size=4) as embed:
    ...     embeddings = embed(np.zeros((5, 2, 32, 32, 3), np.uint8))
    >>> embeddings.shape, embeddings.dtype
    ((5, 512), dtype('float16'))
    """

    def __init__(
        self,
        trunk: Trunk,
        device: str,
        precision: str,
        batch_size: int,
        pad: bool | None = None,
        num_rolls: int = 1,
    ) -> None:
        if num_rolls < 1:
            raise ConfigurationError(f"{num_rolls} rolls; a clip is embedded at least once", "use num_rolls 1")
        self.num_rolls = num_rolls
        self.num_frames, self.embedding_size = trunk.num_frames, trunk.embedding_size
        self.batch_size = batch_size
        self.busy_seconds = 0.0
        self._device = torch.device(device)
        self._dtype = _DTYPES[precision]
        self._pad = self._device.type == "cuda" if pad is None else pad
        self._network: nn.Module | None = prepare_network(trunk).to(self._device)
        mean, std = torch.tensor((trunk.mean, trunk.std), dtype=torch.float64).view(2, 3, 1, 1)
        self._scale = (1 / (255 * std)).to(self._device, torch.float32)
        self._offset = (-mean / std).to(self._device, torch.float32)
        self._buffers = UploadBuffers(self._device, batch_size)

    def compile(self) -> None:
        """Have torch compile the forward pass, at the first batch; from now on batches are padded to one shape.

        Raises
        ------
        EnvironmentLackError
            No compiler works here; nothing has changed then.
        """
        if self._network is not None:
            compile_network(self._network, self._device)
            self._pad = True

    def __enter__(self) -> Self:
        """Return the embedder itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free the network and the buffers."""
        self._network = None
        self._buffers.clear()

    def __call__(self, clips: Clips) -> Embeddings:
        """Embed any number of clips.

        Parameters
        ----------
        clips
            uint8 ``[n, num_frames, H, W, 3]``, RGB; n may be 0.

        Returns
        -------
        numpy.ndarray
            float16 ``(n, D)``.

        Raises
        ------
        InputError
            Another shape or dtype, or an embedding that float16 cannot hold.
        """
        self._require_clips(clips)
        rows = [np.empty((0, self.embedding_size), np.float16)]
        waiting: deque[Callable[[], npt.NDArray[np.float32]]] = deque()
        for first in range(0, len(clips), self.batch_size):
            waiting.append(self.start(clips[first : first + self.batch_size]))
            # One batch is filled while the device works on the other.
            if len(waiting) == NUM_BUFFERS:
                rows.append(to_float16(waiting.popleft()()))
        rows.extend(to_float16(fetch()) for fetch in waiting)
        return np.concatenate(rows)

    def start(self, clips: Clips) -> Callable[[], npt.NDArray[np.float32]]:
        """Begin to embed one batch; on CUDA this returns before the device is done.

        Parameters
        ----------
        clips
            uint8 ``[n, num_frames, H, W, 3]``, RGB, with n from 1 to `batch_size`. They are copied: the caller may
            fill the array again at once.

        Returns
        -------
        callable
            Waits for the device and returns float32 ``(n, D)``, before rounding: one clip that float16 cannot hold
            must not spoil the others of its batch.

        Raises
        ------
        InputError
            Another shape or dtype.
        """
        self._require_clips(clips)
        if self._network is None or not 1 <= len(clips) <= self.batch_size:
            found = "after the embedder was closed" if self._network is None else f"of {len(clips)} clips"
            raise InputError(f"a batch {found}; expected 1 to {self.batch_size} clips", "split the clips")
        with torch.inference_mode():
            batch = self._buffers.upload(clips, self._pad)
            watch = Stopwatch(self._device)
            embeddings = self._forward(self._network, batch)
            watch.stop()
            host, done = download(embeddings[: len(clips)])

        def fetch() -> npt.NDArray[np.float32]:
            wait(done)
            self.busy_seconds += watch.read_once()
            rows: npt.NDArray[np.float32] = host.numpy()
            return rows

        return fetch

    def reduce_batch(self, batch_size: int) -> None:
        """Take smaller batches from now on, and give back the memory that larger ones had."""
        self.batch_size = batch_size
        self._buffers = UploadBuffers(self._device, batch_size)
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _require_clips(self, clips: Clips) -> None:
        uint8 = clips.dtype in (np.uint8, torch.uint8)
        if not uint8 or clips.ndim != 5 or clips.shape[1] != self.num_frames or clips.shape[4] != 3:
            raise InputError(
                f"clips are {clips.dtype} of shape {tuple(clips.shape)}; "
                f"expected uint8 (n, {self.num_frames}, H, W, 3)",
                "decode to RGB, num_frames frames a clip",
            )

    def _forward(self, network: nn.Module, batch: Tensor) -> Tensor:
        total = self._embed(network, batch)
        for roll in range(1, self.num_rolls):
            # Bytes are rolled rather than floats: a quarter of the traffic.
            total += self._embed(network, batch.roll(roll * batch.shape[3] // self.num_rolls, 3))
        return total / self.num_rolls if self.num_rolls > 1 else total

    def _embed(self, network: nn.Module, batch: Tensor) -> Tensor:
        # Moving the channels forward only renames the axes: the memory is channels_last as it comes.
        frames = batch.permute(0, 1, 4, 2, 3).to(torch.float32).mul_(self._scale).add_(self._offset)
        autocast = torch.autocast(self._device.type, self._dtype, enabled=self._dtype != torch.float32)
        # One static shape makes it worth while to look for its fastest kernels.
        with autocast, exact_convolutions(benchmark=self._pad), exact_products():
            embeddings: Tensor = network(frames).float()
        return embeddings


def to_float16(embeddings: npt.NDArray[np.float32]) -> Embeddings:
    """Round embeddings to what a store holds.

    Parameters
    ----------
    embeddings
        float32 ``(n, D)``.

    Returns
    -------
    numpy.ndarray
        float16 ``(n, D)``.

    Raises
    ------
    InputError
        NaN, infinity, or a value beyond 65504: the first such clip is named.

    Examples
    --------
    >>> to_float16(np.array([[0.5, 65504.0]], np.float32))
    array([[5.00e-01, 6.55e+04]], dtype=float16)
    """
    fits = (np.abs(embeddings) <= FLOAT16_MAX).all(axis=1)
    if not fits.all():
        clip = int(np.argmin(fits))
        largest = float(np.abs(embeddings[clip]).max())
        raise InputError(
            f"clip {clip} of the batch has an embedding of magnitude {largest:g}; float16 holds at most 65504",
            "use another checkpoint, or --precision bf16 or fp32 if it is fp16",
        )
    return embeddings.astype(np.float16)
