"""Behind the CAM page's answer: every class's map, every layer's, and the numbers, the recipe and the truth."""

import numpy as np
import streamlit as st

from explorer.cam.explain import layer_maps
from explorer.cam.heat import COLORMAPS, shared_scale, signed_scale
from explorer.cam.maps import Method, contrast
from explorer.errors import ExplorerError
from explorer.ui import links, parts, state
from explorer.ui.cam import layers, numbers, printed, recipe, truth
from explorer.ui.cam.answer import PhotoAnswer

TABS = {
    "classes": "All classes",
    "numbers": "The numbers",
    "steps": "Step by step",
    "map": "The lecture's map",
    "layers": "Layer by layer",
    "network": "The network",
    "truth": "Does it tell the truth?",
}
DIVERGING = COLORMAPS[-1]


def show(answer: PhotoAnswer) -> None:
    """Ways behind the answer; only the open one is computed."""
    tabs = st.tabs(list(TABS.values()), on_change="rerun", key=links.tab("show", state.cam().key("tab"), TABS))
    views = (_classes, numbers.show, recipe.show, printed.show, _layers, layers.show, truth.show)
    for tab, draw in zip(tabs, views, strict=True):
        if tab.open:
            with tab:
                draw(answer)


def _classes(answer: PhotoAnswer) -> None:
    explanation = answer.explanation
    st.caption("Every class's map on **one shared scale**: black is no evidence, the brightest spot of all is 1.")
    order = np.argsort(-explanation.probabilities)
    maps = shared_scale(explanation.maps)
    across = min(5, max(4, len(order)))
    for row in range(0, len(order), across):
        for column, index in zip(st.columns(across), order[row : row + across], strict=False):
            values = explanation.maps[index]
            name = answer.loaded.name(index)
            with column:
                file = answer.picture(("class", int(index)), maps[index])
                parts.image(file, width="stretch", alt=f"The map for {name}")
                st.markdown(
                    f"**{parts.escape(name)}** {explanation.probabilities[index]:.1%}  \n"
                    f":small[peak {values.max():.2f}, mean {values.mean():.2f} logits]"
                )
    st.subheader("One against another", anchor=False)
    left, right = st.columns([1, 2], gap="medium")
    with right:
        names = list(range(len(order)))
        first = st.selectbox("For", names, int(order[0]), format_func=answer.loaded.name, key=answer.key("for"))
        second = st.selectbox(
            "Against",
            names,
            int(order[1]),
            format_func=answer.loaded.name,
            key=answer.key("vs"),
            help="A number added to both scores changes no probability, but shifts every map; this difference stays.",
        )
        st.caption(f"Red speaks for {answer.name(first)}, blue for {answer.name(second)}, white for neither.")
    with left:
        difference = signed_scale(contrast(explanation.maps, first, second))
        words = f"Evidence for {answer.loaded.name(first)} against {answer.loaded.name(second)}"
        opacity = max(0.65, answer.options.opacity)
        file = answer.picture(("against", first, second), difference, DIVERGING, opacity)
        parts.image(file, width="stretch", alt=words)


def _layers(answer: PhotoAnswer) -> None:
    method = answer.options.method if answer.options.method.by_gradient else Method.GRADCAM
    try:
        found = answer.once(
            "layers",
            lambda: layer_maps(
                answer.loaded.network, answer.shown.photo, answer.index, view=answer.options.view, method=method
            ),
        )
    except ExplorerError as error:
        parts.refused(error)
        return
    title = "Grad-CAM++" if method == Method.GRADCAM_PLUS else "Grad-CAM"
    st.caption(f"{title} for **{answer.name(answer.index)}** at every stage, from edges to meaning.")
    for column, (name, heat) in zip(st.columns(max(3, len(found))), found.items(), strict=False):
        rows, columns = heat.values.shape
        with column:
            parts.image(answer.picture(("layer", name), heat.values), width="stretch", alt=f"Heat at {name}")
            st.markdown(f"**{name}**  \n:small[{rows} × {columns} cells{', empty' if heat.flat else ''}]")
    st.markdown(
        "Early maps are sharp and follow edges; late ones are coarse and follow the animal. Only the head's map adds "
        "up to the score."
    )
