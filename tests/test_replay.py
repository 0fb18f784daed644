"""Ragged rows cut into dense blocks, rows after the last one, holes, and held-back windows."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecast import replay
from forecast.data.clock import DAY, HOUR, Clock
from forecast.data.panel import assemble
from forecast.errors import DataError
from forecast.models.base import Setting
from forecast.models.naive import Naive, NaiveConfig
from forecast.transform import Transform

HOURLY = Clock("fixed", step=HOUR, seasons=(24,))


def panel(lengths, start=0):
    arrays = [np.arange(n, dtype=float) + 100 * i for i, n in enumerate(lengths)]
    return assemble(
        [f"s{i:03d}" for i in range(len(lengths))], arrays, [start] * len(lengths), HOURLY
    )


@given(st.lists(st.integers(0, 12), min_size=1, max_size=8))
def test_blocks_visit_every_row_once_in_order(lengths):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    seen = [[] for _ in lengths]
    for which, index in replay.blocks(offsets):
        assert index.shape[0] == len(which)
        for i, places in zip(which, index, strict=True):
            seen[i].extend(places.tolist())
    for i, places in enumerate(seen):
        assert places == list(range(offsets[i], offsets[i + 1]))


def test_blocks_stay_within_the_limit(monkeypatch):
    monkeypatch.setattr(replay, "BLOCK", 10)
    offsets = np.array([0, 7, 14, 17])
    found = list(replay.blocks(offsets))
    assert max(index.size for _, index in found) <= 10
    assert sum(index.size for _, index in found) == 17


def test_after_cuts_old_rows_and_fills_holes():
    rows = panel([10, 10, 10])
    last = np.array([4 * HOUR, -3 * HOUR, replay.NEVER])
    out = replay.after(rows, last)
    np.testing.assert_array_equal(out.lengths, [5, 12, 10])
    np.testing.assert_array_equal(out.series(0), [5, 6, 7, 8, 9])
    assert np.isnan(out.series(1)[:2]).all()
    np.testing.assert_array_equal(out.series(1)[2:], rows.series(1))
    np.testing.assert_array_equal(out.starts, [5 * HOUR, -2 * HOUR, 0])


def test_after_on_trading_days_cuts_by_timestamp():
    days = np.array([1, 2, 5, 6, 7]) * DAY
    clock = Clock("trading", unit="D")
    rows = replace(assemble(["a"], [np.arange(5.0)], [DAY], clock), times=days)
    out = replay.after(rows, np.array([2 * DAY]))
    np.testing.assert_array_equal(out.series(0), [2, 3, 4])
    np.testing.assert_array_equal(out.times, days[2:])


def test_a_hole_of_centuries_is_refused():
    rows = panel([3], start=10**9 * HOUR)
    with pytest.raises(DataError, match="skips"):
        replay.after(rows, np.array([0]))


def test_rows_between_the_steps_of_those_before_are_refused():
    mixed = assemble(["a", "b"], [np.ones(5), np.ones(5)], [0, HOUR // 2], HOURLY)
    never = np.full(2, replay.NEVER)
    assert len(replay.after(mixed, never).values) == 10
    assert len(replay.after(mixed, np.array([-3 * HOUR, -HOUR // 2])).values) == 12
    with pytest.raises(DataError, match=r"series `b`: 1970-01-01T00:30.* no whole number of steps"):
        replay.after(mixed, np.array([-3 * HOUR, -HOUR]))


def none(rows):
    return np.zeros((len(rows.values), 0))


def walk(horizon=3):
    return Naive(NaiveConfig(), Setting(horizon), {"deviation": np.ones(2)})


def test_absorbing_ragged_rows_equals_one_series_at_a_time():
    rows = panel([10, 4])
    both = replay.absorb(
        walk(), walk().start(np.array([0, 1])), rows, Transform(), np.ones(2), none(rows)
    )
    for i in range(2):
        single = rows.select([i])
        alone = replay.absorb(
            walk(), walk().start(np.array([i])), single, Transform(), np.ones(1), none(single)
        )
        for name, array in alone.items():
            np.testing.assert_array_equal(array[0], both[name][i])


def test_windows_see_only_what_was_before():
    rows, model = panel([20, 20]), walk()
    before = rows.rows(np.zeros(2, np.int64), rows.lengths - 8)
    state = replay.absorb(
        model, model.start(np.arange(2)), before, Transform(), np.ones(2), none(before)
    )
    quantiles, scale, truth = replay.windows(model, state, rows, rows.values, 8, 3, none(rows))
    assert quantiles.shape[:3] == (3, 2, 3)
    np.testing.assert_array_equal(quantiles[:, 0, 0, 7], [11, 14, 17])
    np.testing.assert_array_equal(truth[0, 0], [12, 13, 14])
    assert np.isnan(truth[2, 0, 2])
    assert scale.shape == (3, 2, 3)


def test_rewritten_history_is_noticed():
    from forecast import fitting

    rows = panel([40, 40])
    model = fitting.fit(rows, "naive", 3)
    assert model.rewritten(rows) == ()
    assert model.rewritten(panel([50, 40])) == ()
    values = rows.values.copy()
    values[38] += 1
    assert model.rewritten(replace(rows, values=values)) == ("s000",)
    later = panel([5, 5], start=100 * HOUR)
    assert model.rewritten(later) == ()
    moved = model.update(later)
    np.testing.assert_array_equal(moved.tail[0, -6:-4], [np.nan, 0])
