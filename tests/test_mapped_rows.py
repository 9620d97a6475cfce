"""Features that stay in their files while heads are fitted."""

from dataclasses import replace

import numpy as np
import pytest
from factories_heads import Recorder, make_blobs, make_rows
from factories_workflows import make_database, write_database, write_store
from hypothesis import given, settings
from hypothesis import strategies as st

from tsmfeat.errors import ConfigurationError
from tsmfeat.heads.block_order import BLOCK_ROWS, shuffle_blocks
from tsmfeat.heads.checkpoint import load_heads
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.training import train_head
from tsmfeat.workflows import mapped_rows
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.fitting import fit_heads
from tsmfeat.workflows.mapped_rows import MappedRows, exceeds_memory

FAST = FitOptions(HeadOptions(epochs=8, lr=0.1, batch_size=64))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.data())
@settings(max_examples=100, deadline=None)
def test_rows_of_many_arrays_are_those_of_their_concatenation(lengths, data):
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(length, 3)).astype(np.float16) for length in lengths]
    whole, mapped = np.concatenate(parts), MappedRows(parts, 3)
    assert (mapped.shape, mapped.ndim, len(mapped)) == (whole.shape, 2, len(whole))
    if len(whole):
        rows = np.array(data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=20)), np.int64)
        np.testing.assert_array_equal(mapped[rows], whole[rows])
    first, last = data.draw(st.integers(0, 30)), data.draw(st.integers(0, 30))
    np.testing.assert_array_equal(mapped[first:last], whole[first:last])


@given(st.integers(0, 9000), st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_shuffled_blocks_hold_every_row_once(count, seed):
    order = shuffle_blocks(count, np.random.default_rng(seed))
    np.testing.assert_array_equal(np.sort(order), np.arange(count))


def test_a_batch_of_shuffled_blocks_sees_many_places_and_few_pages():
    count = 64 * BLOCK_ROWS * 10
    order = shuffle_blocks(count, np.random.default_rng(0))
    blocks = order[:256] // BLOCK_ROWS
    assert 20 < len(set(blocks.tolist())) <= 64
    assert len(set((order[: 64 * BLOCK_ROWS] // BLOCK_ROWS).tolist())) == 64
    assert blocks.max() - blocks.min() > 300  # all over the table


def test_heads_fitted_on_mapped_rows_are_those_of_the_same_order_in_memory():
    features, action, scene = make_blobs(num_rows=300)
    data = replace(make_rows(features, action, scene, num_scenes=2), in_blocks=True)
    parts = MappedRows(np.array_split(features, 7), features.shape[1])
    options = HeadOptions(epochs=4, batch_size=32, lr=0.05)
    in_memory, mapped = (train_head(rows, options, 8) for rows in (data, replace(data, features=parts)))
    np.testing.assert_array_equal(mapped.weights.action_weight, in_memory.weights.action_weight)
    other_order = train_head(replace(data, in_blocks=False), options, 8)
    assert not np.array_equal(other_order.weights.action_weight, in_memory.weights.action_weight)


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mapped")
    database = make_database()
    write_database(folder / "gt.json", database)
    write_store(folder / "store", database)
    return folder


@pytest.mark.parametrize("folds", [0, 3])
def test_a_fit_that_reads_from_files_learns_as_well(task, tmp_path, folds):
    progress = Recorder()
    options = replace(FAST, memory="mapped", num_folds=folds)
    report = fit_heads(task / "store", task / "gt.json", tmp_path / "heads", options, progress)
    in_memory = fit_heads(task / "store", task / "gt.json", tmp_path / "other", replace(options, memory="ram"))
    assert report.validation["final_score"] > 0.9
    assert report.num_intervals == in_memory.num_intervals
    assert "stay in their files" in str(progress.of("note"))
    assert load_heads(tmp_path / "heads").record["training"]["num_rows"] == report.num_intervals


def test_what_does_not_fit_into_half_of_the_free_memory_stays_in_its_files(task, tmp_path, monkeypatch):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9 kB\nMemAvailable:    2 kB\n")
    real = mapped_rows._free_bytes
    monkeypatch.setattr(mapped_rows, "_free_bytes", lambda source: real(meminfo))
    assert (exceeds_memory(1024), exceeds_memory(1025)) == (False, True)
    progress = Recorder()
    fit_heads(task / "store", task / "gt.json", tmp_path / "heads", FAST, progress)
    assert "stay in their files" in str(progress.of("note"))
    meminfo.unlink()
    assert not exceeds_memory(10**15)


def test_unknown_places_of_features_are_refused():
    with pytest.raises(ConfigurationError, match="memory 'disk'"):
        FitOptions(memory="disk")
