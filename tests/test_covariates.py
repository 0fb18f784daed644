"""Covariates: read beside the values, coded, carried, known ahead, found or refused."""

import io

import numpy as np
import pandas as pd
import pytest

from forecast import fitting, store
from forecast.data import covariates, rewriting, tables
from forecast.data.covariates import Column, Covariates
from forecast.errors import DataError, UsageError

TABLE = b"""unique_id,ds,y,weather,region,visits,heat
b,2020-01-01,1,fog,S,3,1.5
b,2020-01-02,1,fog,S,4,
a,2020-01-01,1,sun,N,5,2
a,2020-01-02,2,rain,N,,2.5
a,2020-01-04,3,sun,,7,3
a,2020-01-05,,rain,N,,4
a,2020-01-06,,,N,,5
"""
ROLES = {"known": ["weather", "heat"], "past": ["visits"], "static": ["region"]}


def hourly(rows=400, holiday=0.0, seed=1):
    """A load whose temperature and holiday move it at once, one without memory."""
    rng = np.random.default_rng(seed)
    t = np.arange(rows)
    heat = np.round(10 + 8 * np.sin(t / 37) + 2 * rng.normal(size=rows), 2)
    free = (rng.random(rows) < holiday).astype(int)
    y = 100 + 20 * np.sin(2 * np.pi * t / 24) + 3 * heat - 15 * free + rng.normal(size=rows)
    stamps = pd.date_range("2020-01-01", periods=rows, freq="h")
    return pd.DataFrame({"ds": stamps, "y": np.round(y, 3), "heat": heat, "free": free})


def text(frame):
    return frame.to_csv(index=False).encode()


def test_columns_are_read_in_order_of_their_roles():
    panel = tables.read(TABLE, **ROLES)
    names = [(c.name, c.role, c.texts) for c in panel.covariates.columns]
    assert names == [
        ("region", "static", ("N", "S")),
        ("weather", "known", ("fog", "rain", "sun")),
        ("heat", "known", None),
        ("visits", "past", None),
    ]
    frame = panel.to_frame()
    assert list(frame["unique_id"]) == ["b", "b", "a", "a", "a", "a"]
    assert list(frame["region"]) == ["S", "S", "N", "N", "N", "N"]  # also where a cell is empty
    np.testing.assert_array_equal(frame["heat"], [1.5, np.nan, 2, 2.5, np.nan, 3])
    assert list(frame["weather"].fillna("-")) == ["fog", "fog", "sun", "rain", "-", "sun"]


def test_a_frame_goes_in_and_comes_out():
    frame = hourly(50, 0.3).assign(unique_id="x", kind="home")
    panel = tables.from_frame(frame, known=["heat", "free"], static=["kind"])
    out = panel.to_frame()
    np.testing.assert_allclose(out["heat"], frame["heat"])
    np.testing.assert_array_equal(out["free"], frame["free"])
    assert set(out["kind"]) == {"home"}


def test_rows_after_the_last_value_are_what_is_known_of_steps_to_come():
    panel = tables.read(TABLE, **ROLES)
    assert panel.lengths.tolist() == [4, 2]
    assert panel.future.lengths.tolist() == [2, 0]
    np.testing.assert_array_equal(panel.future.to_frame()["heat"], [4, 5])
    plain = tables.read(TABLE, value="y")
    assert plain.future is None
    assert plain.lengths.tolist() == [6, 2]


def test_holes_are_counted_and_taken_from_the_past():
    panel = tables.read(TABLE, **ROLES)
    said = " ".join(panel.notes)
    assert "known `heat`: 2 of 6 rows without a value" in said
    assert "past `visits`: 2 of 6 rows" in said
    values = np.array([[np.nan], [1], [np.nan], [np.nan], [2], [np.nan]])
    filled = covariates.carried(values, np.array([0, 3, 6]), np.array([[7.0], [8.0]]))
    np.testing.assert_array_equal(filled[:, 0], [7, 1, 1, 8, 2, 2])


def test_coded_columns_have_mean_0_and_variance_1():
    panel = tables.read(TABLE, **ROLES)
    coding = covariates.learn(panel.covariates)
    assert coding.names("known") == ("weather=fog", "weather=rain", "weather=sun", "heat")
    coded = coding.code(panel.covariates)
    np.testing.assert_allclose(np.nanmean(coded, axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(np.nanstd(coded, axis=0), 1)
    other = Covariates((Column("weather", "known", ("snow", "sun")),), np.array([[0.0], [1.0]]))
    sun = coding.told(other, ()).shape
    assert sun == (2, 0)
    with pytest.raises(DataError, match="no column `heat`"):
        coding.code(other, ("known",))


def test_only_frequent_texts_are_told_apart():
    codes = np.repeat(np.arange(30.0), np.arange(1, 31))
    column = Column("c", "known", tuple(f"t{k:02}" for k in range(30)))
    coding = covariates.learn(Covariates((column,), codes[:, None]))
    assert coding.names("known") == tuple(f"c=t{k:02}" for k in range(10, 30))
    rare = coding.told(Covariates((column,), np.array([[0.0]])))
    np.testing.assert_array_equal(rare, np.zeros((1, 20)))


def test_a_constant_covariate_counts_for_nothing_and_is_said():
    frame = hourly(300)
    panel = tables.from_frame(frame, known=["heat", "free"])
    model = fitting.fit(panel, "linear", 12, transform="none")
    assert model.record["covariates"] == {
        "used": ["heat", "free"], "not used": [], "constant": ["free"],
    }  # fmt: skip
    ahead = hourly(312).iloc[300:].drop(columns="y")
    plain, other = (
        model.predict(future=tables.read(text(f), known=["heat", "free"], future=True,
                                         clock=model.clock))
        for f in (ahead, ahead.assign(free=1))
    )  # fmt: skip
    np.testing.assert_array_equal(plain.mean, other.mean)


@pytest.mark.parametrize(
    ("model", "settings"), [("linear", {}), ("esn", {"units": "40", "reservoirs": "1"})]
)
def test_a_known_covariate_is_followed(model, settings):
    frame = hourly(1500, 0.1)
    with_, without = (tables.from_frame(frame, known=k, value="y") for k in (["heat", "free"], []))
    from forecast.backtest import run
    from forecast.results import Task

    task = Task(24, windows=8)
    options = {"transform": "none", "settings": {model: settings}}
    scores = [run(p, task, [model], options=options).score(model).mase for p in (with_, without)]
    assert scores[0] < 0.35 * scores[1]


def test_the_future_is_found_by_series_and_time():
    frame = hourly(424, 0.1)
    both = pd.concat([frame.assign(unique_id=i, heat=frame["heat"] + k)
                      for k, i in enumerate("ab")])  # fmt: skip
    past = both[both["ds"] < "2020-01-17 16:00"]
    ahead = both[both["ds"] >= "2020-01-17 16:00"].drop(columns="y")
    model = fitting.fit(
        tables.from_frame(past, known=["heat", "free"], value="y"), "linear", 24, transform="none"
    )

    def read(table):
        return tables.read(text(table), known=["heat", "free"], future=True, clock=model.clock,
                           layout=model.layout)  # fmt: skip

    ours = model.predict(future=read(ahead.sample(frac=1, random_state=3)))
    whole = both.copy()
    whole.loc[whole["ds"] >= "2020-01-17 16:00", "y"] = np.nan
    theirs = model.predict(tables.from_frame(whole, known=["heat", "free"], value="y"))
    np.testing.assert_array_equal(ours.mean, theirs.mean)
    shared = ahead[ahead["unique_id"] == "a"].drop(columns="unique_id")
    np.testing.assert_array_equal(model.predict(future=read(shared)).mean[0], ours.mean[0])

    lacking = ahead.drop(index=ahead.index[[3, 5]])
    with pytest.raises(DataError, match=r"4 of 48 steps .* a 2020-01-17T19:00:00, a 2020") as bad:
        model.predict(future=read(lacking))
    assert "--future FILE" in bad.value.hint and "heat,free" in bad.value.hint
    with pytest.raises(DataError, match="48 of 48"):
        model.predict()


def test_numbers_with_a_unit_are_no_texts():
    frame = hourly(60)
    frame["heat"] = frame["heat"].astype(str) + " K"
    with pytest.raises(DataError, match=r"column `heat`: known covariate: .* carry a unit, `K`"):
        tables.read(text(frame), known=["heat"], value="y")
    codes = frame.assign(heat=[f"{k % 3}{'ab'[k % 2]}" for k in range(60)])
    assert tables.read(text(codes), known=["heat"], value="y").covariates.columns[0].texts


def test_what_cannot_be_used_is_refused():
    with pytest.raises(DataError, match=r"column `wind`.*no column is called so") as bad:
        tables.read(TABLE, known=["wind"])
    assert "weather" in bad.value.hint
    with pytest.raises(UsageError, match="twice"):
        tables.read(TABLE, known=["heat"], past=["heat"])
    with pytest.raises(UsageError, match="`--known y`"):
        tables.read(TABLE, value="y", known=["y"])
    with pytest.raises(DataError, match=r"line 5, .*`heat`.* changes within series `a`") as bad:
        tables.read(TABLE, static=["heat"])
    assert "--known heat" in bad.value.hint
    with pytest.raises(DataError, match="no value"):
        tables.read(b"ds,y,w\n2020-01-01,1,\n2020-01-02,2,\n2020-01-03,2,\n", known=["w"])
    with pytest.raises(DataError, match="line 3"):
        tables.read(b"ds,y,w\n2020-01-01,1,2\n2020-01-02,2,1e300\n2020-01-03,2,1\n", past=["w"])


def test_a_loaded_model_reads_the_columns_of_its_fit():
    panel = tables.from_frame(hourly(300, 0.2), known=["heat", "free"])
    model = store.loads(store.dumps(fitting.fit(panel, "linear", 12, transform="none")))
    assert model.layout.beside == (("known", 2, False), ("known", 3, False))
    naive = fitting.fit(panel, "naive", 12)
    assert naive.layout.beside == ()
    assert naive.record["covariates"]["not used"] == ["heat", "free"]
    later = hourly(312, 0.2).iloc[300:]
    rows = tables.read(text(later).split(b"\n", 1)[1], layout=model.layout, clock=model.clock)
    assert [c.name for c in rows.covariates.columns] == ["heat", "free"]
    stream = io.BytesIO(text(later))
    assert len(tables.read(stream, layout=model.layout, clock=model.clock).covariates.values) == 12


def rewritten(panel, steps=None):
    out = io.BytesIO()
    rewriting.write(panel, out) if steps is None else rewriting.template(panel, steps, out)
    return out.getvalue()


def test_a_template_holds_the_steps_to_come_and_what_is_known_of_them():
    panel = tables.read(TABLE, **ROLES)
    assert rewritten(panel, 3).decode().splitlines() == [
        "unique_id,ds,weather,heat",
        "b,2020-01-03,,", "b,2020-01-04,,", "b,2020-01-05,,",
        "a,2020-01-05,rain,4", "a,2020-01-06,,5", "a,2020-01-07,,",
    ]  # fmt: skip
    wide = tables.read(b"when,a,b,heat\n2020-01-01,1,2,3\n2020-01-02,1,2,3\n2020-01-03,1,3,4\n",
                       known=["heat"])  # fmt: skip
    assert rewritten(wide, 2).decode() == "when,heat\n2020-01-04,\n2020-01-05,\n"
    with pytest.raises(UsageError, match="nothing to fill in"):
        rewriting.template(tables.read(TABLE, value="y"), 3, io.BytesIO())


def test_a_repaired_table_keeps_its_covariates_and_what_is_known_ahead():
    panel = tables.read(TABLE, **ROLES)
    assert rewritten(panel).decode().splitlines()[3:] == [
        "a,2020-01-01,1,N,sun,2,5", "a,2020-01-02,2,N,rain,2.5,", "a,2020-01-03,,N,,,",
        "a,2020-01-04,3,N,sun,3,7", "a,2020-01-05,,N,rain,4,", "a,2020-01-06,,N,,5,",
    ]  # fmt: skip
    again = tables.read(rewritten(panel), **ROLES)
    np.testing.assert_array_equal(again.values, panel.values)
    np.testing.assert_array_equal(again.covariates.values, panel.covariates.values)
    np.testing.assert_array_equal(again.future.covariates.values, panel.future.covariates.values)


def test_a_template_is_written_filled_in_and_piped_back(forecast, tmp_path):
    frame = hourly(400).drop(columns="free")
    (tmp_path / "load.csv").write_bytes(text(frame))
    load = str(tmp_path / "load.csv")
    model = str(tmp_path / "m")
    done = forecast("fit", load, "-m", "linear", "--known", "heat", "--horizon", "3", "-o", model)
    assert done.returncode == 0, done.stderr
    lacking = forecast("predict", model, load)
    assert lacking.returncode == 3
    hint = b"`forecast check DATA --known heat --future-template 3 -o FILE`"
    assert hint in lacking.stderr
    blank = forecast("check", load, "--known", "heat", "--future-template", "3")
    stamps = [f"2020-01-17T{hour}:00:00" for hour in (16, 17, 18)]
    assert blank.stdout.decode() == "ds,heat\n" + "".join(f"{stamp},\n" for stamp in stamps)
    filled = "ds,heat\n" + "".join(f"{stamp},10\n" for stamp in stamps)
    ahead = forecast("predict", model, "--future", "-", stdin=filled.encode())
    assert ahead.returncode == 0, ahead.stderr
    assert [row.split(",")[1] for row in ahead.stdout.decode().splitlines()[1:]] == stamps
    both = forecast("predict", model, "-", "--future", "-", stdin=filled.encode())
    assert both.returncode == 2
