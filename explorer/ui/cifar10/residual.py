"""Residuals as boosting: each layer adds a small correction to what is there already, measured on a trained network."""

from pathlib import Path
from typing import Any

import streamlit as st

from explorer import devices
from explorer.experiment import Experiment
from explorer.figures.residuals import residual_bars
from explorer.jobs.job import Job
from explorer.probes.residuals import Residuals, residuals
from explorer.store.store import Which
from explorer.training import checkpoint, prepare
from explorer.ui import parts, played, plot

PICTURES = 200  # of the validation set


@st.cache_data(max_entries=8, show_spinner="Leaving out one layer after the other …")
def _measured(path: Path, stamp: float) -> Residuals:
    device = devices.choose()
    model, story = checkpoint.load(path, device)
    data = prepare.pictures_for(story.experiment, device)
    batch = next(iter(data.thinned(max(1, len(data.valid_y) // PICTURES)).valid_batches()))
    return residuals(model, batch.x[:PICTURES], batch.y[:PICTURES])


def show(page: str, experiment: Experiment, job: Job[Any] | None) -> None:
    """The idea in words, and what a trained network's layers add."""
    st.markdown(
        "A residual layer learns what is still missing, f(x) = y − x, and adds it. The lecture compares that with "
        "**boosting**: there, too, each new model only predicts the error that all before it have left."
    )
    with parts.refusals():
        path, words = played.weights(page, job, experiment, Which.BEST)
        if path is None:
            st.caption(words)
            return
        found = _measured(path, path.stat().st_mtime)
        if not found.layers:
            st.caption("This network has no residual layers: switch on **Skip connections**, with two layers a stage.")
            return
        plot.chart(
            page,
            "residuals",
            ("residuals", str(path), path.stat().st_mtime),
            lambda: residual_bars(found),
            "For each residual layer, the size of its correction and the accuracy lost without it.",
            f"Measured on {PICTURES} validation pictures with {words}, which tell {found.accuracy:.0%} of them right. "
            "Where a correction is small, leaving it out costs little: what came before stands without it.",
        )
