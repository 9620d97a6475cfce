"""Frame sizes stated in packets: of streams encoded here, and of streams that change their size."""

import av
import numpy as np
import pytest
from factories_video import VP9, X264, make_video, write_two_sizes

from tsmfeat.video.parameter_sets import SIZED_CODECS, size_statements
from tsmfeat.video.probing import probe_video


def statements(path):
    """Return all that a file's first video stream states of its size."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        codec, header = stream.codec_context.name, stream.codec_context.extradata
        found = list(size_statements(codec, header, None))
        for packet in container.demux(stream):
            if packet.size:
                found += size_statements(codec, header, bytes(packet))
    return found


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", X264),
        ("a.mkv", "libx264", X264 | {"x264-params": "repeat-headers=1"}),
        ("a.h264", "libx264", X264),
        ("a.mp4", "mpeg4", {"g": "10", "bf": "2"}),
        ("a.avi", "mpeg4", {"g": "10"}),
        ("a.webm", "libvpx-vp9", VP9),
        ("a.webm", "libvpx-vp9", VP9 | {"g": "5", "lag-in-frames": "10", "auto-alt-ref": "1"}),
        ("a.webm", "libvpx-vp9", VP9 | {"error-resilient": "1"}),
    ],
)
def test_a_steady_stream_states_one_size(tmp_path, name, codec, options):
    path = make_video(tmp_path / name, range(30), codec=codec, codec_options=options)
    found = statements(path)
    assert found
    assert None not in found
    assert len(set(found)) == 1
    assert probe_video(path).one_size


def test_vp9_states_its_width_and_height(tmp_path):
    (stated,) = set(statements(make_video(tmp_path / "a.webm", range(5), codec="libvpx-vp9", codec_options=VP9)))
    assert [int.from_bytes(stated[i : i + 2], "big") + 1 for i in (0, 2)] == [64, 48]


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mkv", "libvpx-vp9", VP9),
        ("a.mp4", "mpeg4", {"g": "10"}),
        ("a.mkv", "libx264", X264 | {"bf": "0"}),
    ],
)
def test_a_change_of_size_shows_in_the_packets(tmp_path, name, codec, options):
    path = write_two_sizes(tmp_path / name, codec, options)
    assert len(set(statements(path))) >= 2
    assert not probe_video(path).one_size


def test_other_codecs_are_not_known_to_keep_their_size(tmp_path):
    assert "mpeg2video" not in SIZED_CODECS
    path = make_video(tmp_path / "a.mpg", range(10), codec="mpeg2video", codec_options={})
    assert not probe_video(path).one_size


def test_what_cannot_be_compared_is_none():
    # Profile 1; a frame without sync code; an inter frame that states a size of its own.
    profile_1, no_sync = bytes([0b10_10_0000]), bytes([0b10_00_0010, 0, 0, 0, 0])
    own_size = int("10000" + "11" + "1" + "0" * 20 + "000", 2) << (128 - 31)
    for content in (profile_1, no_sync, own_size.to_bytes(16, "big")):
        assert list(size_statements("vp9", None, content)) == [None]
    borrowed = int("10000" + "11" + "1" + "0" * 20 + "010", 2) << (128 - 31)
    assert list(size_statements("vp9", None, borrowed.to_bytes(16, "big"))) == []


@pytest.mark.parametrize("codec", SIZED_CODECS)
def test_any_bytes_are_survived(codec):
    rng = np.random.default_rng(3)
    for size in range(0, 40):
        for header in (b"", b"\x01\x64\x00\x1f\xff\xe1", rng.bytes(9)):
            for packet in (rng.bytes(size), None):
                assert all(
                    found is None or isinstance(found, bytes) for found in size_statements(codec, header, packet)
                )
