"""Small video files made with PyAV; each frame has its number painted on, to be read back exactly."""

import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

HEIGHT, WIDTH, CELL = 48, 64, 16
NUM_BITS = (HEIGHT // CELL) * (WIDTH // CELL)
VP9 = {"deadline": "realtime", "cpu-used": "8"}
X264 = {"preset": "veryfast", "g": "20", "bf": "2"}


def paint(number):
    """Paint a number below 4096 as a grid of dark and light squares, the lowest bit first."""
    frame = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    for bit in range(NUM_BITS):
        row, column = divmod(bit, WIDTH // CELL)
        frame[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL] = 235 if number >> bit & 1 else 20
    return frame


def painted_number(frame):
    """Read the number of a painted frame of any size."""
    height, width = frame.shape[:2]
    number = 0
    for bit in range(NUM_BITS):
        row, column = divmod(bit, WIDTH // CELL)
        y, x = int((row + 0.5) * CELL * height / HEIGHT), int((column + 0.5) * CELL * width / WIDTH)
        number |= int(frame[y - 1 : y + 2, x - 1 : x + 2].mean() > 128) << bit
    return number


def make_video(
    path: Path,
    stamps=range(60),
    time_base=Fraction(1, 30),
    codec="libx264",
    codec_options=None,
    container_options=None,
    container_format=None,
    shift=0,
    rotation=None,
):
    """Encode one painted frame for each stamp (whole units of the time base); packets may be shifted to earlier."""
    with av.open(str(path), "w", format=container_format, options=container_options or {}) as container:
        options = X264 if codec_options is None else codec_options
        stream = container.add_stream(codec, rate=round(1 / time_base) if time_base > Fraction(1, 100) else 30)
        stream.codec_context.options = options
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = time_base
        stream.codec_context.thread_count = 1
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for number, stamp in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(paint(number))
            frame.pts, frame.time_base = stamp, time_base
            _mux(container, stream.encode(frame), shift)
        _mux(container, stream.encode(), shift)
    return path


def _mux(container, packets, shift):
    for packet in packets:
        if shift:
            packet.pts -= shift
            packet.dts -= shift
        container.mux(packet)


def make_audio_and_video(path: Path, audio_seconds, video_seconds, video_start_seconds=0.0):
    """Encode silence from 0 on, and painted frames at 25 a second from a later start."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options=X264)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = container.add_stream("aac", rate=16_000, layout="mono")
        packets = []
        for number in range(int(video_seconds * 25)):
            frame = av.VideoFrame.from_ndarray(paint(number))
            frame.pts, frame.time_base = number + round(video_start_seconds * 25), Fraction(1, 25)
            packets += video.encode(frame)
        packets += video.encode()
        for start in range(0, int(audio_seconds * 16_000), 1024):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            silence.sample_rate, silence.pts = 16_000, start
            packets += audio.encode(silence)
        packets += audio.encode()
        container.mux(packets)
    return path


def cut(path: Path, share, name=None):
    """Copy the first part of a file under another name."""
    content = path.read_bytes()
    shorter = path.with_name(name or f"cut-{path.name}")
    shorter.write_bytes(content[: int(len(content) * share)])
    return shorter


def overwrite(path: Path, start_share, num_bytes, value=0):
    """Copy a file with a span of its bytes replaced."""
    content = bytearray(path.read_bytes())
    start = int(len(content) * start_share)
    content[start : start + num_bytes] = bytes([value]) * num_bytes
    damaged = path.with_name(f"damaged-{path.name}")
    damaged.write_bytes(content)
    return damaged


def write_two_sizes(path, codec, options, container_format=None):
    """Mux two streams of different sizes as if they were one: what careless joining of files gives."""
    packets = []
    for part, scale in enumerate((1, 2)):
        context = av.CodecContext.create(codec, "w")
        context.width, context.height, context.pix_fmt = 64 * scale, 48 * scale, "yuv420p"
        context.time_base, context.framerate, context.options = Fraction(1, 30), Fraction(30), dict(options)
        for number in range(15):
            pixels = np.repeat(np.repeat(paint(15 * part + number), scale, 0), scale, 1)
            frame = av.VideoFrame.from_ndarray(pixels)
            frame.pts, frame.time_base = 15 * part + number, Fraction(1, 30)
            packets += context.encode(frame)
        packets += context.encode()
    with av.open(str(path), "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = Fraction(1, 30)
        for packet in packets:
            packet.stream = stream
            container.mux(packet)
    return path


def spoil_packets(path, numbers, name="spoiled.mp4"):
    """Write noise over the payload of some packets, counted in file order."""
    spoiled = path.with_name(name)
    shutil.copy(path, spoiled)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        places = [(packets[number].pos, packets[number].size, packets[number].pts) for number in numbers]
    with spoiled.open("r+b") as stream:
        for position, size, _ in places:
            stream.seek(position)
            stream.write(b"\xff" * size)
    return spoiled, [pts for _, _, pts in places]
