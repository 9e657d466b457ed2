"""The training loop, and callbacks: hooks one passes functions to; and what a run keeps at each cycle's end."""

from typing import Any

import streamlit as st

from explorer.data import Source, SourceKind, text
from explorer.errors import ExplorerError
from explorer.experiment import Experiment
from explorer.figures.cycles import cycle_chart
from explorer.jobs.job import Job
from explorer.store.store import cycle
from explorer.training import callbacks, schedules
from explorer.ui import app, behind, board, live, parts, plot, state

NOTES = """on_end = lambda sched, cycle: save_model(m, f'{PATH}models/cyc_{cycle}')
cb = [CosAnneal(lo, len(md.trn_dl), cycle_mult=2, on_cycle_end=on_end)]
fit(m, md, 2**4-1, lo.opt, F.nll_loss, callbacks=cb)"""


def show(page: str, experiment: Experiment, job: Job[Any] | None) -> None:
    """The loop's code; callbacks as an idea, as code and run; the cycles of the run on the page."""
    st.markdown(
        "**Callbacks** are hooks: functions that the loop calls when training begins, after a batch, an epoch, a "
        "cycle, and at the end. `CosAnneal` is one, which sets the rate and calls `on_cycle_end` before each restart."
    )
    st.code(NOTES, language="python")
    _cycles(page, experiment, job)
    behind.fold(page, "callbacks", "The same idea as code, and what it calls when", ":material/webhook:", _idea)
    board.training_loop()


def _idea() -> None:
    left, right = st.columns([3, 2], gap="medium")
    with left:
        parts.code(callbacks.fit, "A loop with callbacks, on top of the iterator that every run here goes through.")
        parts.code(callbacks.SaveCycles)
    with right:
        st.caption("Run just now: a small GRU, three epochs as cycles of one and two.")
        st.code(_diary(), language="text")
        parts.code(callbacks.Callback)


@st.cache_data(max_entries=1, show_spinner=False)
def _diary() -> str:
    """The calls of a tiny run, really made: some dozens of steps of 16 units."""
    import torch

    from explorer.training import prepare
    from explorer.training.learner import Learner

    experiment = Experiment.of(
        "gru",
        hidden=16,
        n_fac=8,
        batch_size=16,
        bptt=16,
        jitter=False,
        epochs=3,
        schedule="cosine",
        cycle_mult=2,
        lr=1e-2,
    )
    whole = text.load("auto")
    corpus = text.prepare(whole.text[:12_000], Source("", SourceKind.STANDIN, ""))
    data = text.TextData(corpus, experiment, torch.device("cpu"))
    learner = Learner(prepare.model_for(experiment, data), data, experiment, torch.device("cpu"))
    diary = callbacks.Diary()
    hooks = [diary, callbacks.SaveCycles(learner)]
    callbacks.fit(learner, schedules.plan(experiment), schedules.cycle_ends(experiment), hooks)
    return "\n".join(diary.lines)


def _cycles(page: str, experiment: Experiment, job: Job[Any] | None) -> None:
    """The run's cycles: how it validated at each end, what it wrote, and its weights, where they were kept."""
    run, history, trained = live.shown(page, experiment, job)
    ends = schedules.cycle_ends(trained)
    if not ends:
        st.caption(
            "This run's rate has no cycles. Choose the schedule **cosine** (or the LSTM, or a vision rung) and "
            "`on_cycle_end` is called before each restart."
        )
        return
    losses = {row.epoch: row.val_loss for row in history.epochs}
    plot.chart(
        page,
        "cycles",
        ("cycles", run, len(losses), trained),
        lambda: cycle_chart(schedules.plan(trained), ends, losses, key=run),
        "The learning rate over epochs, the end of each cycle, and the validation losses.",
        "At each triangle the rate has come down to nothing: here the lecture saves the model, then the rate jumps up.",
    )
    done = [number for number, end in enumerate(ends) if end in losses]
    if not done:
        return
    number = st.pills(
        "Cycle",
        done,
        default=done[-1],
        required=True,
        format_func=lambda n: f"cyc_{n}",
        key=state.place(page).key("cycle", run, len(done)),
    )
    row = next(row for row in history.epochs if row.epoch == ends[number])
    with st.container(horizontal=True, vertical_alignment="center"):
        st.metric("Validation loss", f"{row.val_loss:.4f}", f"after epoch {row.epoch}", **QUIET)
        st.metric("Accuracy", f"{row.accuracy:.1%}", "on the validation set", **QUIET)
        _download(page, run, number)
    if row.sample:
        st.caption("What it wrote then, at temperature 0.8:")
        st.text(row.sample)


QUIET: dict[str, Any] = {"delta_color": "off", "delta_arrow": "off", "width": "content"}


def _download(page: str, run: str, number: int) -> None:
    try:
        path = app.store().weights(run, cycle(number))
    except ExplorerError:  # a recorded run has an id of another kind
        path = None
    if path is None or not path.exists():
        st.caption("The weights of this moment were not kept; a run of your own keeps them.")
        return
    st.download_button(
        f"The weights, cyc_{number}",
        path.read_bytes,
        f"{run}-cyc_{number}.safetensors",
        icon=":material/download:",
        key=state.place(page).key("cycle_weights", run, number),
        on_click="ignore",
    )
