"""How large a figure may be."""

import plotly.graph_objects as go

LIMIT = 150_000  # bytes of a figure on its way to the browser


def small_enough(figure):
    assert isinstance(figure, go.Figure) and not any(isinstance(trace, go.Scattergl) for trace in figure.data)
    size = len(figure.to_json())
    assert size < LIMIT, size
    return figure
