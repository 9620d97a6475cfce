"""What an extraction spent its time on, and which part of it the others waited for."""

from dataclasses import dataclass, field

from tsmfeat.video.tasks import ReadEffort


@dataclass
class RunEffort:
    """Seconds of the parts of a run; filled on the way.

    Parameters
    ----------
    num_readers
        Reader processes.
    parts
        Wall seconds of the main process: ``"wait"`` for clips, ``"embed"``, ``"store"``.
    reader_seconds, reader_waiting_seconds
        Over all videos read: in the reader, and of these with all slots full.
    reader_peak_bytes
        Largest resident memory of a reader.
    device_seconds
        Computing on the device, the busiest one where there are several.
    seconds
        Wall time from the first reader's start to the last published part.

    Examples
    --------
    >>> effort = RunEffort(num_readers=2, reader_seconds=20.0, reader_waiting_seconds=14.0, seconds=10.0)
    >>> effort.device_seconds, effort.parts["store"] = 9.0, 0.5
    >>> effort.busy_shares(), effort.limited_by()
    ({'decode': 0.3, 'device': 0.9, 'disk': 0.05}, 'device')
    """

    num_readers: int = 0
    parts: dict[str, float] = field(default_factory=dict)
    reader_seconds: float = 0.0
    reader_waiting_seconds: float = 0.0
    reader_peak_bytes: int = 0
    device_seconds: float = 0.0
    seconds: float = 0.0

    def add(self, effort: ReadEffort) -> None:
        """Count a video's reading."""
        self.reader_seconds += effort.seconds
        self.reader_waiting_seconds += effort.waiting_seconds
        self.reader_peak_bytes = max(self.reader_peak_bytes, effort.peak_bytes)

    def busy_shares(self) -> dict[str, float]:
        """Return which share of the run each part was at work: the readers together, the device, the disk."""
        if not self.seconds:
            return {}
        decoding = (self.reader_seconds - self.reader_waiting_seconds) / max(self.num_readers, 1)
        busy = {"decode": decoding, "device": self.device_seconds, "disk": self.parts.get("store", 0.0)}
        return {part: min(max(seconds / self.seconds, 0.0), 1.0) for part, seconds in busy.items()}

    def limited_by(self) -> str:
        """Return the busiest part: a faster one would shorten the run. Empty where nothing was read."""
        shares = self.busy_shares()
        return max(shares, key=lambda part: shares[part]) if self.reader_seconds else ""
