"""The first batch through a race's untrained networks: something real before any click."""

import streamlit as st

from explorer.errors import ExplorerError
from explorer.experiment import Experiment
from explorer.figures.race import across_depth
from explorer.runs.race import LaneView, Race, RaceView
from explorer.ui import parts, plot, state


@st.cache_resource(
    max_entries=24,
    show_spinner="Sending one batch through the untrained networks …",
    hash_funcs={Experiment: repr},  # field by field is a tenth of what the page costs
)
def _first_step(experiments: dict[str, Experiment], where: str) -> RaceView:
    """One step of a race: what the untrained networks do with their first batch."""
    small = {name: e.replace(images=min(e.images, 500), epochs=1) for name, e in experiments.items()}
    raced = Race(small, where=where, valid_share=50)
    rounds = raced.run()
    next(rounds)
    rounds.close()
    raced.drain()
    return raced.view()


def show(experiments: dict[str, Experiment], where: str) -> None:
    """The first batch through the untrained networks: something real before any click."""
    try:
        view = _first_step(experiments, where)
    except ExplorerError as error:
        parts.refused(error)
        return
    stamp = ("first", *experiments.values(), where)
    with st.container(border=True):
        wide, narrow = st.columns([5, 3], gap="medium", vertical_alignment="center")
        with wide:
            plot.chart(
                state.RACE,
                "first",
                (f"{plot.ALIKE[1]}{hash(stamp)}", *stamp),
                lambda: across_depth(view, "std"),
                "Standard deviation of each layer's activations for one batch, before training, a line a network.",
                f"Measured here: one batch of {view.lanes[0].experiment.batch_size} pictures through the untrained "
                f"networks, {where}. Log scale.",
            )
        with narrow:
            st.markdown("**Before the first step: the spread of each layer**")
            st.markdown("\n".join(f"- {parts.escape(_shrinks(lane))}" for lane in view.lanes))
            st.caption(
                "A layer that passes on a tenth of the spread hands on almost a constant. BatchNorm sets each "
                "channel's to one, at any depth. The classifier (◇) has no ReLU: its spread leaps up again."
            )
    parts.source_note(view.source)


def _shrinks(lane: LaneView) -> str:
    """How the spread changes from the first to the last convolution, and what the classifier ends with."""
    *hidden, last = lane.record.std[0]
    return f"{lane.name}: {hidden[0]:.2g} in the first layer, {hidden[-1]:.2g} in layer {len(hidden)}; ◇ {last:.2g}."
