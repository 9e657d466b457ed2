"""How runs are laid over each other."""

from explorer.figures import compare


def test_an_axis_of_settings_has_a_tick_where_something_was_tried() -> None:
    def ticks(*values, log=False):
        losses = compare.Axis("loss", [1.0] * len(values), False)
        figure = compare.parallel([compare.Axis("setting", values, log)], losses, True)
        return figure.data[0].dimensions[0].ticktext

    assert ticks(64, 256, 128, 64) == ("64", "128", "256")
    assert ticks(0.08878841, 1e-4, log=True) == ("0.0001", "0.08879")
    assert ticks("SGD", "Adam", "SGD") == ("Adam", "SGD")
    assert ticks(*range(30)) is None, "as many as look well"
    assert len(ticks(*(10.0**-n for n in range(30)), log=True)) == compare.TICKS
