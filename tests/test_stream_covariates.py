"""`forecast follow` with covariates: in the rows, in a table of steps to come, by the calendar."""

import numpy as np
import pytest

from forecast import store
from forecast.data import tables
from forecast.data.wanted import Wanted
from forecast.fitting import fit
from forecast.models.base import LEVELS
from forecast.stream.feed import Feed
from forecast.stream.follower import Follower, Style
from forecast.stream.state import Stream

ROLES = {"known": ("heat", "off"), "past": ("wind",), "static": ("kind",)}
HEADER = "unique_id,ds,y,heat,off,wind,kind\n"
SMALL = {
    "linear": {"lags": "48"},
    "esn": {"units": "20", "reservoirs": "2", "lags": "48"},
    "kalman": {"seasons": "24:2", "anomaly": "0", "evaluations": "10", "starts": "1"},
    "gru": {"updates": "2", "units": "4", "head": "4", "members": "1"},
}
HORIZON = 4


def stamp(hour: int) -> str:
    return str(np.datetime64("2024-01-01T00:00:00") + np.timedelta64(hour, "h"))


def row(name: str, hour: int, y: bool = True) -> str:
    """Return the row of an hour; without `y` what is known of it before."""
    noise = np.random.default_rng([hour, ord(name)]).normal(size=3).tolist()
    heat = 10 + 8 * float(np.sin(hour / 60)) + noise[0]
    off = "yes" if hour % 168 > 140 else "no"
    value = 100 + 10 * float(np.sin(hour * np.pi / 12)) + heat - 5 * (off == "yes") + noise[1]
    kind = {"a": "house", "b": "works"}.get(name, "house")
    if not y:
        return f"{name},{stamp(hour)},,{heat!r},{off},,{kind}"
    return f"{name},{stamp(hour)},{value!r},{heat!r},{off},{noise[2]!r},{kind}"


def table(rows: list[str], **more):
    roles = ROLES if "future" not in more else {"known": ROLES["known"]}
    return tables.read((HEADER + "\n".join(rows)).encode(), **roles, **more)


@pytest.fixture(scope="module", params=SMALL)
def fitted(request):
    rows = [row(name, hour) for name in "ab" for hour in range(800)]
    return fit(table(rows), request.param, HORIZON, settings=SMALL[request.param])


@pytest.fixture(scope="module")
def linear():
    rows = [row(name, hour) for name in "ab" for hour in range(800)]
    return fit(table(rows), "linear", HORIZON, settings=SMALL["linear"])


def follow(forecaster, lines: list[str], future=None, **options):
    """Return the follower, the cells of what it wrote, and what it said."""
    out: list[str] = []
    said: list[str] = []
    asked = {role: forecaster.asked(role) for role in ("static", "known", "past")}
    feed = Feed(forecaster.clock, forecaster.layout, Wanted(**asked))
    stream = Stream(forecaster, 3, LEVELS, 0.0, future)
    follower = Follower(feed, stream, Style("csv", LEVELS), out.append, said.append, **options)
    follower.read(line.encode() for line in lines)
    return follower, [line.split(",") for line in "".join(out).splitlines()], said


def numbers(cells: list[list[str]]) -> np.ndarray:
    return np.array([line[5:] for line in cells], float)


def after(forecaster, rows: list[str], future) -> np.ndarray:
    """Return mean and quantiles (3, 1 + Q) after `rows` as update and predict give them.

    Of an hour without a value what was known stands in its place.
    """
    name = rows[-1][0]
    given = {line.split(",")[1]: line for line in rows if line[0] == name and line.split(",")[2]}
    hours = range(800, 801 + next(h for h in range(800, 900) if stamp(h) == max(given)))
    mine = [given.get(stamp(hour)) or row(name, hour, y=False) for hour in hours]
    want = forecaster.predict(table(mine, clock=forecaster.clock), 3, LEVELS, future=future)
    return np.concatenate([want.mean[0, :, None], want.quantiles[0]], axis=1)


def test_each_row_is_forecast_as_update_and_predict_would(fitted):
    known = [row(name, hour, y=False) for name in "ab" for hour in range(800, 840)]
    future = table(known, future=True, layout=fitted.layout, clock=fitted.clock)
    lines = [row(name, hour) for hour in range(800, 820) for name in "ab"]
    del lines[10:14]  # a hole
    lines[20] = ",".join([*lines[20].split(",")[:2], "", "", "", "", "house"])
    _, cells, said = follow(fitted, lines, future)
    assert len(cells) == 3 * len(lines) and not said
    tolerance = 1e-4 if fitted.family in ("esn", "gru") else 1e-8
    for k in (0, 1, 9, 22, 23, len(lines) - 1):
        got = numbers(cells[3 * k : 3 * k + 3])
        np.testing.assert_allclose(got, after(fitted, lines[: k + 1], future), rtol=tolerance)


def test_rows_without_a_value_tell_what_is_known_as_a_table_does(linear):
    known = [row(name, hour, y=False) for name in "ab" for hour in range(800, 840)]
    future = table(known, future=True, layout=linear.layout, clock=linear.clock)
    lines = [row(name, hour) for hour in range(800, 820) for name in "ab"]
    del lines[10:14]
    _, want, _ = follow(linear, lines, future)
    follower, got, said = follow(linear, [*known, *lines])
    first = 6  # where these fell, nothing was known yet
    assert [line[:3] + line[4:] for line in got] == [line[:3] + line[4:] for line in want]
    assert got[first:] == want[first:] and not said
    assert (
        follower.counts["foretold row"] == 80 and "80 rows of what is known" in follower.summary()
    )
    late = [row("a", 810, y=False), row("a", 819 + 10 * 2 * 168 + 600, y=False)]
    follower.read(line.encode() for line in late)
    assert follower.counts["late row"] == 1 and follower.counts["row too far ahead"] == 1


def test_what_is_not_known_ahead_stays_and_is_said(linear):
    lines = [row("a", hour) for hour in range(800, 812)]
    _, cells, said = follow(linear, lines)
    assert len(cells) == 36 and len(said) == 6 and "heat, off of the steps ahead" in said[0]
    heat, off = lines[-1].split(",")[3:5]
    same = [f"a,{stamp(hour)},,{heat},{off},," for hour in range(812, 816)]
    future = table(same, future=True, layout=linear.layout, clock=linear.clock)
    want = after(linear, lines, future)
    np.testing.assert_allclose(numbers(cells[-3:]), want, rtol=1e-8)


def test_the_state_that_is_saved_goes_on(linear):
    known = [row("c", hour, y=False) for hour in range(800, 840)]
    future = table(known, future=True, layout=linear.layout, clock=linear.clock)
    lines = [row("c", hour) for hour in range(800, 830)]
    follower, cells, _ = follow(linear, lines[:20], future)
    saved = store.loads(store.dumps(follower.stream.series.forecaster()))
    _, more, _ = follow(saved, lines[20:], future)
    _, whole, _ = follow(linear, lines, future)
    assert cells + more == whole  # where rows fell, too


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a,2024-02-03T08:00:00,1,warm,no,1,house", "covariate `heat`: `warm` is no number"),
        ("a,2024-02-03T08:00:00,1,2", "4 cells instead of 7"),
        ('{"unique_id": "a", "ds": "2024-02-03T08:00:00", "y": 1, "heat": 2}', "off"),
    ],
)
def test_a_row_without_what_the_model_wants_is_told(linear, line, said):
    follower, cells, told = follow(linear, [row("b", 800), line, row("a", 800)])
    assert follower.counts["bad line"] == 1 and len(cells) == 6
    assert any(said in each for each in told)


def test_another_order_of_columns_json_and_columns_nobody_wants(linear):
    cells = row("a", 800).split(",")
    names = HEADER.strip().split(",")
    order = [6, 5, 4, 3, 2, 1, 0]
    csv = ["extra," + ",".join(names[k] for k in order), "x," + ",".join(cells[k] for k in order)]
    record = dict(zip(names, cells, strict=True)) | {"y": float(cells[2]), "heat": float(cells[3])}
    as_json = "{" + ", ".join(
        f'"{k}": {v}' if k in ("y", "heat") else f'"{k}": "{v}"' for k, v in record.items()
    ) + "}"  # fmt: skip
    _, want, _ = follow(linear, [row("a", 800)])
    assert follow(linear, csv)[1] == want and follow(linear, [as_json])[1] == want


def test_holidays_come_from_the_calendar():
    pytest.importorskip("holidays")
    text = "ds,y\n" + "".join(
        f"{stamp(hour)},{100 + hour % 24 + (hour // 24 % 30 == 0)}\n" for hour in range(24 * 400)
    )
    forecaster = fit(tables.read(text.encode(), holidays="DE"), "linear", 24,
                     settings=SMALL["linear"])  # fmt: skip
    lines = [f"{stamp(hour)},{100 + hour % 24}" for hour in range(24 * 400, 24 * 402)]
    _, cells, said = follow(forecaster, lines)
    assert not said
    rows = tables.read(("ds,y\n" + "\n".join(lines)).encode(), clock=forecaster.clock,
                       calendar=forecaster.holidays, layout=forecaster.layout)  # fmt: skip
    want = forecaster.predict(rows, 3, LEVELS)
    np.testing.assert_allclose(numbers(cells[-3:])[:, 1:], want.quantiles[0], rtol=1e-8)
