"""A race's layers: over time and at one step, a layer's channels, a picture all the way through."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from explorer.figures import layers, pictures
from explorer.figures.layers import short
from explorer.figures.race import across_depth, common_range, race_losses
from explorer.runs.race import LaneView, RaceView
from explorer.ui import links, plot, state
from explorer.ui.state import Stamp

HISTOGRAMS = "hist"
OUT = "out"  # how the probe calls the classifier
VIEWS = {
    HISTOGRAMS: "Histograms",
    "std": "Spread",
    "mean": "Mean",
    "dead": "Near zero",
    "grad_norm": "Gradient",
    "update_ratio": "Update size",
}
WORDS = {
    HISTOGRAMS: "Time to the right, values upwards; the darker, the more activations. A healthy layer keeps a broad "
    "band; one that died is a thin thread at zero.",
    "std": "Standard deviation of each layer's activations, from blue (input) to orange (output).",
    "mean": "Mean of each layer's activations, from blue (input) to orange (output).",
    "dead": "The share of activations nearer to zero than 0.05. At 1 a layer passes on nothing.",
    "grad_norm": "The norm of the gradient of each layer's weights, log scale.",
    "update_ratio": "How far a step moves each layer's weights, relative to their size. A rule of thumb: about 0.001.",
}
CLOSER = {
    "channels": "One layer's channels",
    "norm": "BatchNorm's m and a",
    "ridges": "Distributions at this step",
    "picture": "A picture through the layers",
}


class Raced(Protocol):
    """What is shown of: a race in a job, or a recorded one."""

    @property
    def id(self) -> str:
        """Tells races apart."""
        ...

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        ...


def curves(page: str, job: Raced, view: RaceView, version: tuple[int, int]) -> None:
    """The losses, and a statistic across the layers at the step looked at; ``version`` is the stamp ``view`` had."""
    what = _what(page)
    statistic = "std" if what == HISTOGRAMS else what
    step, until, stamp = _step(page, job, view), _last_step(job, view), (job.id, *version)
    latest = "at the end" if job.ended else "now"
    sampled = tuple(_row(lane, step) if len(lane.record) else -1 for lane in view.lanes)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        plot.chart(
            page,
            "losses",
            stamp,
            lambda: race_losses(view, until=until, key=job.id, height=300),
            "Training loss of each network over steps; a vertical line where one broke.",
            "Training loss, smoothed, on the same batches. Dots: validation.",
            main=True,
        )
    with right:
        plot.chart(
            page,
            "depth",
            (*stamp, statistic, sampled),
            lambda: across_depth(view, statistic, step, key=job.id, height=300),
            f"{VIEWS[statistic]} from the first layer to the last at step {step or 'now'}, a line a network.",
            f"{VIEWS[statistic]} of each layer, **{f'at step {step:,}' if step else latest}**.",
        )


def show(page: str, job: Raced, view: RaceView, version: tuple[int, int]) -> None:
    """Everything about the layers, for a race at work or over; ``version`` is the job's stamp that ``view`` had."""
    if not any(len(lane.record) for lane in view.lanes):
        return
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            what = st.segmented_control(
                "Every layer over time",
                list(VIEWS),
                required=True,
                format_func=VIEWS.__getitem__,
                key=_what_key(page),  # which `curves` has bound, as the step's
                persist_state="session",
            )
            step = _scrub(page, job, view)
        _over_time(page, job, view, version, what or HISTOGRAMS, step)
        st.caption(f"{WORDS[what or HISTOGRAMS]} Layer 2.1 is the first of stage 2; *{OUT}* is the classifier.")
    with st.container(border=True):
        _closer(page, view, (job.id, *version), step)


def _what(page: str) -> str:
    """What is shown of every layer; a link may have chosen."""
    return state.widget(links.bound("layers", _what_key(page), links.one_of(VIEWS), HISTOGRAMS), HISTOGRAMS)


def _what_key(page: str) -> str:
    return state.place(page).key("what")


def _scrub(page: str, job: Raced, view: RaceView) -> int | None:
    """The slider over the steps, and the step it is at; None is the latest."""
    # From the first step to the planned last one, so that the slider stays the same while the race goes on.
    at = st.slider(
        "Look at step",
        1,
        max(2, view.planned),
        key=_step_key(page, job),
        help="Drag left to scrub back through training. At the right end it follows the latest step.",
    )
    return None if at >= view.planned else at


def _step(page: str, job: Raced, view: RaceView) -> int | None:
    """The step looked at; a link may have chosen, None is the latest."""
    last = max(2, view.planned)
    at = state.widget(links.bound("step", _step_key(page, job), links.number(1, last, int), last), last)
    return None if at >= view.planned else at


def _step_key(page: str, job: Raced) -> str:
    return state.place(page).key("step", job.id)


def _last_step(job: Raced, view: RaceView) -> int:
    """Where the axes of steps end: with the plan while it races, then where it came to."""
    return view.reached if job.ended else view.planned


def _row(lane: LaneView, step: int | None) -> int:
    """The sampled step nearest ``step``, as a row of the record."""
    return len(lane.record) - 1 if step is None else int(np.abs(lane.record.steps - step).argmin())


def _over_time(page: str, job: Raced, view: RaceView, version: tuple[int, int], what: str, step: int | None) -> None:
    span = None if what == HISTOGRAMS else common_range(view, what)
    # Heat maps are larger than curves: while the race runs they follow at half the pace.
    drawn = version if job.ended else sum(version) // 4
    for number, (lane, column) in enumerate(zip(view.lanes, st.columns(len(view.lanes)), strict=True)):
        with column:
            st.markdown(f"**{lane.name}**")
            plot.chart(
                page,
                f"layers.{number}",
                (job.id, drawn, what),
                _layers(lane, what, span, _last_step(job, view), job.id),
                f"{VIEWS[what]} of every layer of {lane.name} over steps.",
                mark=step,
            )


def _layers(
    lane: LaneView, what: str, span: tuple[float, float] | None, until: int, key: str
) -> Callable[[], go.Figure]:
    def make() -> go.Figure:
        if what == HISTOGRAMS:
            return layers.histograms(lane.record, until=until, key=key)
        return layers.over_training(lane.record, what, until=until, y_range=span, key=f"{key}.{what}", height=290)

    return make


def _closer(page: str, view: RaceView, stamp: Stamp, step: int | None) -> None:
    here = state.place(page)
    race = str(stamp[0])
    chosen = st.segmented_control(
        "Look closer",
        list(CLOSER),
        format_func=CLOSER.__getitem__,
        key=links.bound("closer", here.key("closer"), links.one_of(CLOSER), None),
        persist_state="session",
    )
    if chosen is None:
        return
    names = [lane.name for lane in view.lanes]
    if chosen == "norm":
        names = [lane.name for lane in view.lanes if any(_has_norm(lane, i) for i in range(len(lane.record.layers)))]
        if not names:
            st.caption("None of these networks has BatchNorm.")
            return
    with st.container(horizontal=True):
        name = st.selectbox("Network", names, index=len(names) - 1, key=here.key("closer.lane", race, chosen))
        lane = view[name]
        places = [i for i in range(len(lane.record.layers)) if chosen != "norm" or _has_norm(lane, i)]
        if chosen in ("channels", "norm"):
            layer = st.selectbox(
                "Layer",
                places,
                key=here.key("closer.layer", race, chosen, names.index(name)),
                format_func=lambda i: short(lane.record.layers[i]),
            )
        if chosen == "channels":
            what = st.selectbox(
                "Statistic", ["std", "mean", "dead"], format_func=VIEWS.__getitem__, key=here.key("closer.what")
            )
    stamp = (*stamp, name)
    if chosen == "channels":
        plot.chart(
            page,
            "channels",
            (*stamp, layer, what),
            lambda: layers.channels(lane.record, layer, what, key=f"{race}.{name}.{layer}"),
            f"{VIEWS[what]} of each channel of layer {layer + 1} of {name} over steps.",
            f"A row a channel of layer {short(lane.record.layers[layer])}. Channels that stay pale do nothing.",
            mark=step,
        )
    elif chosen == "norm":
        for column, which, meaning in zip(
            st.columns(2), "ma", ("what it multiplies by, from 1", "what it adds, from 0"), strict=True
        ):
            with column:
                plot.chart(
                    page,
                    f"norm.{which}",
                    (*stamp, layer),
                    partial(layers.batchnorm, lane.record, layer, which, key=f"{race}.{name}"),
                    f"BatchNorm's {which} of layer {layer + 1} of {name} over steps.",
                    f"*{which}*: {meaning}. Thin: some channels.",
                    mark=step,
                )
    elif chosen == "ridges":
        plot.chart(
            page,
            "ridges",
            (*stamp, step),
            lambda: layers.at_step(lane.record, _row(lane, step), key=race),
            f"The distribution of every layer's activations of {name} at one step.",
            f"How many activations of each size, at step {lane.record.steps[_row(lane, step)]:,}. The axis is linear "
            "near zero and logarithmic beyond.",
        )
    else:
        _picture(page, view, lane, stamp)


def _has_norm(lane: LaneView, layer: int) -> bool:
    return bool(len(lane.record) and lane.record.batchnorm(layer))


def _picture(page: str, view: RaceView, lane: LaneView, stamp: Stamp) -> None:
    if view.picture is None or not lane.maps:
        st.caption("The maps are taken at each epoch's end.")
        return
    narrow, wide = st.columns([1, 4], gap="medium")
    with narrow:
        st.image(
            pictures.mosaic(_as_seen(view.picture)[None], 1, 6),
            width="stretch",
            alt="The picture that was sent through",
        )
        st.caption("What was sent through.")
    with wide:
        plot.chart(
            page,
            "maps",
            (*stamp, len(lane.history.epochs)),
            lambda: layers.feature_maps(lane.maps, key=str(stamp[0])),
            f"Feature maps of one picture in every layer of {lane.name}.",
            f"A row a layer, its eight liveliest channels, after epoch {len(lane.history.epochs)}; each stretched to "
            "its own range.",
        )


def _as_seen(picture: np.ndarray) -> np.ndarray:
    """The normalised picture as pixels again: uint8 (3, height, width)."""
    import torch

    from explorer.data.pictures import denormalise

    return denormalise(torch.from_numpy(picture)).numpy()
