"""Figures about pictures: confusions, accuracy by class, mosaics. Pure functions of arrays."""

import numpy as np
import plotly.graph_objects as go

from explorer.figures import style


def confusion(counts: np.ndarray, classes: tuple[str, ...], *, key: str = "") -> go.Figure:
    """Counts (true class, chosen class) as a heat map; the diagonal, which would outshine the rest, is left blank.

    Its colours are the page's own: none is the page's background, in the light scheme and in the dark one.
    """
    fig = style.figure("what the model said", "what it was", height=420, key=key)
    mistakes = counts.astype(np.float32)
    np.fill_diagonal(mistakes, np.nan)
    words = np.where(np.isnan(mistakes), "", counts.astype(str))
    fig.add_heatmap(
        z=mistakes,
        zmin=0,
        x=list(classes),
        y=list(classes),
        showscale=False,
        xgap=2,
        ygap=2,
        text=words,
        texttemplate="%{text}",
        hovertemplate="%{y} taken for %{x}: %{z}<extra></extra>",
        hoverongaps=False,
    )
    fig.update_xaxes(showgrid=False).update_yaxes(showgrid=False)
    fig.update_yaxes(autorange="reversed")
    fig.update_layout(hovermode="closest", margin={"l": 64, "r": 8, "t": 10, "b": 60})
    return fig


def by_class(accuracy: np.ndarray, classes: tuple[str, ...], *, key: str = "") -> go.Figure:
    """Accuracy within each class, best first."""
    order = np.argsort(accuracy)
    fig = style.figure("accuracy", "", height=420, key=key)
    fig.add_bar(
        x=accuracy[order],
        y=[classes[i] for i in order],
        orientation="h",
        marker={"color": style.VALID},
        text=[f"{accuracy[i]:.0%}" for i in order],
        textposition="auto",
        hoverinfo="skip",
    )
    fig.update_xaxes(tickformat=".0%", range=[0, 1])
    fig.update_layout(margin={"l": 60, "r": 8, "t": 10, "b": 40})
    return fig


def mosaic(pictures: np.ndarray, columns: int, scale: int = 3, gap: int = 2) -> np.ndarray:
    """One uint8 picture (height, width, 4) of many (n, 3, side, side), enlarged without smoothing, see-through gaps."""
    n, _, side, _ = pictures.shape
    rows = -(-n // columns)
    cell = side * scale + gap
    canvas = np.zeros((rows * cell - gap, columns * cell - gap, 4), np.uint8)
    for i, picture in enumerate(pictures):
        top, left = (i // columns) * cell, (i % columns) * cell
        large = picture.transpose(1, 2, 0).repeat(scale, 0).repeat(scale, 1)
        canvas[top : top + side * scale, left : left + side * scale, :3] = large
        canvas[top : top + side * scale, left : left + side * scale, 3] = 255
    return canvas
