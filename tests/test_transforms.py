"""Frame geometry and resizing against Pillow and the official TSM arithmetic."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tsmfeat.errors import ConfigurationError
from tsmfeat.video.geometry import FrameGeometry, parse_geometry
from tsmfeat.video.options import RESIZES, VIDEO_SUFFIXES, VideoOptions, resolve_workers
from tsmfeat.video.transforms import resize_frame, rotate_upright


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("square256", FrameGeometry("square256", 256, 256)),
        ("square112", FrameGeometry("square112", 112, 112)),
        ("short256-crop224", FrameGeometry("short256-crop224", 224, 224, 256)),
        ("short256-crop256", FrameGeometry("short256-crop256", 256, 256, 256)),
        ("short128-crop112", FrameGeometry("short128-crop112", 112, 112, 128)),
        ("square256-roll4", FrameGeometry("square256-roll4", 256, 256, num_rolls=4)),
        ("square3-roll3", FrameGeometry("square3-roll3", 3, 3, num_rolls=3)),
    ],
)
def test_names_parse(name, expected):
    assert parse_geometry(name) == expected


@pytest.mark.parametrize(
    "name",
    [
        *[
            "",
            "square",
            "square0",
            "square-1",
            "square256 ",
            "Square256",
            "square99999",
            "short256",
            "short224-crop256",
        ],
        *["short256-crop0", "short256crop224", "square٢", "square1e2", "short256-crop224x"],
    ],
)
def test_other_names_are_refused(name):
    with pytest.raises(ConfigurationError, match="squareN or shortN-cropM"):
        parse_geometry(name)


@pytest.mark.parametrize("name", ["square256-roll", "square256-roll100", "square256-rollx", "square256 -roll4"])
def test_rolls_of_another_spelling_are_refused(name):
    with pytest.raises(ConfigurationError, match="squareN or shortN-cropM"):
        parse_geometry(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("square256-roll1", "256 columns is rolled 2 to 99 times"),
        ("square256-roll0", "256 columns is rolled 2 to 99 times"),
        ("square3-roll4", "3 columns is rolled 2 to 3 times"),
        ("short256-crop224-roll4", "a crop cuts off the ends of a panorama"),
    ],
)
def test_rolls_that_mean_nothing_are_refused_with_the_reason(name, message):
    with pytest.raises(ConfigurationError, match=message):
        parse_geometry(name)


def test_readers_ignore_rolls():
    frame = np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8)
    plain, rolled = parse_geometry("square16"), parse_geometry("square16-roll4")
    assert np.array_equal(resize_frame(frame, rolled), resize_frame(frame, plain))
    assert (plain.num_rolls, rolled.num_rolls, rolled.frame_name) == (1, 4, "square16")


@pytest.mark.parametrize("name", RESIZES)
@pytest.mark.parametrize("shape", [(240, 320), (320, 240), (256, 340), (1, 1), (241, 323), (256, 256)])
def test_every_geometry_gives_its_size(name, shape):
    geometry = parse_geometry(name)
    resized = resize_frame(noise(*shape), geometry)
    assert resized.shape == (geometry.height, geometry.width, 3)
    assert resized.dtype == np.uint8
    assert resized.nbytes == geometry.frame_bytes


@pytest.mark.parametrize(
    ("shape", "size", "start"),
    # int(round((455 - 224) / 2.)) = 116: halves go to the even number; (457 - 224) / 2 = 116.5 goes to 116 too.
    [
        ((1080, 1920), (256, 455), (16, 116)),
        ((256, 457), (256, 457), (16, 116)),
        ((360, 480), (256, 341), (16, 58)),
        ((1920, 1080), (455, 256), (116, 16)),
        ((240, 426), (256, 454), (16, 115)),
        # 256 · 355 / 240 = 378.67 is cut to 378, not rounded.
        ((240, 355), (256, 378), (16, 77)),
        ((355, 240), (378, 256), (77, 16)),
    ],
)
def test_short_side_and_crop_follow_the_official_arithmetic(shape, size, start):
    geometry = parse_geometry("short256-crop224")
    assert geometry.resized_size(*shape) == size
    assert geometry.crop_start(*size) == start


def test_the_official_crop_is_cut_from_the_whole_resized_frame():
    frame = noise(360, 480)
    whole = np.asarray(Image.fromarray(frame).resize((341, 256), Image.Resampling.BILINEAR))
    assert np.array_equal(resize_frame(frame, parse_geometry("short256-crop224")), whole[16:240, 58:282])


def test_the_square_is_squashed_not_cropped():
    frame = np.zeros((100, 400, 3), np.uint8)
    frame[:, :200] = 200
    resized = resize_frame(frame, parse_geometry("square64"))
    assert resized[:, :30].min() == 200
    assert resized[:, 34:].max() == 0


def test_the_filter_is_antialiased():
    # Columns of one pixel, black and white: without antialiasing a tenfold reduction would show single columns.
    frame = np.zeros((640, 640, 3), np.uint8)
    frame[:, ::2] = 255
    resized = resize_frame(frame, parse_geometry("square64")).astype(int)
    assert np.abs(resized - 127.5).max() < 8


def naive_bilinear(channel, size):
    """Weigh every source pixel by a triangle as wide as the reduction, one axis after the other."""
    for axis in (1, 0):
        source, target = channel.shape[axis], size[axis]
        scale = source / target
        radius = max(scale, 1.0)
        centres = (np.arange(target) + 0.5) * scale
        distance = np.abs(np.arange(source)[None, :] + 0.5 - centres[:, None]) / radius
        weights = np.clip(1 - distance, 0, None)
        weights /= weights.sum(axis=1, keepdims=True)
        channel = np.moveaxis(np.tensordot(weights, np.moveaxis(channel, axis, 0), 1), 0, axis)
    return channel


@settings(max_examples=20, deadline=None)
@given(height=st.integers(20, 90), width=st.integers(20, 90), side=st.integers(8, 40), seed=st.integers(0, 99))
def test_resizing_is_within_one_level_of_the_written_formula(height, width, side, seed):
    frame = noise(height, width, seed)
    resized = resize_frame(frame, parse_geometry(f"square{side}")).astype(float)
    for channel in range(3):
        expected = naive_bilinear(frame[..., channel].astype(float), (side, side))
        # Each of the two passes rounds to a whole level.
        assert np.abs(resized[..., channel] - expected).max() <= 1.01


@pytest.mark.parametrize(
    ("rotation", "corner"), [(0, (0, 0)), (90, (2, 0)), (-90, (0, 1)), (-180, (1, 2)), (180, (1, 2))]
)
def test_rotation_moves_the_corner(rotation, corner):
    frame = np.zeros((2, 3, 3), np.uint8)
    frame[0, 0] = 255
    turned = rotate_upright(frame, rotation)
    assert turned.shape == ((3, 2, 3) if rotation in (90, -90) else (2, 3, 3))
    assert turned[corner].tolist() == [255, 255, 255]
    assert turned.sum() == 3 * 255


def test_options_check_themselves():
    assert VideoOptions().resize == "square256"
    assert resolve_workers(5) == 5
    assert resolve_workers(None) >= 1
    for wrong in ({"resize": "big"}, {"max_bad": 1.5}, {"max_bad": -0.1}, {"max_bad": float("nan")}, {"workers": 0}):
        with pytest.raises(ConfigurationError):
            VideoOptions(**wrong)
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in VIDEO_SUFFIXES)


def test_options_import_nothing_heavy():
    code = "import sys, tsmfeat.video.options; print([m for m in ('av', 'PIL', 'numpy', 'torch') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
