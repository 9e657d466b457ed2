"""What one takes away besides the script: numbers, a chart, weights that ten lines read, ONNX."""

import csv
import io
import re

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

from explorer.errors import WeightsError
from explorer.export import files
from explorer.store.history import COLUMNS, EpochRow, Snapshot
from explorer.training import checkpoint, internals, prepare
from tests.training.test_lr_finder import vision


def test_metrics_come_back_from_csv():
    table = {name: np.arange(3.0) + number for number, name in enumerate(COLUMNS)}
    table["grad_norm"] = np.array([np.nan, 1.5, 2.5])
    history = Snapshot(table, (EpochRow(1, 3, 2.5, 2.25, 0.5, 1.0, "a, “sample”"),))
    rows = list(csv.DictReader(io.StringIO(files.steps_csv(history))))
    assert [float(row["loss"]) for row in rows] == table["loss"].tolist() and rows[0]["grad_norm"] == ""
    (row,) = csv.DictReader(io.StringIO(files.epochs_csv(history)))
    assert (row["epoch"], float(row["val_loss"])) == ("1", 2.25)
    assert files.table_csv([]) == ""


def test_a_chart_is_a_page_by_itself():
    page = files.chart_html(go.Figure(go.Scatter(x=[1, 2], y=[3, 4])), "Loss < 2")
    assert "<html>" in page[:30] and "<title>Loss &lt; 2</title>" in page
    assert not re.search(r"<script[^>]*\ssrc=", page)
    assert len(page) > 1_000_000, "Plotly is in it"


def test_ten_lines_read_the_weights(tiny, tmp_path):
    learner = tiny("gru")
    path = tmp_path / "w.safetensors"
    checkpoint.save(path, learner.model, prepare.story_of(learner, learner.experiment, 1.0, 0.5), half=True)
    around = {}
    exec(files.LOADER, around)
    found = around["load"](path)
    assert len(files.LOADER.strip().splitlines()) - 1 == 10, "and a comment"
    for name, tensor in learner.model.state_dict().items():
        assert np.array_equal(found[name], tensor.half().numpy())


@pytest.mark.parametrize("key", ["stateful", "lstm", "gru-cell", "char3", "resnet"])
def test_a_model_as_onnx(key, tiny, tmp_path):
    learner = vision(key) if key == "resnet" else tiny(key)
    learner.data.source = getattr(learner.data, "source", None) or checkpoint.Source("Noise", "standin", "")
    learner.data.classes = ("a", "b") if key == "resnet" else ()
    path = tmp_path / "w.safetensors"
    checkpoint.save(path, learner.model, prepare.story_of(learner, learner.experiment, 1.0, 0.5))
    content = files.as_onnx(path)
    assert b"pytorch" in content[:40] and len(content) > sum(p.numel() for p in learner.model.parameters()) * 4 * 0.9
    for name in (b"pictures",) if key == "resnet" else (b"characters",):
        assert name in content
    assert b"logits" in content


def test_where_torch_cannot_write_onnx_it_is_a_sentence(tiny, tmp_path, monkeypatch):
    learner = tiny("gru")
    path = tmp_path / "w.safetensors"
    checkpoint.save(path, learner.model, prepare.story_of(learner, learner.experiment, 1.0, 0.5))

    def fail(*_):
        raise ImportError("Module onnx is not installed!")

    monkeypatch.setattr(internals, "to_onnx", fail)
    with pytest.raises(WeightsError, match="Install the package onnx"):
        files.as_onnx(path)
    assert torch.is_grad_enabled()
