"""Clips of many videos in common batches: each video gets its own rows, whatever the order and the sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsmfeat.errors import ConfigurationError
from tsmfeat.workflows.batching import ClipBatcher

SIZE = 3


class CountingEmbedder:
    """Stands in for the trunk: an embedding is (first pixel, second pixel, 1), computed when the batch is started."""

    num_frames = 1
    embedding_size = SIZE

    def __init__(self, batch_size):
        self.batch_size = batch_size
        self.batches, self.fetched = [], []

    def start(self, clips):
        assert 1 <= len(clips) <= self.batch_size
        rows = np.ones((len(clips), SIZE), np.float32)
        rows[:, :2] = clips[:, 0, 0, :, 0]
        number = len(self.batches)
        self.batches.append(len(clips))

        def fetch():
            self.fetched.append(number)
            return rows

        return fetch


def clips_of(key, intervals):
    """Clips of 1 × 2 pixels that say whose they are."""
    clips = np.zeros((len(intervals), 1, 1, 2, 3), np.uint8)
    clips[:, 0, 0, 0, 0] = key
    clips[:, 0, 0, 1, 0] = intervals
    return clips


def rows_of(key, count):
    return [[key, interval, 1] for interval in range(count)]


def make(batch_size):
    embed = CountingEmbedder(batch_size)
    return embed, ClipBatcher(embed, 1, 2)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 7))
def test_every_video_gets_its_own_rows_in_order(data, batch_size):
    counts = data.draw(st.lists(st.integers(0, 9), min_size=1, max_size=5))
    embed, batcher = make(batch_size)
    left = {}
    for key, count in enumerate(counts):
        batcher.open(key, count)
        left[key] = 0
    while waiting := [key for key in left if left[key] < counts[key]]:
        key = data.draw(st.sampled_from(waiting))
        number = data.draw(st.integers(1, counts[key] - left[key]))
        batcher.add(key, left[key], clips_of(key, range(left[key], left[key] + number)))
        left[key] += number
    batcher.flush()
    for key, count in enumerate(counts):
        assert batcher.is_complete(key)
        rows = batcher.take(key)
        assert rows.dtype == np.float16
        assert rows.tolist() == rows_of(key, count)
    total = sum(counts)
    # Full batches but for the last, and no batch fetched out of turn.
    assert embed.batches == [batch_size] * (total // batch_size) + [total % batch_size] * (total % batch_size > 0)
    assert embed.fetched == list(range(len(embed.batches)))


def test_one_batch_is_filled_while_another_is_on_the_device():
    embed, batcher = make(2)
    batcher.open(0, 6)
    batcher.add(0, 0, clips_of(0, range(2)))
    assert (embed.batches, embed.fetched) == ([2], [])
    batcher.add(0, 2, clips_of(0, range(2, 4)))
    assert (embed.batches, embed.fetched) == ([2, 2], [0])
    assert not batcher.is_complete(0)


def test_the_clips_are_copied():
    _, batcher = make(3)
    batcher.open(0, 2)
    clips = clips_of(0, range(2))
    batcher.add(0, 0, clips)
    clips[:] = 99
    batcher.flush()
    assert batcher.take(0).tolist() == rows_of(0, 2)


def test_a_dropped_video_leaves_the_others_alone():
    embed, batcher = make(3)
    for key in (0, 1):
        batcher.open(key, 4)
    batcher.add(0, 0, clips_of(0, range(2)))
    batcher.add(1, 0, clips_of(1, range(2)))
    batcher.drop(0)
    # What its reader still sends is passed over.
    batcher.add(0, 2, clips_of(0, range(2, 4)))
    batcher.add(1, 2, clips_of(1, range(2, 4)))
    batcher.flush()
    assert not batcher.is_complete(0)
    assert batcher.take(1).tolist() == rows_of(1, 4)
    assert sum(embed.batches) == 6
    batcher.drop(0)


def test_a_video_without_intervals_is_complete_at_once():
    embed, batcher = make(2)
    batcher.open(0, 0)
    assert batcher.is_complete(0)
    assert batcher.take(0).shape == (0, SIZE)
    batcher.flush()
    assert embed.batches == []


def test_a_taken_video_is_forgotten():
    _, batcher = make(2)
    batcher.open(0, 0)
    batcher.take(0)
    assert not batcher.is_complete(0)
    with pytest.raises(KeyError):
        batcher.take(0)


@pytest.mark.parametrize("bad", [1e6, -np.inf, np.nan])
def test_what_float16_cannot_hold_spoils_its_own_video_only(bad):
    class Loud(CountingEmbedder):
        def start(self, clips):
            fetch = super().start(clips)

            def louder():
                rows = fetch()
                rows[rows[:, 0] == 1, 2] = bad
                return rows

            return louder

    batcher = ClipBatcher(Loud(4), 1, 2)
    for key in (0, 1):
        batcher.open(key, 2)
        batcher.add(key, 0, clips_of(key, range(2)))
    batcher.flush()
    assert batcher.take(0).tolist() == rows_of(0, 2)
    assert not np.isfinite(batcher.take(1)).all()


@pytest.mark.parametrize("batch_size", [10**15, 10**30])
def test_a_batch_beyond_memory_is_refused(batch_size):
    with pytest.raises(ConfigurationError, match="does not fit into memory"):
        make(batch_size)


def test_embeddings_beyond_memory_do_not_open_the_video():
    _, batcher = make(2)
    with pytest.raises(MemoryError):
        batcher.open(0, 10**15)
    batcher.add(0, 0, clips_of(0, range(2)))
    batcher.flush()
    assert not batcher.is_complete(0)
