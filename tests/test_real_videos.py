"""Real files of other projects: lengths, interval counts and frames as their notes state them."""

import numpy as np
import pytest
from PIL import Image

from tsmfeat.errors import VideoError
from tsmfeat.values.features import VideoStatus
from tsmfeat.video.clips import distinct_frames, plan_clips_ticks
from tsmfeat.video.decoding import choose_decoder, decode_frames
from tsmfeat.video.decord_decoding import DecordDecoder, why_unsafe
from tsmfeat.video.geometry import parse_geometry
from tsmfeat.video.options import VideoOptions
from tsmfeat.video.probing import probe_video
from tsmfeat.video.pyav_decoding import PyAVDecoder

# Length in seconds, frames, intervals at steps of .25, .5 and 1 s.
FILES = {
    "demo.mp4": (10.0, 280, (40, 20, 10)),
    "flipping_a_pancake.mkv": (10.333, 310, (41, 20, 10)),
    "v_GGSY1Qvo990.mp4": (18.094, 355, (72, 36, 18)),
    "v_ZNVhz7ctTq0.mp4": (14.0, 420, (56, 28, 14)),
    "test.avi": (6.6, 164, (26, 13, 6)),
    "h265_video.mp4": (1.0, 10, (4, 2, 1)),
    "h264_10bits.mp4": (1.0, 30, (4, 2, 1)),
    "av1_video.mkv": (5.0, 125, (20, 10, 5)),
    "video_90.mov": (0.1, 3, (0, 0, 0)),
    "video_180.mov": (0.1, 3, (0, 0, 0)),
    "unordered.mov": (0.125, 4, (0, 0, 0)),
}
UNSAFE_FOR_DECORD = {
    "test.avi": "its container is avi",
    "h265_video.mp4": "its codec is hevc",
    "h264_10bits.mp4": "its colours have 10 bits",
    "av1_video.mkv": "its codec is av1",
    "video_90.mov": "it is shown turned by -90 degrees",
    "video_180.mov": "it is shown turned by -180 degrees",
}


@pytest.mark.parametrize("name", FILES)
def test_length_and_interval_counts(shared_data, name):
    length, num_frames, counts = FILES[name]
    probe = probe_video(shared_data(f"videos/{name}"))
    assert probe.duration_seconds == pytest.approx(length, abs=5e-4)
    assert len(probe.stamps) == num_frames
    assert tuple(probe.grid(step).count for step in (0.25, 0.5, 1.0)) == counts


@pytest.mark.parametrize("name", FILES)
def test_every_frame_decodes(shared_data, name):
    probe = probe_video(shared_data(f"videos/{name}"))
    with PyAVDecoder(probe) as decoder:
        indexes = [index for index, _ in decoder.pictures(np.arange(0, len(probe.stamps), 7))]
        quality = decoder.quality(0.0)
    assert indexes == list(range(0, len(probe.stamps), 7))
    assert quality.status is VideoStatus.COMPLETE
    assert (quality.num_frames_decoded, quality.num_bad_packets) == (len(probe.stamps), 0)


def test_corrupted_is_refused_or_kept_as_partial(shared_data):
    probe = probe_video(shared_data("videos/corrupted.mp4"))
    wanted, geometry = np.arange(0, 50, 10), parse_geometry("square64")
    with pytest.raises(VideoError, match="corrupt: 1 of 50 packets"):
        list(decode_frames(probe, wanted, geometry))
    assert len(list(decode_frames(probe, wanted, geometry, VideoOptions(allow_partial=True)))) == 5
    assert len(list(decode_frames(probe, wanted, geometry, VideoOptions(max_bad=0.02)))) == 5
    with PyAVDecoder(probe) as decoder:
        assert sum(1 for _ in decoder.pictures(np.arange(50))) == 50
        quality = decoder.quality(0.01)
    assert (quality.num_frames_decoded, quality.num_bad_packets, quality.num_repeated_frames) == (49, 1, 1)
    assert quality.status is VideoStatus.CORRUPT_PARTIAL


@pytest.mark.parametrize("name", FILES)
def test_frames_equal_the_other_decoders_wherever_it_may_read(shared_data, name):
    probe = probe_video(shared_data(f"videos/{name}"))
    assert why_unsafe(probe) == UNSAFE_FOR_DECORD.get(name, "")
    if name in UNSAFE_FOR_DECORD:
        with pytest.raises(VideoError, match="decord must not read it"):
            choose_decoder(probe, "decord", [])
        return
    wanted = np.arange(0, len(probe.stamps), 3)
    with DecordDecoder(probe) as theirs, PyAVDecoder(probe) as ours:
        for (index, their_picture), (our_index, our_picture) in zip(
            theirs.pictures(wanted), ours.pictures(wanted), strict=True
        ):
            assert index == our_index
            assert np.array_equal(their_picture.native(), our_picture.native())
        assert theirs.quality(0.0) == ours.quality(0.0)


def test_the_readers_own_scaler_on_a_real_video(shared_data):
    probe = probe_video(shared_data("videos/demo.mp4"))
    wanted, geometry = np.arange(0, 280, 40), parse_geometry("square256")
    scaled = [
        dict(decode_frames(probe, wanted, geometry, VideoOptions(resize_filter="reader", decoder=decoder)))
        for decoder in ("pyav", "decord")
    ]
    for index in wanted.tolist():
        assert np.abs(scaled[0][index].astype(int) - scaled[1][index]).mean() < 1


def test_rotated_files_stand_upright(shared_data):
    shapes = {}
    for name in ("video_90.mov", "video_180.mov"):
        probe = probe_video(shared_data(f"videos/{name}"))
        with PyAVDecoder(probe) as decoder:
            shapes[name] = next(iter(decoder.pictures(np.arange(3))))[1].native().shape
    assert shapes == {"video_90.mov": (568, 320, 3), "video_180.mov": (320, 568, 3)}


def test_a_quarter_second_at_19_fps_repeats_frames(shared_data):
    probe = probe_video(shared_data("videos/v_GGSY1Qvo990.mp4"))
    plan = plan_clips_ticks(probe.ticks, probe.tick_seconds, probe.grid(0.25), 8)
    assert plan[0].tolist() == [0, 0, 1, 2, 2, 3, 3, 4]
    # From the first to the last centre it is 7/8 · .25 s, 4.29 frames: they show 5 or 6.
    assert set(distinct_frames(plan).tolist()) == {5, 6}


def test_resized_frames_are_pillows(shared_data):
    probe = probe_video(shared_data("videos/demo.mp4"))
    with PyAVDecoder(probe) as decoder:
        native = {index: picture.native() for index, picture in decoder.pictures(np.array([0, 100]))}
    for index, frame in decode_frames(probe, np.array([0, 100]), parse_geometry("square256")):
        expected = np.asarray(Image.fromarray(native[index]).resize((256, 256), Image.Resampling.BILINEAR))
        assert np.array_equal(frame, expected)
