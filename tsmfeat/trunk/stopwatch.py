"""How long a device computes, measured without making it wait."""

import time

import torch

_Moment = float | torch.cuda.Event


class Stopwatch:
    """One span of a device's work: made where it begins, stopped where it ends, read when the work is done.

    Parameters
    ----------
    device
        On the CPU the span is wall time; on CUDA it lies between two marks in the device's queue.

    Examples
    --------
    >>> watch = Stopwatch(torch.device("cpu"))
    >>> watch.stop()
    >>> 0 <= watch.read_once() < 1, watch.read_once()
    (True, 0.0)
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._began = self._now()
        self._ended: _Moment | None = None

    def stop(self) -> None:
        """End the span."""
        self._ended = self._now()

    def read_once(self) -> float:
        """Return the span's seconds, and 0 from then on.

        On CUDA the device must have passed the span's end: a copy enqueued after it has arrived.
        """
        began, ended = self._began, self._ended
        self._ended = None
        if isinstance(began, float) and isinstance(ended, float):
            return ended - began
        if isinstance(began, torch.cuda.Event) and isinstance(ended, torch.cuda.Event):
            return float(began.elapsed_time(ended)) / 1000
        return 0.0

    def _now(self) -> _Moment:
        if self._device.type != "cuda":
            return time.perf_counter()
        event: torch.cuda.Event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._device))
        return event
