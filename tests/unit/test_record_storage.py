"""What `attention.npz` and `attention_metrics.json` hold, and reading them back."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from neural_dsl.attention.record import AttentionRecord, Provenance
from neural_dsl.attention.storage import (
    RecordError,
    load_record,
    metrics_document,
    metrics_json,
    save_record,
    write_npz,
)
from tests.attention_records import layer


@pytest.fixture
def record():
    random = np.random.default_rng(0)

    def rows(*shape):
        return random.dirichlet(np.ones(shape[-1]), size=shape[:-1]).astype(np.float32)

    mask = np.array([[True, True, False], [True, True, True]])
    encoder = layer(
        rows(2, 4, 3, 3),
        "self",
        "file",  # the name of numpy.savez's own first argument
        key_mask=mask,
        query_mask=mask,
        query_tokens=(("The", "</script>", "\ud800"), ("a", "b", "日")),
        key_tokens=(("The", "</script>", "\ud800"), ("a", "b", "日")),
    )
    decoder = layer(rows(2, 1, 2, 3), "cross", "d.cross_attention", key_mask=mask)
    versions = {"numpy": "2", "torch": "2.13"}
    provenance = Provenance("M", "m.neural", "pytorch", "random, seed 0", "x", versions)
    return AttentionRecord((encoder, decoder), provenance)


def npz_bytes(record):
    buffer = io.BytesIO()
    write_npz(record, buffer)
    return buffer.getvalue()


def test_the_npz_holds_one_float32_array_per_attention_and_nothing_else(record):
    with np.load(io.BytesIO(npz_bytes(record)), allow_pickle=False) as archive:
        assert archive.files == ["file", "d.cross_attention"]
        for layer in record.layers:
            stored = archive[layer.name]
            assert stored.dtype == np.float32
            np.testing.assert_array_equal(stored, layer.weights)


def test_the_same_record_gives_the_same_bytes(record):
    assert npz_bytes(record) == npz_bytes(record)
    assert metrics_json(record) == metrics_json(record)


def test_the_metrics_text_is_the_metrics_document(record):
    document = json.loads(metrics_json(record))
    assert document == metrics_document(record)
    assert document["schema_version"] == 1
    assert document["provenance"] == asdict(record.provenance)
    assert [entry["name"] for entry in document["layers"]] == [
        "file",
        "d.cross_attention",
    ]
    assert document["layers"][0]["shape"] == [2, 4, 3, 3]
    assert document["layers"][0]["key_mask"] == [[True, True, False], [True] * 3]
    assert len(document["layers"][0]["heads"]) == 4
    assert document["layers"][1]["heads"][0]["diagonal_mass"] is None


def test_a_saved_record_is_read_back_whole(record, tmp_path):
    save_record(record, tmp_path)
    loaded = load_record(tmp_path)
    assert loaded.provenance == record.provenance
    for before, after in zip(record.layers, loaded.layers, strict=True):
        assert (after.name, after.kind) == (before.name, before.kind)
        assert after.query_tokens == before.query_tokens
        assert after.key_tokens == before.key_tokens
        np.testing.assert_array_equal(after.weights, before.weights)
        for name in ("key_mask", "query_mask"):
            old, new = getattr(before, name), getattr(after, name)
            assert (old is None) == (new is None)
            if old is not None:
                np.testing.assert_array_equal(old, new)


def test_a_pickled_array_is_refused(record, tmp_path):
    save_record(record, tmp_path)
    np.savez(tmp_path / "attention.npz", **{"d.cross_attention": np.array([{}])})
    with pytest.raises(RecordError):
        load_record(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": 2}', "null"])
def test_damaged_metrics_are_refused(record, tmp_path, text):
    save_record(record, tmp_path)
    (tmp_path / "attention_metrics.json").write_text(text)
    with pytest.raises(RecordError):
        load_record(tmp_path)


def test_files_of_different_runs_are_refused(record, tmp_path):
    save_record(record, tmp_path)
    weights = {layer.name: layer.weights[:1] for layer in record.layers}
    with (tmp_path / "attention.npz").open("wb") as file:
        np.savez(file, **{"d.cross_attention": weights["d.cross_attention"]})
    with pytest.raises(RecordError, match="no array 'file'"):
        load_record(tmp_path)


def test_rules_beyond_kind_and_padding_come_back_and_stand_in_the_file_only_then(
    record, tmp_path
):
    random = np.random.default_rng(1)
    cells = random.random((2, 4, 3, 3)) < 0.5
    for rule in ({"window": 2}, {"window": 3, "offset": 1}, {"dense": cells}):
        allowed = replace(record[0].allowed, **rule)
        ruled = replace(record[0], allowed=allowed)
        save_record(replace(record, layers=(ruled,)), tmp_path)
        np.testing.assert_array_equal(
            load_record(tmp_path)[0].allowed.rows(), allowed.rows()
        )
    entry = metrics_document(record)["layers"][0]
    assert not {"window", "offset", "dense"} & set(entry)


def test_an_attention_is_found_by_name_and_by_index(record):
    assert record["file"] is record[0] is record.layers[0]
    assert record[-1] is record["d.cross_attention"]
    assert [layer.name for layer in record] == ["file", "d.cross_attention"]
    with pytest.raises(KeyError, match="no attention 'nothing'; there is 'file'"):
        record["nothing"]
    with pytest.raises(IndexError):
        record[2]
