"""Does the map behind the CAM page's answer tell the truth? Hide what is hot; ask a head that knows nothing."""

import streamlit as st
import torch

from explorer.cam.explain import explain
from explorer.cam.network import CamNet, head_of
from explorer.cam.truth import deletion_curve
from explorer.figures.cam import deletion
from explorer.ladders import Page
from explorer.ui import parts, plot, state, steps
from explorer.ui.cam.answer import PhotoAnswer


def show(answer: PhotoAnswer) -> None:
    """The deletion test, and the map of a head that has learnt nothing."""
    left, right = st.columns(2, gap="medium")
    with left:
        _deletion(answer)
    with right:
        _untrained(answer)
    st.markdown(
        "**What a map cannot say.** It shows where evidence lies, not why; each cell has seen more of the photo than "
        "the square it covers; and a class's bias moves its map, so look at the difference of two classes."
    )


def _deletion(answer: PhotoAnswer) -> None:
    name = answer.name(answer.index)
    st.markdown(f"**Hide what is hot, and ask again.** If the map is right, {name} should fall faster than by chance.")
    here = state.cam()
    if st.button(
        "Hide the hottest 10, 20 and 40 %",
        icon=":material/content_cut:",
        key=here.key("deletion", "run"),
        type="primary",
    ):
        with st.spinner("Asking 16 times …", show_time=True):
            found = deletion_curve(answer.loaded.network, answer.shown.photo, answer.explanation)
        here.deletion = (answer.stamp, found)
        steps.did(Page.CAM, "deletion")
    if here.deletion is None or here.deletion[0] != answer.stamp:
        return
    found = here.deletion[1]
    plot.show(
        deletion(found, answer.loaded.name(answer.index)),
        here.key("deletion", "chart"),
        "Probability against the share of the photo hidden: hottest first, and at random.",
    )
    verdict = (
        f"Hiding the hot parts costs **{found.gap:.0%}** more than hiding random ones: the map tells something true."
        if found.tells
        else "Hiding the hot parts costs no more than hiding random ones. Either the evidence is everywhere, or this "
        "map is no guide to it."
    )
    st.caption(f"{verdict} Grey band: the range of four random tries.")


def _untrained(answer: PhotoAnswer) -> None:
    st.markdown("**Ask somebody who knows nothing.** A head with random weights draws a map as well.")
    network = answer.loaded.network
    if not isinstance(network, CamNet):
        st.caption("Only for the photo networks.")
        return
    seed = int(st.number_input("Seed of the random head", 0, 999, key=state.cam().key("random_head"), width=200))
    word = ("untrained", seed)
    found = answer.once(
        word, lambda: explain(_with_random_head(network, seed), answer.shown.photo, view=answer.options.view)
    )
    with st.container(width=340):
        parts.image(answer.picture(word, found.heat.values), width="stretch", alt="The map of an untrained head")
    st.caption(
        f"It says {answer.name(found.winner)}, {found.probabilities[found.winner]:.0%}. Its heat may look "
        "convincing, because the body beneath still finds things. A picture of heat proves nothing by itself."
    )


def _with_random_head(network: CamNet, seed: int) -> CamNet:
    classes = len(network.classes)
    weight = torch.empty(classes, network.head.in_channels, 3, 3)
    weight.normal_(0, 0.01, generator=torch.Generator().manual_seed(seed))
    return network.with_head(head_of(weight, torch.zeros(classes)), network.classes)
