"""Odd and faulty files through the readers, as an extraction meets them: true frames at true times, or a reason.

One test for every kind of file that has been seen to fail in some decoder. Frames carry their number; the truth is
worked out from the stamps they were written with, not from what the project reads.
"""

import os
import struct
from bisect import bisect_right
from fractions import Fraction

import av
import numpy as np
import pytest
from factories_video import (
    VP9,
    X264,
    cut,
    make_audio_and_video,
    make_video,
    overwrite,
    paint,
    painted_number,
    write_two_sizes,
)

from tsmfeat.video.reading import ReaderPool
from tsmfeat.video.tasks import ClipRecipe, ClipsReady, ReadTask, VideoFailed, VideoOpened, VideoRead

STEP = 0.1
RECIPE = ClipRecipe(STEP, 2, None, "square48")
THIRTIETHS = [n / 30 for n in range(60)]
MOVED_TO_NEGATIVE = {"avoid_negative_ts": "disabled", "movflags": "negative_cts_offsets"}


@pytest.fixture(scope="module")
def pool():
    with ReaderPool(1) as reader:
        yield reader


def read(pool, path, **options):
    """Return the events of a video that matter, and the numbers painted in its clips."""
    events, numbers = [], []
    for event in pool.read([ReadTask(0, str(path), (RECIPE,), **options)]):
        if isinstance(event, ClipsReady):
            numbers += [[painted_number(frame) for frame in clip] for clip in event.clips]
            event.release()
        else:
            events.append(event)
    return events, numbers


def shown(stamps_seconds, count):
    """Return the numbers on display at the two centres of each interval."""
    centres = [[STEP * (index + place) for place in (0.25, 0.75)] for index in range(count)]
    return [[max(bisect_right(stamps_seconds, c + 1e-5) - 1, 0) for c in pair] for pair in centres]


def written(name, stamps=THIRTIETHS, unit=Fraction(1, 30), shift=0.0, **keywords):
    """Return how to make a file, and the seconds at which its frames begin."""
    ticks = [round((seconds + shift) / float(unit)) for seconds in stamps]
    return lambda folder: make_video(folder / name, ticks, unit, **keywords), stamps


def write_pixels(path, codec, pixel_format, size, num_frames, options):
    """Encode painted frames in another pixel format and size; where there is no such encoder the test is skipped."""
    width, height = size
    try:
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=30, options=options)
            stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
            for number in range(num_frames):
                frame = av.VideoFrame.from_ndarray(paint(number)).reformat(width, height, pixel_format)
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    except av.error.EncoderNotFoundError:
        pytest.skip(f"this FFmpeg has no {codec}")
    return path


def in_pixels(name, codec, pixel_format, size=(64, 48), num_frames=60, options=None):
    stamps = THIRTIETHS[:num_frames]
    return lambda folder: write_pixels(folder / name, codec, pixel_format, size, num_frames, options or {}), stamps


QUIET_265 = {"preset": "ultrafast", "x265-params": "log-level=none:pools=none:frame-threads=1"}
VARIABLE = [0, 0.04, 0.08, 0.12, 0.16, 0.4, 0.44, 0.48, 0.52, 0.56, 0.6, 0.64, 0.9, 1.0]
GAP = [0, 0.04, 0.08, 3.08, 3.12, 3.5]

RIGHT = {
    "mp4": written("a.mp4"),
    "b-frames": written("a.mp4", codec_options=X264 | {"bf": "4", "b-pyramid": "normal"}),
    "negative cts": written("a.mp4", container_options=MOVED_TO_NEGATIVE),
    "mkv": written("a.mkv"),
    "variable rate in mp4": written("a.mp4", VARIABLE, Fraction(1, 1000)),
    "variable rate in mkv": written("a.mkv", VARIABLE, Fraction(1, 1000)),
    "gap of three seconds in mp4": written("a.mp4", GAP, Fraction(1, 1000)),
    "gap of three seconds in mkv": written("a.mkv", GAP, Fraction(1, 1000)),
    "vp9 in webm": written("a.webm", codec="libvpx-vp9", codec_options=VP9),
    "mpeg4 in avi": written("a.avi", codec="mpeg4", codec_options={"g": "20"}),
    "mjpeg in avi": in_pixels("a.avi", "mjpeg", "yuvj420p"),
    "h265": in_pixels("a.mp4", "libx265", "yuv420p", options=QUIET_265),
    "h264, 10 bits": in_pixels("a.mp4", "libx264", "yuv420p10le", options=X264),
    "h265, 10 bits": in_pixels("a.mp4", "libx265", "yuv420p10le", options=QUIET_265),
    "odd size, 4:4:4": in_pixels("a.mp4", "libx264", "yuv444p", (323, 241), options=X264),
    "one frame": written("a.mp4", THIRTIETHS[:1]),
    "two frames": written("a.mp4", THIRTIETHS[:2]),
    "five frames": written("a.mp4", THIRTIETHS[:5]),
    "fragmented": written("a.mp4", container_options={"movflags": "frag_keyframe+empty_moov"}),
    "late start in mkv": written("a.mkv", shift=5.0),
    "mpeg-ts": written("a.ts"),
    "mpeg-ts, few key frames": written("a.ts", codec_options=X264 | {"g": "250"}),
    "mpeg-ts, late start": written("a.ts", shift=5.0),
    "av1 in mp4": in_pixels("a.mp4", "libsvtav1", "yuv420p", options={"preset": "12"}),
    "av1 in mkv": in_pixels("a.mkv", "libsvtav1", "yuv420p", options={"preset": "12"}),
    "mkv without duration": written("a.mkv", container_options={"live": "1"}),
    "vp8": written("a.webm", codec="libvpx", codec_options=VP9),
    "flv": written("a.flv"),
}


@pytest.mark.parametrize("kind", RIGHT)
def test_frames_are_those_on_display(pool, tmp_path, kind):
    make, stamps = RIGHT[kind]
    (opened, done), numbers = read(pool, make(tmp_path))
    assert isinstance(opened, VideoOpened)
    assert isinstance(done, VideoRead)
    assert len(numbers) == opened.num_intervals[0] == int((opened.duration_seconds + 0.001) / STEP + 1e-9)
    assert numbers == shown(stamps, len(numbers))
    if stamps is not VARIABLE and stamps is not GAP:
        # With a variable rate the encoder itself guesses how long the last frame lasts.
        assert abs(opened.duration_seconds - (stamps[-1] + 1 / 30)) <= 0.0015
    assert opened.duration_seconds > stamps[-1]


SAFE_FOR_DECORD = {
    "mp4",
    "b-frames",
    "negative cts",
    "mkv",
    "variable rate in mp4",
    "variable rate in mkv",
    "gap of three seconds in mp4",
    "gap of three seconds in mkv",
    "vp9 in webm",
    "odd size, 4:4:4",
    "one frame",
    "two frames",
    "five frames",
    "fragmented",
    "late start in mkv",
}


@pytest.mark.parametrize("kind", RIGHT)
def test_decord_reads_the_same_or_nothing(pool, tmp_path, kind):
    make, stamps = RIGHT[kind]
    events, numbers = read(pool, make(tmp_path), decoder="decord")
    if kind in SAFE_FOR_DECORD:
        assert isinstance(events[-1], VideoRead)
        assert numbers == shown(stamps, events[0].num_intervals[0])
    else:
        assert "decord " in events[-1].reason
        assert numbers == []


def test_b_frames_in_avi_come_one_frame_later(pool, tmp_path):
    # AVI counts packets: the first of a stream with B-frames holds back its picture by one.
    path = make_video(tmp_path / "a.avi", codec="mpeg4", codec_options={"bf": "2", "g": "20"})
    assert read(pool, path)[1] == shown([stamp + 1 / 30 for stamp in THIRTIETHS], 20)


def test_a_wrong_suffix(pool, tmp_path):
    path = make_video(tmp_path / "a.mkv").rename(tmp_path / "a.mp4")
    assert read(pool, path)[1] == shown(THIRTIETHS, 20)


def test_an_edit_list_hides_frames(pool, tmp_path):
    options = {"avoid_negative_ts": "disabled", "use_editlist": "1"}
    path = make_video(tmp_path / "a.mp4", range(60), container_options=options, shift=25)
    numbers = read(pool, path)[1]
    assert numbers == [[25 + number for number in pair] for pair in shown(THIRTIETHS[:35], 11)]


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_turned_frames_stand_upright(tmp_path, rotation):
    path = make_video(tmp_path / "a.mp4", range(30), rotation=rotation)
    with ReaderPool(1) as pool:
        (clips,) = (event.clips for event in pool.read([ReadTask(0, str(path), (RECIPE,))]) if hasattr(event, "clips"))
    back = [painted_number(np.rot90(frame, -rotation // 90)) for clip in clips for frame in clip]
    assert back == [number for pair in shown(THIRTIETHS[:30], 10) for number in pair]


def test_a_size_that_changes(pool, tmp_path):
    path = write_two_sizes(tmp_path / "a.mkv", "libvpx-vp9", VP9)
    assert read(pool, path)[1] == shown(THIRTIETHS[:30], 10)


def test_video_that_starts_after_the_sound(pool, tmp_path):
    path = make_audio_and_video(tmp_path / "a.mp4", 3.0, 2.0, video_start_seconds=0.48)
    (opened, _), numbers = read(pool, path)
    stamps = [0.48 + n / 25 for n in range(50)]
    # The encoder's delay may move the sound, and so the common start, by a frame of it.
    moved = opened.duration_seconds - (stamps[-1] + 0.04)
    assert abs(moved) < 0.07
    assert numbers == shown([stamp + moved for stamp in stamps], len(numbers))


def find_box(content, *names):
    """Return where the content of a nested MP4 box begins."""
    at = 0
    for name in names:
        at = content.index(name, at) + 4
    return at


def rewrite(path, at, replacement):
    content = bytearray(path.read_bytes())
    content[at : at + len(replacement)] = replacement
    path.write_bytes(content)
    return path


def test_lies_in_the_header(pool, tmp_path):
    # A frame size of 65535 × 65535; far too many frames of one duration; a duration of a century; no way to turn.
    lies = {
        "size": lambda content: (find_box(content, b"stsd", b"avc1") + 24, b"\xff" * 4),
        "stts": lambda content: (find_box(content, b"stts") + 8, struct.pack(">I", 431)),
        "mvhd": lambda content: (find_box(content, b"mvhd") + 16, b"\x7f\xff\xff\xff"),
        "mdhd": lambda content: (find_box(content, b"mdhd") + 16, b"\x7f\xff\xff\xff"),
        "tkhd": lambda content: (find_box(content, b"tkhd") + 40, bytes(36)),
    }
    for name, lie in lies.items():
        path = make_video(tmp_path / f"{name}.mp4")
        rewrite(path, *lie(path.read_bytes()))
        events, numbers = read(pool, path)
        if isinstance(events[-1], VideoFailed):
            assert "truncated" in events[-1].reason
            assert name == "stts"
        else:
            assert numbers == shown(THIRTIETHS, 20), name


def test_stamps_that_run_backwards(pool, tmp_path):
    whole = make_video(tmp_path / "whole.mp4", range(45), codec_options={"bf": "0", "g": "10"})
    path = tmp_path / "a.mp4"
    with av.open(str(whole)) as source, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        unit = int(Fraction(1, 30) / source.streams.video[0].time_base)
        for number, packet in enumerate(packet for packet in source.demux(video=0) if packet.size):
            packet.stream, packet.pts, packet.dts = stream, (45 - number) * unit, (number - 60) * unit
            container.mux(packet)
    for decoder, reason in {"pyav": "truncated: 1 of 45 frames", "decord": "44 places forward"}.items():
        events, _ = read(pool, path, decoder=decoder)
        assert reason in events[-1].reason


def test_a_clock_without_ticks_is_refused(pool, tmp_path):
    path = make_video(tmp_path / "a.mp4")
    rewrite(path, find_box(path.read_bytes(), b"mdhd") + 12, bytes(4))
    (failed,), _ = read(pool, path)
    assert "its frames last 512 s, its header says 2.0; one is wrong" in failed.reason


def with_content(content):
    return lambda path: path.write_bytes(content)


def cut_of(share, num_frames, **keywords):
    def make(path):
        whole = make_video(path.with_name(f"whole{path.suffix}"), range(num_frames), **keywords)
        cut(whole, share).rename(path)

    return make


NO_VIDEOS = {
    "empty.mp4": with_content(b""),
    "text.mp4": with_content(b"not a film " * 500),
    "noise.mp4": with_content(np.random.default_rng(1).bytes(20_000)),
    "folder.mp4": lambda path: path.mkdir(),
    "pipe.mp4": os.mkfifo,
    "index-lost.mp4": cut_of(0.5, 60),
    "cut.mp4": cut_of(0.6, 200, container_options={"movflags": "faststart"}),
    "cut.mkv": cut_of(0.55, 200),
    "sound.mp4": lambda path: write_sound(path),
    "missing.mp4": lambda path: None,
}


def no_video(folder, name):
    NO_VIDEOS[name](folder / name)
    return folder / name


def write_sound(path):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 16_000
        container.mux([*stream.encode(silence), *stream.encode()])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("empty.mp4", "0 bytes"),
        ("text.mp4", "not a readable video"),
        ("noise.mp4", "not a readable video"),
        ("folder.mp4", "a folder"),
        ("pipe.mp4", "a pipe, socket or device"),
        ("index-lost.mp4", "not a readable video"),
        ("cut.mp4", "truncated: the file holds"),
        ("cut.mkv", "truncated: the file holds"),
        ("sound.mp4", "no video stream"),
        ("missing.mp4", "no such file"),
    ],
)
def test_what_cannot_be_read_fails_with_its_reason_and_the_next_video_is_read(pool, tmp_path, name, reason):
    (failed,), numbers = read(pool, no_video(tmp_path, name))
    assert isinstance(failed, VideoFailed)
    assert failed.reason.startswith(f"{tmp_path / name}: {reason}")
    assert failed.hint
    assert numbers == []
    assert read(pool, make_video(tmp_path / "good.mp4"))[1] == shown(THIRTIETHS, 20)


@pytest.mark.parametrize("name", ["cut.mp4", "cut.mkv"])
def test_a_cut_file_gives_true_frames_where_that_is_wanted(pool, tmp_path, name):
    (opened, done), numbers = read(pool, no_video(tmp_path, name), allow_partial=True)
    assert done.quality.status != 0
    assert 0 < len(numbers) == opened.num_intervals[0] < 66
    expected = shown([n / 30 for n in range(200)], len(numbers))
    # The last frames before the cut may be lost: the one on display before stands in.
    assert numbers[:-3] == expected[:-3]


SEEDS = {"a.mp4": {}, "a.mkv": {}, "a.ts": {}, "a.avi": {"codec": "mpeg4", "codec_options": {"g": "20"}}}


@pytest.mark.parametrize("name", SEEDS)
def test_any_damage_ends_in_a_reading_or_a_reason(pool, tmp_path, name):
    rng = np.random.default_rng(len(name))
    content = make_video(tmp_path / name, **SEEDS[name]).read_bytes()
    for trial in range(25):
        damaged = tmp_path / f"{trial}-{name}"
        damaged.write_bytes(damage(bytearray(content), rng))
        for allow_partial in (False, True):
            events, numbers = read(pool, damaged, allow_partial=allow_partial)
            assert isinstance(events[-1], VideoRead | VideoFailed)
            if isinstance(events[-1], VideoRead):
                assert len(numbers) == events[-2].num_intervals[0]


def damage(content, rng):
    """Cut, flip, zero or insert somewhere."""
    at, length = int(rng.integers(len(content))), int(rng.integers(1, 200))
    match int(rng.integers(4)):
        case 0:
            del content[at:]
        case 1:
            content[at] ^= 1 << int(rng.integers(8))
        case 2:
            content[at : at + length] = bytes(len(content[at : at + length]))
        case 3:
            content[at:at] = rng.bytes(length)
    return content


def test_a_zeroed_first_key_frame(pool, tmp_path):
    path = overwrite(make_video(tmp_path / "a.mkv", codec_options=X264 | {"g": "60"}), 0.2, 300)
    events, _ = read(pool, path)
    assert isinstance(events[-1], VideoRead | VideoFailed)
