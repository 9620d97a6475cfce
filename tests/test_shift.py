"""The temporal shift against an obvious twin, by properties, and by hand."""

import copy
import pickle
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tsmfeat.trunk.shift import shift_frames, shift_inputs


def naive_shift(frames, num_frames, shift_div):
    """Frame by frame, channel by channel."""
    out = np.zeros_like(frames)
    fold = frames.shape[1] // shift_div
    for row in range(len(frames)):
        t = row % num_frames
        for channel in range(frames.shape[1]):
            source = row + 1 if channel < fold else row - 1 if channel < 2 * fold else row
            if 0 <= t + source - row < num_frames:
                out[row, channel] = frames[source, channel]
    return out


shapes = st.tuples(
    st.integers(0, 3), st.integers(1, 6), st.integers(1, 20), st.integers(1, 3), st.integers(1, 3), st.integers(2, 9)
)


@settings(max_examples=80, deadline=None)
@given(shapes, st.sampled_from([torch.float32, torch.float64, torch.bfloat16, torch.float16]), st.booleans())
def test_shift_equals_the_naive_twin_bit_for_bit(shape, dtype, channels_last):
    clips, num_frames, channels, height, width, shift_div = shape
    values = torch.randn(clips * num_frames, channels, height, width).to(dtype)
    if channels_last:
        values = values.to(memory_format=torch.channels_last)
    before = values.clone()
    shifted = shift_frames(values, num_frames, shift_div)
    expected = naive_shift(values.to(torch.float64).numpy(), num_frames, shift_div)
    assert np.array_equal(shifted.to(torch.float64).numpy(), expected)
    assert torch.equal(values, before)
    assert shifted.dtype == dtype
    assert shifted.stride() == values.stride()


def test_first_share_comes_from_the_future_and_second_from_the_past():
    # Two clips of three frames, eight channels; value = 100 clip + 10 frame + channel.
    clip, frame, channel = np.meshgrid([1, 2], [1, 2, 3], np.arange(8), indexing="ij")
    values = torch.from_numpy((100 * clip + 10 * frame + channel).astype(np.float32)).view(6, 8, 1, 1)
    shifted = shift_frames(values, num_frames=3, shift_div=4).view(6, 8).tolist()
    assert shifted[0] == [120, 121, 0, 0, 114, 115, 116, 117]
    assert shifted[1] == [130, 131, 112, 113, 124, 125, 126, 127]
    assert shifted[2] == [0, 0, 122, 123, 134, 135, 136, 137]
    assert shifted[3] == [220, 221, 0, 0, 214, 215, 216, 217]
    assert shifted[5] == [0, 0, 222, 223, 234, 235, 236, 237]


def test_single_frames_lose_the_moving_channels():
    values = torch.ones(2, 8, 1, 1)
    assert shift_frames(values, num_frames=1).view(2, 8).tolist() == [[0, 0, 1, 1, 1, 1, 1, 1]] * 2


def test_fewer_channels_than_the_divisor_leaves_frames_as_they_are():
    values = torch.randn(4, 7, 2, 2)
    assert torch.equal(shift_frames(values, num_frames=4), values)


def test_clips_do_not_touch_each_other():
    values = torch.randn(8, 16, 2, 2)
    both = shift_frames(values, num_frames=4)
    changed = values.clone()
    changed[4:] = torch.randn(4, 16, 2, 2)
    assert torch.equal(shift_frames(changed, num_frames=4)[:4], both[:4])


def test_hook_survives_copying_and_pickling():
    conv = torch.nn.Conv2d(8, 3, 1)
    conv.register_forward_pre_hook(partial(shift_inputs, 2, 8))
    values = torch.randn(4, 8, 2, 2)
    expected = torch.nn.functional.conv2d(shift_frames(values, 2), conv.weight, conv.bias)
    for twin in (conv, copy.deepcopy(conv), pickle.loads(pickle.dumps(conv))):
        assert torch.equal(twin(values), expected)
    assert list(conv.state_dict()) == ["weight", "bias"]


def test_frames_that_do_not_fill_clips_are_an_error():
    with pytest.raises(RuntimeError):
        shift_frames(torch.zeros(5, 8, 1, 1), num_frames=2)


def test_shift_is_one_graph_for_the_compiler():
    values = torch.randn(4, 16, 3, 3).to(memory_format=torch.channels_last)
    compiled = torch.compile(shift_frames, fullgraph=True, backend="eager")
    assert torch.equal(compiled(values, 4), shift_frames(values, 4))
