"""Drawings are well-formed, described in words, and follow the settings."""

import xml.etree.ElementTree as ET

import pytest

from explorer.experiment import Experiment
from explorer.figures import diagrams
from explorer.models.sizes import picture_sides

SVG = "{http://www.w3.org/2000/svg}"


def parse(svg: str) -> ET.Element:
    root = ET.fromstring(svg)
    assert root.tag == f"{SVG}svg" and root.get("role") == "img"
    assert root.get("aria-label") == root.find(f"{SVG}title").text
    assert "<script" not in svg and "http" not in svg.replace("http://www.w3.org/2000/svg", "")
    return root


def colours(root: ET.Element, colour: str) -> int:
    """Arrows of a colour: each has one filled head."""
    return sum(path.get("fill") == colour for path in root.iter(f"{SVG}path"))


DRAWINGS = [
    diagrams.unrolled(Experiment.of("char3")),
    diagrams.unrolled(Experiment.of("gru", bptt=64)),
    diagrams.arrows_legend(),
    diagrams.gru_cell(),
    diagrams.lstm_cell(),
    diagrams.conv_ladder([32, 15, 7, 3, 1], [3, 20, 40, 80, 80]),
    diagrams.shared_weights(),
    diagrams.heat(diagrams.LECTURE_MAP, "The lecture's map"),
    diagrams.sparkline([3, 2, 1], [(0.5, 2), (1, 1)], [(0.5, 2.1), (1, 1.5)], title="Loss & more <b>"),
    diagrams.sparkline([], title="Nothing"),
    diagrams.sparkline([float("nan")] * 50 + [1.0, 1.0], title="Flat"),
]


@pytest.mark.parametrize("svg", DRAWINGS)
def test_every_drawing_is_well_formed_and_says_what_it_shows(svg: str) -> None:
    parse(svg)


@pytest.mark.parametrize("window", [2, 3, 5, 8])
def test_a_window_has_an_arrow_in_for_every_character_and_one_out(window: int) -> None:
    root = parse(diagrams.unrolled(Experiment.of("char-loop", window=window)))
    assert colours(root, diagrams.GREEN) == window
    assert colours(root, diagrams.ORANGE) == window
    assert colours(root, diagrams.BLUE) == 1
    assert f"{window} characters" in root.get("aria-label")


def test_a_stream_predicts_everywhere_and_hands_its_state_on() -> None:
    root = parse(diagrams.unrolled(Experiment.of("stateful", bptt=6)))
    assert colours(root, diagrams.BLUE) == colours(root, diagrams.GREEN) == 6
    assert colours(root, diagrams.ORANGE) == 5 + 2
    words = [text.text for text in root.iter(f"{SVG}text")]
    assert words.count("state") == 2 and "no history" in words


def test_reset_at_every_batch_brings_in_nothing() -> None:
    words = [t.text for t in parse(diagrams.unrolled(Experiment.of("stateful", reset="batch"))).iter(f"{SVG}text")]
    assert words.count("state") == 1 and "0" in words


def test_a_long_bptt_is_abridged() -> None:
    short, long = (parse(diagrams.unrolled(Experiment.of("gru", bptt=bptt))) for bptt in (8, 256))
    assert long.get("viewBox") == short.get("viewBox")
    assert "···" in [text.text for text in long.iter(f"{SVG}text")]
    assert "256 characters" in long.get("aria-label")


def test_the_cell_in_the_circles_is_the_models() -> None:
    for model, name in (("gru-cell", "GRU"), ("lstm", "LSTM"), ("stateful", "h")):
        assert name in [t.text for t in parse(diagrams.unrolled(Experiment.of(model))).iter(f"{SVG}text")]


@pytest.mark.parametrize("draw", [diagrams.gru_cell, diagrams.lstm_cell])
def test_gates_are_written_and_drawn_as_open_as_they_are(draw) -> None:
    closed, opened = draw(0.0, 0.0), draw(1.0, 1.0)
    assert closed != opened
    assert "0%" in parse(closed).get("aria-label") and "100%" in parse(opened).get("aria-label")
    assert 'stroke-width="5"' in opened


@pytest.mark.parametrize("model", ["convnet", "convnet2", "resnet2"])
def test_the_ladder_shows_the_models_own_sides(model: str) -> None:
    sides = picture_sides(Experiment.of(model))
    words = [text.text for text in parse(diagrams.conv_ladder(sides)).iter(f"{SVG}text")]
    assert words == [str(side) for side in sides]


def test_the_weights_are_areas_to_scale() -> None:
    root = parse(diagrams.shared_weights())
    large, small = (float(rect.get("width")) ** 2 for rect in root.iter(f"{SVG}rect"))
    assert large / small == pytest.approx(122_880 / 560, rel=0.03)


def test_a_sparkline_stays_inside_whatever_it_is_given() -> None:
    root = parse(diagrams.sparkline([1e9, 2.0, float("inf"), 1.0, 0.5] * 10, [(0.1, 5.0), (1.0, 0.4)]))
    numbers = [
        float(n) for path in root.iter(f"{SVG}path") for n in path.get("d").replace("M", " ").replace("L", " ").split()
    ]
    assert all(0 <= n <= 240 for n in numbers)
