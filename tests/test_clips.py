"""The sampling plan against the worked table, the official TSM rule, and a naive twin."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_clips import naive_plan

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.values.intervals import IntervalGrid
from tsmfeat.video.clips import distinct_frames, plan_clips, plan_clips_ticks


def frames_of(text):
    return [int(word) for word in text.split()]


# Frames of the whole video at T = 8: rate, step, interval, expected (worked out beside the sampling rule).
WORKED = [
    (30, 1.0, 0, "1 5 9 13 16 20 24 28"),
    (30, 0.5, 3, "45 47 49 51 53 55 57 59"),
    (30, 0.25, 3, "22 23 24 25 26 27 28 29"),
    (Fraction(30000, 1001), 1.0, 0, "1 5 9 13 16 20 24 28"),
    (Fraction(30000, 1001), 0.5, 3, "45 47 49 51 53 55 57 59"),
    (Fraction(30000, 1001), 0.25, 3, "22 23 24 25 26 27 28 29"),
    (25, 1.0, 0, "1 4 7 10 14 17 20 23"),
    (25, 0.5, 3, "38 39 41 42 44 46 47 49"),
    (25, 0.25, 0, "0 1 1 2 3 4 5 5"),
    (25, 0.25, 3, "19 19 20 21 22 23 23 24"),
    (Fraction(981, 50), 1.0, 0, "1 3 6 8 11 13 15 18"),
    (Fraction(981, 50), 0.5, 3, "30 31 32 33 34 36 37 38"),
    (Fraction(981, 50), 0.25, 0, "0 0 1 2 2 3 3 4"),
    (Fraction(981, 50), 0.25, 3, "15 15 16 16 17 18 18 19"),
    (5, 1.0, 0, "0 0 1 2 2 3 4 4"),
    (5, 0.5, 3, "7 7 8 8 8 9 9 9"),
    (5, 0.25, 0, "0 0 0 0 0 0 1 1"),
    (5, 0.25, 3, "3 3 4 4 4 4 4 4"),
]
VFR = [0.0, 0.04, 0.08, 0.12, 0.16, 0.4, 0.44, 0.48, 0.52, 0.56, 0.6, 0.64, 0.9, 1.0]


@pytest.mark.parametrize(("fps", "step", "interval", "expected"), WORKED)
def test_worked_table_in_ticks_and_in_seconds(fps, step, interval, expected):
    grid = IntervalGrid(4.0, step)
    stamps = np.arange(int(4 * fps), dtype=np.int64)
    exact = plan_clips_ticks(stamps, 1 / Fraction(fps), grid, 8)
    rounded = plan_clips(stamps / float(fps), grid, 8)
    assert exact[interval].tolist() == frames_of(expected)
    assert rounded[interval].tolist() == frames_of(expected)


def test_thirty_fps_at_a_quarter_second_uses_seven_or_eight_frames():
    plan = plan_clips_ticks(np.arange(120), Fraction(1, 30), IntervalGrid(4.0, 0.25), 8)
    assert plan[0].min() == 0
    assert plan[0].max() == 7
    assert set(distinct_frames(plan).tolist()) <= {7, 8}


@pytest.mark.parametrize(("interval", "expected"), [(0, "0 2 3 4 4 4 5 6"), (1, "8 9 11 11 11 11 12 12")])
def test_variable_rate_takes_the_frame_on_display(interval, expected):
    plan = plan_clips(VFR, IntervalGrid(1.0, 0.5), 8)
    assert plan[interval].tolist() == frames_of(expected)


@pytest.mark.parametrize("fps", [8, 16, 24, 25, 30, 32, 48, 50, 60])
@pytest.mark.parametrize("unit", [90_000, 15_360 * 16])
def test_ties_on_rounded_stamps_follow_the_official_rule(fps, unit):
    # The official test rule: frame floor((2x + 1) n / 2T) of an interval's n frames.
    stamps = np.array([round(Fraction(k * unit, fps)) for k in range(6 * fps)], np.int64)
    for num_frames in range(1, 17):
        plan = plan_clips_ticks(stamps, Fraction(1, unit), IntervalGrid(6.0, 1.0), num_frames)
        official = [[i * fps + (2 * x + 1) * fps // (2 * num_frames) for x in range(num_frames)] for i in range(6)]
        assert plan.tolist() == official


def test_without_the_tolerance_the_tie_would_flip():
    # 48 fps, T = 16, place 0 is at 1.5 frames; T = 8, place 0 at 3.0 frames: a tie. 1/90000 s rounds 1875·3 exactly,
    # but 1/1001 s units do not: 3/48 s = 62.56 units is rounded up to 63, 4.4e-4 s late, beyond the tolerance.
    stamps = np.array([round(Fraction(k * 1001, 48)) for k in range(48)], np.int64)
    plan = plan_clips_ticks(stamps, Fraction(1, 1001), IntervalGrid(1.0, 1.0), 8)
    assert plan[0, 0] == 2
    # 9 µs late is within it, 11 µs late is not.
    assert plan_clips([0.0, 0.5 + 9e-6], IntervalGrid(1.0, 1.0), 1).tolist() == [[1]]
    assert plan_clips([0.0, 0.5 + 11e-6], IntervalGrid(1.0, 1.0), 1).tolist() == [[0]]


def test_the_first_frame_is_on_display_before_its_stamp():
    assert plan_clips([0.9, 1.1], IntervalGrid(2.0, 0.5), 2).tolist() == [[0, 0], [0, 0], [1, 1], [1, 1]]


def test_negative_stamps_and_equal_stamps():
    assert plan_clips([-0.5, 0.2, 0.2, 0.9], IntervalGrid(1.0, 1.0), 4).tolist() == [[0, 2, 2, 2]]


def test_no_interval_needs_no_frame():
    plan = plan_clips([], IntervalGrid(0.1, 0.5), 8)
    assert plan.shape == (0, 8)
    assert plan.dtype == np.int64
    assert distinct_frames(plan).shape == (0,)


def test_long_clips_are_centred_and_cut_at_both_ends():
    # 10 frames a second, L = 3 s, step 1 s, clip 2 s: spans [0, 1.5], [.5, 2.5], [1.5, 3].
    plan = plan_clips_ticks(np.arange(30), Fraction(1, 10), IntervalGrid(3.0, 1.0), 5, 2.0)
    assert plan.tolist() == [[1, 4, 7, 10, 13], [7, 11, 15, 19, 23], [16, 19, 22, 25, 28]]


def test_a_clip_of_the_step_is_the_plain_plan():
    stamps, grid = np.arange(100), IntervalGrid(4.0, 0.5)
    plain = plan_clips_ticks(stamps, Fraction(1, 25), grid, 8)
    assert plan_clips_ticks(stamps, Fraction(1, 25), grid, 8, 0.5).tolist() == plain.tolist()


@pytest.mark.parametrize(
    ("num_frames", "clip_seconds"), [(0, None), (256, None), (8, 0.25), (8, float("nan")), (8, float("inf"))]
)
def test_impossible_clips_are_refused(num_frames, clip_seconds):
    with pytest.raises(ConfigurationError):
        plan_clips([0.0, 0.5], IntervalGrid(1.0, 0.5), num_frames, clip_seconds)


@pytest.mark.parametrize("stamps", [[0.0, float("nan")], [0.0, float("inf")], [0.5, 0.0], [], [[0.0, 0.5]]])
def test_bad_stamps_are_refused(stamps):
    with pytest.raises(InputError):
        plan_clips(stamps, IntervalGrid(1.0, 0.5), 8)


def test_hours_of_odd_fractions_stay_exact():
    # Units too small for 64 bits take the same path in Python's integers.
    step, clip, hours = 0.123457, 0.987643, 2
    stamps = np.arange(hours * 3600 * 30, dtype=np.int64) * 3003
    grid = IntervalGrid(hours * 3600.0, step)
    plan = plan_clips_ticks(stamps, Fraction(1, 90_000), grid, 3, clip)
    last = grid.count - 1
    for interval in (1000, 30_000, last - 100):
        first = max(int(interval * step * 29.97) - 60, 0)
        near = [Fraction(int(s), 90_000) for s in stamps[first : first + 200]]
        exact = Fraction(str(step))
        for x in range(3):
            centre = (interval + Fraction(1, 2)) * exact + Fraction(str(clip)) * (
                Fraction(2 * x + 1, 6) - Fraction(1, 2)
            )
            expected = first + sum(s <= centre + Fraction(1, 100_000) for s in near) - 1
            assert plan[interval, x] == expected


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_plans_equal_the_naive_twin(data):
    unit = data.draw(st.sampled_from([Fraction(1, 30), Fraction(1001, 30000), Fraction(1, 1000), Fraction(1, 90000)]))
    gap = max(int(Fraction(1, 20) / unit), 2)
    gaps = data.draw(st.lists(st.integers(0, 3 * gap), min_size=1, max_size=40))
    stamps = np.cumsum([data.draw(st.integers(-gap, gap)), *gaps]).astype(np.int64)
    duration = float(max(Fraction(int(stamps[-1]) + gap) * unit, Fraction(0)))
    step = data.draw(st.sampled_from([0.1, 0.25, 0.3, 0.5, 1.0, 1 / 3, 0.123456]))
    num_frames = data.draw(st.integers(1, 9))
    factor = data.draw(st.sampled_from([None, 1, 2, 5]))
    clip = None if factor is None else factor * step
    grid = IntervalGrid(duration, step, float(unit))
    exact_step = Fraction(step).limit_denominator(10**6)
    exact_clip = None if clip is None else Fraction(clip).limit_denominator(10**6)
    exact_duration = Fraction(round(duration * 10**9), 10**9)
    seconds = [Fraction(int(s)) * unit for s in stamps]
    expected = naive_plan(seconds, grid.count, exact_step, num_frames, exact_clip, exact_duration)
    assert plan_clips_ticks(stamps, unit, grid, num_frames, clip).tolist() == expected


@settings(max_examples=100, deadline=None)
@given(
    stamps=st.lists(st.integers(0, 900_000), min_size=1, max_size=60),
    step=st.sampled_from([0.25, 0.5, 1.0]),
    num_frames=st.integers(1, 16),
    clip=st.sampled_from([None, 2.0]),
)
def test_plans_are_monotone_and_seconds_agree_with_ticks(stamps, step, num_frames, clip):
    ticks = np.sort(np.array(stamps, np.int64))
    grid = IntervalGrid(10.0, step)
    plan = plan_clips_ticks(ticks, Fraction(1, 90_000), grid, num_frames, clip)
    assert plan.shape == (grid.count, num_frames)
    assert plan.min() >= 0
    assert plan.max() < len(ticks)
    assert (np.diff(plan, axis=1) >= 0).all()
    assert (np.diff(plan, axis=0) >= 0).all()
    assert plan_clips(ticks / 90_000, grid, num_frames, clip).tolist() == plan.tolist()
    assert distinct_frames(plan).tolist() == [len(set(row)) for row in plan.tolist()]
