"""What every figure shares."""

from explorer.figures import style


def test_a_logarithmic_axis_says_whole_numbers() -> None:
    """Plotly's own labels between two powers are single digits: a run of 2, 5, 1, 5, 2 that names no value."""
    fig = style.figure(log_x=True, log_y=True)
    for axis in (fig.layout.xaxis, fig.layout.yaxis):
        assert axis.type == "log" and axis.tickformat == "~g"
    plain = style.figure()
    assert plain.layout.yaxis.type != "log" and plain.layout.yaxis.tickformat is None
