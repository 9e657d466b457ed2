"""A vision network on a page: its layers in numbers, a drawing that follows the sliders, its source."""

import streamlit as st

from explorer.errors import SettingsError
from explorer.experiment import Experiment
from explorer.figures import networks
from explorer.models import batchnorm, summary, vision
from explorer.training import checkpoint
from explorer.ui import parts, plot


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs={Experiment: repr})
def _rows(experiment: Experiment) -> list[summary.LayerRow]:
    return summary.summarise(vision.build(experiment), (3, experiment.size, experiment.size))


def known(page: str, experiment: Experiment) -> bool:
    """Whether there is such a network as the controls describe, else why not; the visitor's own is drawn."""
    place = st.empty()  # in any case: later a fragment draws elsewhere on the page only where it has drawn
    try:
        vision.check(experiment)
    except SettingsError as error:
        place.error(parts.escape(str(error)), icon=":material/error:")
        return False
    if experiment.rung.key == "builder":
        with place.container():
            _builder(page, experiment)
    return True


def _builder(page: str, experiment: Experiment) -> None:
    """The visitor's own network, drawn anew whenever a control moves."""
    rows = _rows(experiment)
    total, work = sum(row.parameters for row in rows), sum(row.multiply_adds for row in rows)
    plot.chart(
        page,
        "builder",
        ("builder", experiment),
        lambda: networks.drawing(
            rows,
            normalised=experiment.norm != "none",
            title=f"{total:,} parameters, {work / 1e6:,.1f} M multiply-adds a picture",
            height=132,
        ),
        "The network's feature maps from input to output, as the controls describe it.",
    )


def show(page: str, experiment: Experiment) -> None:
    """The lecture's ``learn.summary()``: every layer's shapes, parameters and multiply-adds; and a drawing."""
    rows = _rows(experiment)
    total, work = sum(row.parameters for row in rows), sum(row.multiply_adds for row in rows)
    columns = st.columns(3)
    columns[0].metric("Parameters", f"{total:,}")
    columns[1].metric("Multiply-adds a picture", f"{work / 1e6:,.1f} M")
    columns[2].metric("Weights that ship", "yes" if checkpoint.shipped(experiment.model).exists() else "not yet")
    plot.chart(
        page,
        "drawing",
        ("network", experiment),
        lambda: networks.drawing(rows, normalised=experiment.norm != "none"),
        "The network's feature maps from input to output.",
        "Each block is what a layer puts out: as tall as the picture is wide, as wide as it has channels (log scale).",
    )
    st.dataframe([parts.layer_cells(row, learns="trainable") for row in rows], hide_index=True)


def code(experiment: Experiment) -> None:
    """The classes behind the rung, as they run."""
    parts.code(experiment.rung.model_class, "As it runs here; the softmax is in the loss.")
    if experiment.model == "convnet2":
        parts.code(vision.ConvLayer)
    if experiment.model in ("bn", "deep-bn", "resnet", "resnet2", "builder"):
        parts.code(
            batchnorm.LectureBnLayer,
            "The lecture's `BnLayer`. The one that runs computes the same in fewer passes over the pixels.",
        )
    if experiment.model in ("resnet", "resnet2", "builder"):
        parts.code(vision.ResnetLayer, "The skip connection is one line.")
