"""Three ordinary files that stopped other command lines: from file to forecast."""

import numpy as np
import pandas as pd
from pandas.tseries.holiday import AbstractHolidayCalendar, GoodFriday, USFederalHolidayCalendar

BERLIN = "Europe/Berlin"


def load(times):
    t = np.arange(len(times))
    return np.round(100 + 20 * np.sin(2 * np.pi * t / 24) + np.cos(t), 2)


def ahead(forecast, path, *options):
    """Fit a seasonal or plain naive model and return the stamps and means that it forecasts."""
    done = forecast("fit", path, "--transform", "none", "-o", "m", *options)
    assert done.returncode == 0, done.stderr
    done = forecast("predict", "m")
    assert done.returncode == 0, done.stderr
    rows = [row.split(",") for row in done.stdout.decode().splitlines()[1:]]
    return [row[1] for row in rows], np.array([float(row[2]) for row in rows])


def test_hourly_rows_with_a_gap_of_five_hours(forecast, tmp_path):
    times = pd.date_range("2024-01-01", periods=1440, freq="h")
    frame = pd.DataFrame({"ds": times, "y": load(times)}).drop(index=range(700, 705))
    frame.to_csv(tmp_path / "gap.csv", index=False)
    stamps, mean = ahead(forecast, "gap.csv", "-m", "snaive", "--horizon", "24")
    assert stamps[0] == "2024-03-01T00:00:00" and stamps[-1] == "2024-03-01T23:00:00"
    np.testing.assert_allclose(mean, frame["y"].iloc[-24:])


def test_local_time_with_a_clock_change_in_autumn(forecast, tmp_path):
    times = pd.date_range("2023-10-01", "2023-10-28 23:00", freq="h", tz=BERLIN)
    frame = pd.DataFrame({"ds": times.tz_localize(None), "y": load(times)})
    late = pd.date_range("2023-10-29", periods=30, freq="h", tz=BERLIN)
    rest = pd.DataFrame({"ds": late.tz_localize(None), "y": load(late)})
    frame.to_csv(tmp_path / "before.csv", index=False)
    pd.concat([frame, rest]).to_csv(tmp_path / "after.csv", index=False)
    done = forecast("fit", "after.csv", "-m", "snaive", "-o", "m")
    assert done.returncode == 3 and b"02:00:00 twice: the clock went back" in done.stderr
    assert f"--timezone {BERLIN}".encode() in done.stderr
    stamps, _ = ahead(forecast, "before.csv", "-m", "snaive", "--timezone", BERLIN)
    assert stamps == [time.isoformat() for time in late[:24]]  # a day of 25 hours
    assert stamps[2:4] == ["2023-10-29T02:00:00+02:00", "2023-10-29T02:00:00+01:00"]
    stamps, _ = ahead(forecast, "after.csv", "-m", "snaive", "--timezone", BERLIN)
    assert stamps[0] == (late[-1] + pd.Timedelta("1h")).isoformat()


class Exchange(AbstractHolidayCalendar):
    """Days on which New York rests: those of the state but two, and Good Friday."""

    rules = (
        *(
            rule
            for rule in USFederalHolidayCalendar.rules
            if not rule.name.startswith(("Columbus", "Veterans", "Juneteenth"))
        ),
        GoodFriday,
    )


def test_daily_closes_of_a_stock(forecast, tmp_path):
    days = pd.bdate_range("2009-01-02", "2012-12-24").difference(Exchange().holidays())
    close = np.exp(np.random.default_rng(0).normal(0, 0.01, len(days)).cumsum()) * 100
    frame = pd.DataFrame({"Date": days.strftime("%m/%d/%Y"), "Close": close.round(2)})
    frame.to_csv(tmp_path / "closes.csv", index=False)
    stamps, mean = ahead(forecast, "closes.csv", "-m", "naive")
    assert stamps == ["2012-12-26", "2012-12-27", "2012-12-28", "2012-12-31", "2013-01-02"]
    np.testing.assert_allclose(mean, frame["Close"].iloc[-1], rtol=0.01)
