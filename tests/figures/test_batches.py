"""A mini-batch drawn: every cell is there, long ones are cut with an ellipsis, and the batch lies where it is read."""

import re

import pytest

from explorer.figures import batches


def test_x_stands_beside_y_and_what_is_long_is_cut() -> None:
    rows = [list("abc"), list("def")]
    drawn = batches.beside(rows, rows, [], ["1", "2"])
    assert drawn.count(">a</text>") == 2 and "next batch" not in drawn and "…" not in drawn
    long = [list("abcdefghijklmnopqrstuvwxyz")]
    drawn = batches.beside(long, long, long, ["1"])
    assert drawn.count(">a</text>") == 3 and ">z</text>" not in drawn and drawn.count("…") == 3


@pytest.mark.parametrize("start", [0.0, 0.3, 0.7, 0.999])
def test_the_batch_lies_where_in_the_streams_it_is_read_and_nothing_leaves_the_drawing(start) -> None:
    drawn = batches.streams(64, 7546, start, 8)
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', drawn)[1])
    place = float(re.search(r'x="([\d.]+)" y="8"', drawn)[1])
    assert place == pytest.approx(46 + 620 * start, abs=0.1) and place + 45 < width
    words, anchor = re.search(r'<text x="([\d.-]+)"[^>]*text-anchor="(\w+)"[^>]*>8 characters', drawn).groups()
    long = 6.2 * len("8 characters of each, then the next batch")
    assert (float(words) + long < width) if anchor == "start" else (float(words) - long > 0)


def test_predictions_of_rank_three_become_rows() -> None:
    drawn = batches.flattened(8, 64, 55)
    assert "512 × 55" in drawn and ".view(-1, 55)" in drawn and ">512</text>" in drawn
