"""Panels: ragged, frozen, the same whichever clock they have."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from forecast.data.clock import DAY, HOUR, Clock
from forecast.data.panel import Panel, assemble

CLOCKS = {
    "fixed": ("h", Clock("fixed", HOUR)),
    "calendar": ("ME", Clock("calendar", 1, anchor=31, unit="D")),
    "index": ("", Clock("index", 1)),
    "trading": ("B", Clock("trading", unit="D")),
}
STARTS, LENGTHS = (5, 0, 2), (4, 7, 1)


def grid(kind: str) -> np.ndarray:
    if kind == "index":
        return np.arange(20)
    days = pd.date_range("2024-01-31", periods=20, freq=CLOCKS[kind][0])
    return days.to_numpy().astype("M8[us]").astype(np.int64)


@pytest.fixture(params=sorted(CLOCKS))
def panel(request: pytest.FixtureRequest) -> Panel:
    """Series c, a, b of the input with 4, 7 and 1 rows; inside they stand as a, b, c."""
    at, clock = grid(request.param), CLOCKS[request.param][1]
    rows = [at[s : s + n] for s, n in zip(STARTS, LENGTHS, strict=True)]
    values = [np.arange(n) + 10.0 * k for k, n in enumerate(LENGTHS)]
    made = assemble(["c", "a", "b"], values, [r[0] for r in rows], clock)
    if clock.complete:
        return made
    return dataclasses.replace(made, times=np.concatenate([rows[1], rows[2], rows[0]]))


def expected(panel: Panel) -> list[np.ndarray]:
    at = grid(panel.clock.kind)
    return [at[STARTS[k] : STARTS[k] + LENGTHS[k]] for k in (1, 2, 0)]


def test_series_stand_in_sorted_order_and_remember_the_inputs(panel: Panel) -> None:
    assert panel.ids == ("a", "b", "c")
    assert [panel.ids[k] for k in panel.order] == ["c", "a", "b"]
    assert panel.lengths.tolist() == [7, 1, 4]
    assert panel.series(2).tolist() == [0, 1, 2, 3]


def test_timestamps(panel: Panel) -> None:
    truth = expected(panel)
    for i, own in enumerate(truth):
        np.testing.assert_array_equal(panel.row_times(i), own)
    np.testing.assert_array_equal(panel.all_times(), np.concatenate(truth))
    np.testing.assert_array_equal(panel.ends, [own[-1] for own in truth])


def test_until_counts_like_a_slow_loop(panel: Panel) -> None:
    truth = expected(panel)
    for cutoff in (*grid(panel.clock.kind), grid(panel.clock.kind)[0] - 1, 10**16):
        counts = [int((own <= cutoff).sum()) for own in truth]
        assert panel.counts_until(int(cutoff)).tolist() == counts
        cut = panel.until(int(cutoff))
        assert cut.lengths.tolist() == counts
        for i, count in enumerate(counts):
            np.testing.assert_array_equal(cut.series(i), panel.series(i)[:count])
            np.testing.assert_array_equal(cut.row_times(i), truth[i][:count])


def test_rows_may_leave_a_series_empty(panel: Panel) -> None:
    cut = panel.rows(np.array([2, 1, 3]), np.array([5, 1, 4]))
    assert cut.lengths.tolist() == [3, 0, 1]
    truth = expected(panel)
    np.testing.assert_array_equal(cut.row_times(0), truth[0][2:5])
    np.testing.assert_array_equal(cut.row_times(2), truth[2][3:4])
    assert len(cut.row_times(1)) == 0
    assert cut.ends[1] < cut.starts[1]
    none = panel.rows(np.zeros(3, np.int64), np.zeros(3, np.int64))
    assert len(none.values) == 0
    assert (none.ends < none.starts).all()


def test_select_keeps_the_order_of_the_input(panel: Panel) -> None:
    some = panel.select([0, 2])
    assert some.ids == ("a", "c")
    assert [some.ids[k] for k in some.order] == ["c", "a"]
    np.testing.assert_array_equal(some.series(1), panel.series(2))
    np.testing.assert_array_equal(some.row_times(1), panel.row_times(2))


def test_a_panel_is_frozen(panel: Panel) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        panel.ids = ()  # type: ignore[misc]


def test_a_frame_there_and_back(panel: Panel) -> None:
    frame = panel.to_frame()
    assert frame["unique_id"].drop_duplicates().tolist() == ["c", "a", "b"]
    back = Panel.from_frame(frame)
    assert back.ids == panel.ids
    np.testing.assert_array_equal(back.values, panel.values)
    np.testing.assert_array_equal(back.all_times(), panel.all_times())
    np.testing.assert_array_equal(back.order, panel.order)


def test_a_frame_may_carry_its_timestamps_in_the_index() -> None:
    index = pd.date_range("2024-01-01", periods=48, freq="h", tz="Europe/Athens")
    panel = Panel.from_frame(pd.DataFrame({"load": np.arange(48.0)}, index=index))
    assert panel.ids == ("load",)
    assert panel.clock.zone == "Europe/Athens"
    assert panel.clock.write(panel.starts)[0] == "2024-01-01T00:00:00+02:00"


def test_an_empty_panel() -> None:
    none = np.zeros(0, np.int64)
    for clock in (Clock("fixed", DAY), Clock("trading")):
        times = None if clock.complete else none
        panel = Panel((), np.zeros(0), np.zeros(1, np.int64), none, clock, times)
        assert len(panel.all_times()) == len(panel.ends) == len(panel.until(5)) == 0
