"""The reader process: takes one video at a time, sends its clips, reports what happened.

It imports no torch, unless torchcodec is asked for. It ignores SIGINT and SIGTERM, since its parent decides when to
stop, and ends at once when its parent does: the parent holds the other end of its standard input.
"""

import json
import os
import resource
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import TsmfeatError
from tsmfeat.values.features import Decoder, VideoStatus
from tsmfeat.video.assembling import assemble_clips, wanted_frames
from tsmfeat.video.clips import distinct_frames, plan_clips_ticks
from tsmfeat.video.decoding import VideoDecoder, choose_decoder
from tsmfeat.video.decord_decoding import DecoderError, DecordDecoder
from tsmfeat.video.opening import require_file, require_unchanged
from tsmfeat.video.probing import VideoProbe, probe_video
from tsmfeat.video.pyav_decoding import PyAVDecoder
from tsmfeat.video.quality import ReadQuality, require_complete, require_whole_file
from tsmfeat.video.sending import ClipSender
from tsmfeat.video.slots import STOP_SIGNALS, Pulse, map_memory
from tsmfeat.video.tasks import ReadEffort, ReadTask, VideoFailed, VideoOpened, VideoRead
from tsmfeat.video.torchcodec_decoding import DecoderLackError, TorchcodecDecoder

_NAMES = {PyAVDecoder: Decoder.PYAV, DecordDecoder: Decoder.DECORD, TorchcodecDecoder: Decoder.TORCHCODEC}


def run_reader() -> None:
    """Serve until the parent closes its end; the entry point of the process.

    The first argument is JSON: descriptors ``inbox``, ``outbox`` and ``memory``, ``slot_bytes`` and ``memory_bytes``.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    # The parent held them back while this process began: now they may come, and do nothing.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    setting = json.loads(sys.argv[1])
    slots, pulse = map_memory(setting["memory"], setting["slot_bytes"])
    limit_memory(setting["memory_bytes"])
    pulse.beat()
    inbox: Connection[Any, Any] = Connection(setting["inbox"], writable=False)
    outbox: Connection[Any, Any] = Connection(setting["outbox"], readable=False)
    serve_tasks(inbox, outbox, slots, pulse)


def serve_tasks(
    inbox: "Connection[Any, Any]", outbox: "Connection[Any, Any]", slots: npt.NDArray[np.uint8], pulse: Pulse
) -> None:
    """Answer every `ReadTask` of the inbox until it is closed.

    Parameters
    ----------
    inbox
        Tasks, and numbers of slots the parent has released.
    outbox
        For each task `VideoOpened`, `SlotFilled` as needed, and `VideoRead`; or `VideoFailed` at any point.
    slots
        uint8 (num_slots, slot_bytes), shared with the parent.
    pulse
        Signs of life, shared too.
    """
    sender = ClipSender(inbox, outbox, slots, pulse)
    try:
        while True:
            message = inbox.recv()
            if isinstance(message, ReadTask):
                pulse.beat()
                outbox.send(_answer(message, sender, outbox, pulse))
            else:
                sender.give_back(message)
    except (EOFError, BrokenPipeError):
        # The parent has left: nothing remains to be done.
        return


def limit_memory(num_bytes: int) -> None:
    """Let this process use so much memory of its own (shared slots and libraries do not count), where that is known.

    Beyond it, memory is refused: a damaged or huge video costs itself, not the machine.
    """
    # The address space, the only measure elsewhere, would count libraries and reserved stacks too.
    if sys.platform == "linux":
        # A limit that is tighter already stays: only the system may raise it.
        given = [num_bytes, *(limit for limit in resource.getrlimit(resource.RLIMIT_DATA) if limit >= 0)]
        resource.setrlimit(resource.RLIMIT_DATA, (min(given), min(given)))


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(0)


def _answer(
    task: ReadTask, sender: ClipSender, outbox: "Connection[Any, Any]", pulse: Pulse
) -> VideoRead | VideoFailed:
    stage = "probe"
    began, waited = time.monotonic(), pulse.waited_seconds
    try:
        path = Path(task.path)
        before = require_file(path)
        probe = probe_video(path, pulse.beat)
        if not task.allow_partial:
            require_whole_file(probe)
        plans = _plan(task, probe)
        decoder = choose_decoder(probe, task.decoder, [recipe.resizing for recipe in task.recipes], pulse.beat)
        outbox.send(_opened(task, probe, plans, decoder))
        if task.only_open:
            return VideoRead(task.key, ReadQuality(0, 0, 0, VideoStatus.COMPLETE))
        stage = "decode"
        quality = _send_clips(task, probe, plans, decoder, sender)
        require_unchanged(path, before)
        return VideoRead(task.key, quality, _effort(time.monotonic() - began, pulse.waited_seconds - waited))
    except DecoderLackError as error:
        return VideoFailed(task.key, stage, error.message, error.hint, lacking=True)
    except TsmfeatError as error:
        return VideoFailed(task.key, stage, error.message, error.hint, isinstance(error, DecoderError))
    except MemoryError:
        reason = f"{task.path}: reading it takes more memory than a reader may use"
        return VideoFailed(task.key, stage, reason, "give it more: --reader-memory 8", broke_down=True)
    except (EOFError, BrokenPipeError):
        raise
    except Exception as error:  # noqa: BLE001 - whatever a decoder throws costs its one video, never the reader
        return VideoFailed(task.key, stage, f"{task.path}: {type(error).__name__}: {error}", broke_down=True)
    finally:
        sender.discard()


def _effort(seconds: float, waiting_seconds: float) -> ReadEffort:
    return ReadEffort(seconds, waiting_seconds, _peak_bytes())


def _peak_bytes() -> int:
    try:
        # Not `getrusage`: it counts the parent's memory too, from the moment between fork and exec.
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak * (1 if sys.platform == "darwin" else 1024)


def _plan(task: ReadTask, probe: VideoProbe) -> list[npt.NDArray[np.int64]]:
    return [
        plan_clips_ticks(
            probe.ticks, probe.tick_seconds, probe.grid(recipe.step_seconds), recipe.num_frames, recipe.clip_seconds
        )
        for recipe in task.recipes
    ]


def _opened(
    task: ReadTask, probe: VideoProbe, plans: list[npt.NDArray[np.int64]], decoder: VideoDecoder
) -> VideoOpened:
    return VideoOpened(
        key=task.key,
        duration_seconds=probe.duration_seconds,
        start_seconds=probe.start_seconds,
        source_size=probe.source_size,
        num_intervals=tuple(len(plan) for plan in plans),
        distinct_frames=tuple(distinct_frames(plan) for plan in plans),
        decoder=_NAMES[type(decoder)],
    )


def _send_clips(
    task: ReadTask,
    probe: VideoProbe,
    plans: list[npt.NDArray[np.int64]],
    decoder: VideoDecoder,
    sender: ClipSender,
) -> ReadQuality:
    resizings = [recipe.resizing for recipe in task.recipes]
    with decoder as opened:
        pictures = opened.pictures(wanted_frames(plans))
        for recipe_index, interval, clip in assemble_clips(pictures, plans, resizings):
            sender.add(task.key, recipe_index, interval, clip)
        quality = opened.quality(task.max_bad)
    if not task.allow_partial:
        require_complete(probe, quality)
    sender.flush(task.key)
    return quality
