"""A run beside the notes."""

from explorer.figures.beside import printed_losses
from explorer.store.history import EpochRow


def test_theirs_are_dashed_and_named_and_in_the_colour_of_ours() -> None:
    fig = printed_losses(((1.5, 1.4, 0.4), (1.3, 1.2, 0.5)), (EpochRow(1, 10, 1.6, 1.7, 0.3, 2.0),))
    lines = {trace.name: trace for trace in fig.data}
    assert lines["validation, lecture notes"].y == (1.4, 1.2) and lines["training, here"].y == (1.6,)
    for name in ("training", "validation"):
        ours, theirs = lines[f"{name}, here"], lines[f"{name}, lecture notes"]
        assert ours.line.color == theirs.line.color and theirs.line.dash == "dash" != ours.line.dash
