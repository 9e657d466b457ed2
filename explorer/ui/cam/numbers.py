"""The numbers behind the CAM page's answer: what each cell says, and that they add up to the score."""

import base64

import plotly.graph_objects as go
import streamlit as st
from streamlit.elements.plotly_chart import PlotlyState

from explorer.cam.explain import Evidence, Explanation, evidence_at, sums
from explorer.cam.heat import colours
from explorer.figures.cam import map_numbers, on_photo
from explorer.ui import state
from explorer.ui.cam.answer import PhotoAnswer


def show(answer: PhotoAnswer) -> None:
    """The map's cells on the photo and as numbers, and what each class's cells add up to."""
    here, explanation = state.cam(), answer.explanation
    count, rows, columns = explanation.maps.shape
    row, column = _cell(rows, columns)
    values = explanation.maps[answer.index]
    left, right = st.columns(2, gap="medium")
    identity = "-".join(map(str, (*answer.stamp, answer.index, row, column, answer.options)))
    with left:
        st.caption("Hover over the photo for every class's evidence there. Click to pick a point.")
        _clickable(
            on_photo(
                _as_url(answer),
                answer.shown.photo.rgb.shape[1::-1],
                explanation.geometry,
                explanation.maps,
                [answer.loaded.name(i) for i in range(count)],
                selected=(row, column),
            ),
            here.key("photo", identity),
            "The photo with its heat; each cell tells the evidence for every class.",
        )
    with right:
        st.caption(f"The map for **{answer.name(answer.index)}**: {rows} × {columns} numbers, in logits.")
        _clickable(
            map_numbers(
                values,
                colours=colours("blue–red"),
                low=-abs(values).max(),
                high=abs(values).max(),
                selected=(row, column),
                height=400,
            ),
            here.key("cells", identity),
            f"The {rows} by {columns} numbers of the map.",
        )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input("Row", 0, rows - 1, key=here.key("row"), width=120)
        st.number_input("Column", 0, columns - 1, key=here.key("column"), width=120)
        st.caption("Counted from 0, from the top left.")
    point = evidence_at(explanation, *_inside(explanation, row, column))
    if point is None:
        st.caption("The network saw only padding at this point.")
    _sums(answer, point)


def _cell(rows: int, columns: int) -> tuple[int, int]:
    """The picked cell, within this map."""
    here = state.cam()
    row, column = (min(size - 1, here.value(word, size // 2)) for word, size in (("row", rows), ("column", columns)))
    here.set("row", row)
    here.set("column", column)
    return row, column


def _inside(explanation: Explanation, row: int, column: int) -> tuple[float, float]:
    return explanation.geometry.centre(row, column, *explanation.maps.shape[1:])


def _clickable(figure: go.Figure, key: str, alt: str) -> None:
    def picked() -> None:
        chart: PlotlyState = state.widget(key, PlotlyState())
        points = chart.get("selection", {}).get("points", [])
        if points and "customdata" in points[0]:
            found = points[0]["customdata"]
            found = list(found.values()) if isinstance(found, dict) else found
            state.cam().set("row", int(found[0]))
            state.cam().set("column", int(found[1]))

    st.plotly_chart(
        figure, key=key, on_select=picked, selection_mode="points", alt=alt, config={"displayModeBar": False}
    )


def _as_url(answer: PhotoAnswer) -> str:
    picture = answer.picture("heat", answer.explanation.heat.values)
    return "data:image/jpeg;base64," + base64.b64encode(picture).decode()


def _sums(answer: PhotoAnswer, point: Evidence | None) -> None:
    explanation = answer.explanation
    cells = explanation.maps[0].size
    rows = []
    for i, (_, mean, logit) in enumerate(sums(explanation)):
        here = {"evidence here": point.values[i], f"its rank of {cells}": point.ranks[i]} if point else {}
        rows.append(
            {
                "class": answer.loaded.name(i),
                **here,
                f"mean of its {cells} cells": mean,
                "the network's score": logit,
                "probability": float(explanation.probabilities[i]),
            }
        )
    st.dataframe(
        rows,
        hide_index=True,
        width="stretch",
        column_config={"probability": st.column_config.NumberColumn(format="percent")},
    )
    if explanation.exact:
        off = max(abs(mean - logit) for _, mean, logit in sums(explanation))
        st.markdown(
            f":material/functions: The last layer only averages. So a class's score **is** the mean of its map: add up "
            f"the {cells} numbers, divide by {cells}. Here the two differ by at most `{off:.0e}`, which is rounding."
        )
    else:
        st.markdown(
            ":material/functions: This network ends in a **maximum** over all places, not a mean. Its score is the "
            "linear layer at each channel's largest value, so the map's cells do not add up to it."
        )
