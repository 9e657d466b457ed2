"""The drawing of a network."""

from explorer.experiment import Experiment
from explorer.figures import networks
from explorer.models import summary, vision


def drawn(**changes: object):
    experiment = Experiment.of("builder", **changes)
    rows = summary.summarise(vision.build(experiment), (3, 32, 32))
    return networks.drawing(rows, normalised=experiment.norm != "none")


def legend(fig) -> list[str]:
    return [trace.name for trace in fig.data if trace.showlegend]


def test_every_colour_is_in_the_legend_once() -> None:
    fig = drawn()
    colours = {trace.name: trace.line.color for trace in fig.data}
    assert legend(fig) == list(colours)
    assert len(set(colours.values())) == len(colours)
    assert {"picture", "convolution", "convolution with BatchNorm", "with a skip connection", "fully connected"} == set(
        colours
    )


def test_the_drawing_follows_depth_norm_and_skip() -> None:
    assert len(drawn(depth=4).data) == len(drawn(depth=3).data) + 4, "one more layer in each of four stages"
    assert "convolution with BatchNorm" not in legend(drawn(norm="none", skip=False))
    assert "with a skip connection" not in legend(drawn(skip=False))
    assert len(drawn(widths="8,16").data) < len(drawn(widths="8,16,32").data)
