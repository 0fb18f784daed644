"""Model files: golden bytes, damage, foreign and newer files, nothing left behind."""

import json

import numpy as np
import pytest

from forecast import fitting, store
from forecast.data.clock import HOUR, Clock
from forecast.data.panel import assemble
from forecast.errors import ModelFileError

CLOCK = Clock("fixed", step=HOUR, seasons=(24,))


@pytest.fixture(scope="module")
def data():
    y = 50 + 10 * np.sin(np.arange(300) / 24 * 2 * np.pi)
    return store.dumps(fitting.fit(assemble(["a"], [y], [0], CLOCK), "snaive", 24))


def header(data):
    size = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def packed(head, body):
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + body


def test_one_json_text_holds_all_but_the_tensors(data):
    head, _ = header(data)
    meta = json.loads(head["__metadata__"]["forecast"])
    assert meta["format"] == 2  # the oldest that holds what a file without holidays needs
    assert meta["family"] == "snaive"
    assert meta["ids"] == ["a"]
    assert len(meta["sha256"]) == 64
    assert not any("time" in key or "date" in key for key in meta["record"])


@pytest.mark.parametrize("cut", [0, 4, 8, 100, -1])
def test_a_file_cut_short_is_refused(data, cut):
    with pytest.raises(ModelFileError):
        store.loads(data[:cut])


def test_any_changed_byte_is_noticed(data):
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(data), 200):
        spoilt = bytearray(data)
        spoilt[place] ^= 1 << int(rng.integers(0, 8))
        try:
            loaded = store.loads(bytes(spoilt))
        except ModelFileError:
            continue
        assert store.dumps(loaded) == data  # white space of the header


def test_a_newer_format_says_so(data):
    head, body = header(data)
    meta = json.loads(head["__metadata__"]["forecast"])
    meta["format"] = store.FORMAT + 1
    head["__metadata__"]["forecast"] = json.dumps(meta)
    with pytest.raises(ModelFileError, match="newer"):
        store.loads(packed(head, body))


def test_a_safetensors_file_of_something_else_is_foreign():
    from safetensors.numpy import save

    with pytest.raises(ModelFileError, match="something else"):
        store.loads(save({"x": np.zeros(3)}))


@pytest.mark.parametrize("junk", [b"", b"PK\x03\x04" * 50, b"\xff" * 100, b"unique_id,ds,y\n" * 9])
def test_junk_is_not_a_model_file(junk):
    with pytest.raises(ModelFileError, match="not a model file"):
        store.loads(junk)


def test_a_missing_file_names_itself(tmp_path):
    with pytest.raises(ModelFileError, match=r"absent\.safetensors"):
        store.load(tmp_path / "absent.safetensors")


def test_without_state_neither_ids_nor_rows_are_kept(data, tmp_path):
    forecaster = store.loads(data)
    store.save(forecaster, tmp_path / "bare.safetensors", state=False)
    bare = store.load(tmp_path / "bare.safetensors")
    assert bare.ids == ()
    assert all(len(array) == 0 for array in bare.state.values())


def test_a_failed_save_leaves_the_old_file_and_no_litter(data, tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    store.save(store.loads(data), path)

    def refuse(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", refuse)
    with pytest.raises(OSError, match="No space"):
        store.save(store.loads(data), path)
    assert path.read_bytes() == data
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]
