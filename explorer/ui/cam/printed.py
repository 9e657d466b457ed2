"""The lecture's own 7 × 7 map as numbers, beside the one of the photo on the page."""

import numpy as np
import streamlit as st

from explorer.cam.heat import colours
from explorer.figures.cam import map_numbers
from explorer.figures.diagrams import LECTURE_MAP
from explorer.ui import parts, plot, state
from explorer.ui.cam.answer import PhotoAnswer
from explorer.ui.cam.recipe import steps_of


def show(answer: PhotoAnswer) -> None:
    """Both matrices, cell by cell, in the same colours."""
    here, table = state.cam(), colours(answer.options.colormap)
    ours = steps_of(answer)[3].value
    left, right = st.columns(2, gap="medium")
    for column, title, word, values in (
        (left, "**The lecture's cat**, as the notes print `f2`", "lecture_map", np.array(LECTURE_MAP)),
        (right, f"**{parts.escape(answer.shown.title)}**, here", "own_map", ours),
    ):
        with column:
            st.markdown(title)
            plot.show(
                map_numbers(values, colours=table, low=0.0, high=1.0, height=400),
                here.key(word, str(answer.stamp)) if word == "own_map" else here.key(word),
                f"The {' by '.join(map(str, values.shape))} numbers of the map after the min–max.",
            )
            row, place = np.unravel_index(values.argmax(), values.shape)
            st.caption(f"Brightest at row {row}, column {place} (from 0); {(values > 0.5).mean():.0%} of it above 0.5.")
    st.code("f2=np.dot(np.rollaxis(feat,0,3), py)\nf2-=f2.min()\nf2/=f2.max()\nf2", language="python")
    st.caption(
        "The notes print this matrix without its picture's name; its heat lies right of the middle. Each number is how "
        "strongly that place of the photo speaks for what the network said, stretched to reach from 0 to 1."
    )
