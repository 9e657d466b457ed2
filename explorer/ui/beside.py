"""What the notes print, beside the run on the page: losses, accuracies, times; and what they link to."""

import math
from typing import Any

import streamlit as st

from explorer import devices
from explorer.experiment import Experiment
from explorer.figures.beside import printed_losses
from explorer.jobs.job import Job
from explorer.lecture import printed
from explorer.lecture.recorded import recording
from explorer.store.history import EpochRow
from explorer.store.index import ID
from explorer.ui import app, live, parts, plot


def show(page: str, experiment: Experiment, job: Job[Any] | None) -> None:
    """The notes' figures for the page's rung, and beside each what came out here."""
    rung = experiment.rung
    if rung.note:
        st.markdown(rung.note)
    if rows := printed.rows(rung.key):
        run, history, trained = live.shown(page, experiment, job)
        epochs = history.epochs
        plot.chart(
            page,
            "beside",
            (run, len(epochs)),
            lambda: printed_losses(rows, epochs, key=run),
            "Training and validation losses after each epoch, here and in the notes.",
            "What the notes print is dashed. Their training loss is smoothed over about 50 steps, and so is ours.",
        )
        table = _table(rung.key, epochs)
        numbers = {name: st.column_config.NumberColumn(format="%.4f") for name in list(table[0])[2:]}
        st.dataframe(table, hide_index=True, column_config=numbers)
        if trained.replace(seed=0) != Experiment.of(rung.key):
            st.caption(
                ":material/info: The run here has other settings than the lecture's. Choose the preset "
                "**As in the lecture** and press **Train** to compare like with like."
            )
        _times(rung.key, epochs, _where(run, experiment, job))
    else:
        st.caption("The notes print no losses for this rung.")
    if rung.figures:
        parts.reference_table(rung)


def _where(run: str, experiment: Experiment, job: Job[Any] | None) -> str:
    """The device that the run on the page was, or is, trained on; "" where that is not known."""
    if job is not None:
        return devices.describe()
    recorded = recording(experiment.model)
    if recorded is not None and run == live.recorded_id(experiment):
        return recorded.device
    kept = app.store().run(run) if ID.fullmatch(run) else None
    return kept.device if kept else ""


def _table(key: str, epochs: tuple[EpochRow, ...]) -> list[dict[str, Any]]:
    mine = {row.epoch: row for row in epochs}
    table, number = [], 0
    for fit in printed.FITS[key]:
        for place, row in enumerate(fit.rows):
            number += 1
            here = mine.get(number)
            line: dict[str, Any] = {"the notes' call": "" if place else fit.call, "epoch": number}
            values = (here.train_loss, here.val_loss, here.accuracy) if here else (None,) * 3
            for name, theirs, ours in zip(("training", "validation", "accuracy"), row, values, strict=False):
                line |= {f"{name}, notes": theirs, f"{name}, here": ours}
            table.append(line)
    return table


def _times(key: str, epochs: tuple[EpochRow, ...], where: str) -> None:
    """How long the notes' fits took, an epoch, and how long one takes here."""
    timed = [fit for fit in printed.FITS[key] if not math.isnan(fit.seconds)]
    if not timed:
        return
    theirs = sum(fit.seconds for fit in timed) / sum(len(fit.rows) for fit in timed)
    here = sum(row.seconds for row in epochs) / len(epochs) if epochs else math.nan
    columns = st.columns(3)
    columns[0].metric("An epoch, in the notes", f"{theirs:.1f} s", "a Paperspace machine", **QUIET)
    columns[1].metric("An epoch, here", f"{here:.1f} s" if epochs else "–", where or "not trained yet", **QUIET)
    columns[2].metric(
        "So here it takes", f"{here / theirs:.2g} ×" if epochs else "–", "the time of theirs" if epochs else "", **QUIET
    )
    said = "; ".join(f"`{fit.call}` {fit.seconds:g} s" for fit in timed)
    st.caption(f"`%time` in the notes: {said}. Training and validation together, as here.")


QUIET: dict[str, Any] = {"delta_color": "off", "delta_arrow": "off"}


def links(experiment: Experiment) -> None:
    """What the notes link to where they come to this rung."""
    st.markdown("**To read on**, as the notes do")
    st.markdown("\n".join(f"- [{link.title}]({link.address}). {link.why}" for link in printed.links(experiment.rung)))
