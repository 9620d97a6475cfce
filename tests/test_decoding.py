"""Decoding files whose frames carry their number: every wanted frame is the right one, or the loss is told."""

from fractions import Fraction

import av
import numpy as np
import pytest
from factories_video import X264, cut, make_video, overwrite, paint, painted_number, spoil_packets

from tsmfeat.errors import VideoError
from tsmfeat.values.features import VideoStatus
from tsmfeat.video.decoding import decode_frames
from tsmfeat.video.geometry import parse_geometry
from tsmfeat.video.options import VideoOptions
from tsmfeat.video.probing import probe_video
from tsmfeat.video.pyav_decoding import PyAVDecoder

SMALL = parse_geometry("square48")
PARTIAL = VideoOptions(allow_partial=True)


def numbers_of(path, wanted=None, max_bad=0.01):
    """Decode and return the painted numbers, and the quality."""
    probe = probe_video(path)
    wanted = np.arange(len(probe.stamps)) if wanted is None else np.asarray(wanted)
    with PyAVDecoder(probe) as decoder:
        pictures = list(decoder.pictures(wanted))
        assert [index for index, _ in pictures] == wanted.tolist()
        return [painted_number(picture.native()) for _, picture in pictures], decoder.quality(max_bad)


def test_the_painted_number_survives():
    for number in (0, 1, 77, 2048, 4095):
        assert painted_number(paint(number)) == number


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", X264),
        ("a.mp4", "libx264", {"preset": "veryfast", "bf": "0"}),
        ("a.mp4", "libx264", {"preset": "veryfast", "bf": "4", "b-pyramid": "normal", "g": "250"}),
        ("a.mp4", "mpeg4", {"bf": "2"}),
        ("a.mov", "libx264", X264),
        ("a.mkv", "libx264", X264),
        ("a.mkv", "mpeg4", {"bf": "2"}),
        ("a.mkv", "rawvideo", {}),
        ("a.webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
        ("a.webm", "libvpx", {"deadline": "realtime", "cpu-used": "8"}),
        ("a.ts", "libx264", X264),
        ("a.flv", "libx264", X264),
        ("a.avi", "mpeg4", {"bf": "2", "g": "20"}),
        ("a.mpg", "mpeg2video", {"bf": "2"}),
        ("a.wmv", "wmv2", {}),
        ("a.h264", "libx264", X264),
    ],
)
def test_every_frame_of_every_container_is_itself(tmp_path, name, codec, options):
    path = make_video(tmp_path / name, range(60), codec=codec, codec_options=options)
    numbers, quality = numbers_of(path)
    assert numbers == list(range(60))
    assert (quality.num_frames_decoded, quality.num_bad_packets, quality.num_repeated_frames) == (60, 0, 0)
    assert quality.status is VideoStatus.COMPLETE


def test_motion_jpeg_in_avi(tmp_path):
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream = container.add_stream("mjpeg", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for number in range(30):
            frame = av.VideoFrame.from_ndarray(paint(number)).reformat(format="yuvj420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert numbers_of(tmp_path / "a.avi")[0] == list(range(30))


def test_h265_with_b_frames(tmp_path):
    options = {"preset": "ultrafast", "x265-params": "log-level=none:pools=none:frame-threads=1"}
    try:
        path = make_video(tmp_path / "a.mp4", range(40), codec="libx265", codec_options=options)
    except av.error.EncoderNotFoundError:
        pytest.skip("this FFmpeg has no x265")
    assert numbers_of(path)[0] == list(range(40))


def test_only_wanted_frames_come_in_order(tmp_path):
    path = make_video(tmp_path / "a.mp4", range(60))
    assert numbers_of(path, [3, 17, 18, 59])[0] == [3, 17, 18, 59]
    numbers, quality = numbers_of(path, [])
    assert numbers == []
    assert quality.num_frames_decoded == 60


def test_variable_rate_and_a_gap(tmp_path):
    stamps = [0, 40, 80, 3080, 3120, 3500, 3501, 9000]
    for name in ("a.mp4", "a.mkv"):
        assert numbers_of(make_video(tmp_path / name, stamps, Fraction(1, 1000)))[0] == list(range(8))


def test_edit_list_hides_the_first_frames(tmp_path):
    options = {"avoid_negative_ts": "disabled", "use_editlist": "1"}
    path = make_video(tmp_path / "a.mp4", range(60), container_options=options, shift=25)
    numbers, quality = numbers_of(path)
    assert numbers == list(range(25, 60))
    assert quality.status is VideoStatus.COMPLETE


def test_a_late_start_and_a_fragmented_file(tmp_path):
    late = make_video(tmp_path / "late.mkv", range(150, 200))
    assert numbers_of(late)[0] == list(range(50))
    fragmented = make_video(tmp_path / "a.mp4", range(50), container_options={"movflags": "frag_keyframe+empty_moov"})
    assert numbers_of(fragmented)[0] == list(range(50))


def test_wrong_suffix(tmp_path):
    path = make_video(tmp_path / "a.mkv", range(20))
    assert numbers_of(path.rename(tmp_path / "a.mp4"))[0] == list(range(20))


@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_rotation_is_applied(tmp_path, rotation):
    probe = probe_video(make_video(tmp_path / "a.mp4", range(3), rotation=rotation))
    with PyAVDecoder(probe) as decoder:
        for number, picture in decoder.pictures(np.arange(3)):
            frame = picture.native()
            expected = np.rot90(paint(number), rotation // 90)
            assert frame.shape == expected.shape
            assert np.abs(frame.astype(int) - expected).mean() < 12


def test_frames_held_by_the_caller_stay_as_they_are(tmp_path):
    probe = probe_video(make_video(tmp_path / "a.mp4", range(40)))
    kept = dict(decode_frames(probe, np.arange(40), SMALL))
    assert [painted_number(frame) for frame in kept.values()] == list(range(40))
    assert all(frame.shape == (48, 48, 3) for frame in kept.values())


def test_truncated_file_fails_before_decoding_or_gives_true_frames(tmp_path):
    options = {"preset": "veryfast", "bf": "0", "g": "20"}
    whole = make_video(
        tmp_path / "a.mp4", range(200), codec_options=options, container_options={"movflags": "faststart"}
    )
    path = cut(whole, 0.7)
    probe = probe_video(path)
    with pytest.raises(VideoError, match=r"truncated: the file holds \d+ of 200 frames") as caught:
        next(decode_frames(probe, np.arange(len(probe.stamps)), SMALL))
    assert "--allow-partial" in caught.value.hint
    numbers, quality = numbers_of(path)
    assert quality.status is VideoStatus.TRUNCATED
    # The last packet was cut in two: the frame before stands in.
    assert numbers == [*range(quality.num_frames_decoded), quality.num_frames_decoded - 1]
    partial = dict(decode_frames(probe, np.arange(len(probe.stamps)), SMALL, PARTIAL))
    assert len(partial) == len(probe.stamps)


def test_truncated_matroska_inside_a_group_of_pictures(tmp_path):
    path = cut(make_video(tmp_path / "a.mkv", range(120)), 0.55)
    probe = probe_video(path)
    numbers, quality = numbers_of(path)
    # The stamp of a frame is its number: the frames before the cut may lack one that is stored later.
    assert numbers == np.rint(probe.stamps * 0.03).astype(int).tolist()
    assert quality.status is VideoStatus.TRUNCATED


@pytest.mark.parametrize("options", [{"preset": "veryfast", "g": "1"}, {"preset": "veryfast", "g": "10", "bf": "0"}])
def test_bad_packets_leave_gaps_and_shift_nothing(tmp_path, options):
    whole = make_video(tmp_path / "a.mp4", range(100), codec_options=options)
    path, _ = spoil_packets(whole, [9, 59])
    numbers, quality = numbers_of(path)
    assert quality.num_bad_packets == 2
    assert quality.num_frames_decoded == 98
    assert quality.num_repeated_frames == 2
    assert quality.status is VideoStatus.CORRUPT_PARTIAL
    # The frame on display before stands in.
    assert numbers == [8 if n == 9 else 58 if n == 59 else n for n in range(100)]
    assert numbers_of(path, max_bad=0.02)[1].status is VideoStatus.COMPLETE
    with pytest.raises(VideoError, match="corrupt: 2 of 100 packets"):
        list(decode_frames(probe_video(path), np.arange(100), SMALL))


def test_lost_first_and_last_frames(tmp_path):
    whole = make_video(tmp_path / "a.mp4", range(40), codec_options={"preset": "veryfast", "g": "1"})
    path, _ = spoil_packets(whole, [0, 1, 39])
    assert numbers_of(path)[0] == [2, 2, *range(2, 39), 38]


def test_bad_packet_in_avi_shifts_nothing(tmp_path):
    whole = make_video(tmp_path / "a.avi", range(60), codec="mpeg4", codec_options={"g": "1"})
    path, _ = spoil_packets(whole, [20], "spoiled.avi")
    numbers, quality = numbers_of(path)
    assert quality.num_bad_packets == 1
    assert numbers == [19 if n == 20 else n for n in range(60)]


def test_nothing_that_can_be_decoded(tmp_path):
    whole = make_video(tmp_path / "a.mp4", range(10), codec_options={"preset": "veryfast", "g": "1"})
    path, _ = spoil_packets(whole, range(10))
    probe = probe_video(path)
    for allow_partial in (False, True):
        with pytest.raises(VideoError, match="none of its frames"):
            list(decode_frames(probe, np.arange(10), SMALL, VideoOptions(allow_partial=allow_partial)))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
def test_zeroed_spans_end_in_frames_or_a_video_error(tmp_path, name, share):
    codec, options = ("mpeg4", {"g": "20"}) if name == "a.avi" else ("libx264", X264)
    path = overwrite(make_video(tmp_path / name, range(60), codec=codec, codec_options=options), share, 400)
    try:
        numbers, quality = numbers_of(path)
    except VideoError:
        return
    assert quality.num_frames_decoded + quality.num_repeated_frames >= len(numbers) > 0


def test_size_change_in_mid_stream(tmp_path):
    # Two raw streams one after the other: the decoder meets another size at the second one's parameter sets.
    first = make_video(tmp_path / "a.h264", range(20), container_format="h264")
    with av.open(str(tmp_path / "b.h264"), "w", format="h264") as container:
        stream = container.add_stream("libx264", rate=30, options=X264)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(np.repeat(np.repeat(paint(20 + number), 2, 0), 2, 1))
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    both = tmp_path / "both.h264"
    both.write_bytes(first.read_bytes() + (tmp_path / "b.h264").read_bytes())
    probe = probe_video(both)
    frames = [frame for _, frame in decode_frames(probe, np.arange(len(probe.stamps)), parse_geometry("square96"))]
    assert [painted_number(frame) for frame in frames] == list(range(40))


def test_a_file_that_vanishes_after_the_probe(tmp_path):
    path = make_video(tmp_path / "a.mp4", range(5))
    probe = probe_video(path)
    path.unlink()
    with pytest.raises(VideoError, match="no such file"):
        list(decode_frames(probe, np.arange(5), SMALL))


def test_lack_of_memory_is_no_fault_of_the_video(tmp_path):
    class Exhausted:
        def decode(self, packet):
            raise av.error.MemoryError(12, "Cannot allocate memory")

    class Stream:
        codec_context = Exhausted()

    assert issubclass(av.error.MemoryError, av.error.FFmpegError)
    with PyAVDecoder(probe_video(make_video(tmp_path / "a.mp4", range(5)))) as decoder:
        demuxed = decoder._stream
        decoder._decoded_frames = lambda: (frame for packet in [None] for frame in decoder._decode(packet))
        decoder._stream = Stream()
        with pytest.raises(MemoryError):
            list(decoder.pictures(np.arange(5)))
        decoder._stream = demuxed
