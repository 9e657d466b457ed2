"""Character RNNs: the language ladder on Nietzsche's text."""

import streamlit as st

from explorer.ui import start

start.enter()

from explorer.figures import curves
from explorer.training import checkpoint, schedules
from explorer.ui import controls, corpus_picker, live, parts, writing

PAGE = "char_rnn"

controls.current(PAGE, "gru")
parts.title(
    "Character RNN", "text_fields",
    "A network reads Nietzsche one character at a time and learns to guess the next one. "
    "Nine rungs, from three characters to an LSTM; all it is told is which character really came."
)  # fmt: skip
controls.rung_picker(PAGE, "language")
experiment = controls.sidebar(PAGE)
rung = experiment.rung
job = live.find(PAGE)
st.markdown(f"**{rung.class_name}** · {rung.idea}")

lecture = next((figure for figure in rung.figures if figure.source == "lecture notes"), None) or next(
    iter(rung.figures), None
)
live.transport(PAGE, experiment, job, checkpoint.shipped(experiment.model))
if live.apply_live_changes(PAGE, job, experiment):
    st.caption(":material/restart_alt: Some settings changed since this run began. Press **Restart** to use them.")
controls.write_link(experiment, job.id if job else st.query_params.get("run"))


def numbers(history, trained, state):
    """Four metrics, each beside the lecture's figure where there is one."""
    last = history.epochs[-1] if history.epochs else None
    columns = st.columns(4)
    columns[0].metric(
        "Steps", f"{int(history['step'][-1]):,}" if len(history) else "0", border=True, height="stretch",
        delta=f"epoch {history['epoch'][-1]:.2f} of {trained.total_epochs}" if len(history) else None,
        delta_color="off", delta_arrow="off",
    )  # fmt: skip
    columns[1].metric(
        "Training loss", f"{last.train_loss:.4f}" if last else "–", border=True, height="stretch",
        delta="smoothed, nats a character", delta_color="off", delta_arrow="off",
        help="Exponential average over about 50 steps, as the lecture prints it.",
    )  # fmt: skip
    columns[2].metric(
        "Validation loss", f"{last.val_loss:.4f}" if last else "–", border=True, height="stretch",
        delta_color="inverse" if last else "off",
        delta_arrow="auto" if last else "off",
        delta=parts.lecture_delta(last.val_loss, lecture, True) if last else "after epoch 1",
        help="Exact mean over the validation text, nats a character.",
    )  # fmt: skip
    columns[3].metric(
        "Next character right", f"{last.accuracy:.1%}" if last else "–", border=True, height="stretch",
        delta="of the validation text", delta_color="off", delta_arrow="off",
    )  # fmt: skip


def charts(history, trained, state, stamp):
    """Loss and rate, side by side."""
    with st.container(border=True):
        wide, narrow = st.columns([5, 3])
        with wide:
            scale = st.session_state.get(f"{PAGE}.log", False)
            against = lecture if trained.model == experiment.model else None
            live.chart(
                PAGE, "loss", (*stamp, scale, against),
                lambda: curves.loss_curves(history, lecture=against, log_y=scale, key=f"{stamp[0]}"),
                "Training and validation loss over epochs, beside the lecture's.",
                "Blue: training loss, each step (pale) and smoothed. Orange: validation after each epoch. "
                "Dashed grey: what the lecture printed.",
            )  # fmt: skip
        with narrow:
            live.chart(
                PAGE, "rate", stamp, lambda: curves.schedule_curve(schedules.plan(trained), history, key=f"{stamp[0]}"),
                "Learning rate over epochs.", "Dotted: planned. Solid: used so far.",
            )  # fmt: skip
            with st.container(horizontal=True):
                st.toggle("Freeze plots", key=f"{PAGE}.freeze", help="Hold the plots still to zoom and hover.")
                st.toggle("Log scale", key=f"{PAGE}.log")
            if history.epochs:
                with st.expander("The numbers", icon=":material/table:"):
                    st.dataframe(
                        [{"epoch": r.epoch, "train": r.train_loss, "valid": r.val_loss, "seconds": r.seconds}
                         for r in history.epochs], hide_index=True, height=180,
                    )  # fmt: skip


def drawn(history, trained, state, stamp):
    numbers(history, trained, state)
    charts(history, trained, state, stamp)
    writing.over_training(PAGE, history)


if job is not None:

    def draw(job):
        live.progress(job)
        parts.problem(job)
        parts.source_note(job.results.get("source"))
        drawn(job.history.snapshot(), job.experiment, job.state, (job.id, *job.stamp))

    live.panel(PAGE, job, draw)
else:
    history, state, trained = live.shown(PAGE, job, experiment)
    if history is None:
        st.info(
            "Nothing is recorded for this rung here. Press **Train** and watch it learn.", icon=":material/play_arrow:"
        )
    else:
        with st.container(horizontal=True, vertical_alignment="center"):
            parts.state_badge(state)
            st.caption(
                "A run made with the lecture's settings, on the lecture's text. Press **Train** for one of your own."
            )
        drawn(history, trained, state, (f"{state}-{trained.model}", len(history)))

st.header("Let it write", anchor=False)
writing.panel(PAGE, experiment, job)

st.header("Behind it", anchor=False)
tabs = st.tabs(["The text", "The model's code", "Where the memory goes", "The lecture's numbers"])
with tabs[0]:
    corpus_picker.show(PAGE, experiment)
with tabs[1]:
    from explorer.models import cells, char_rnn

    parts.code(char_rnn.model_class(rung.key), "As it runs here. The lecture keeps the hidden state in the model as "
               "`self.h`; here it is passed in and out, and the loss takes the softmax.")  # fmt: skip
    if rung.key == "rnn-cell":
        parts.code(cells.rnn_cell)
    if rung.key == "gru-cell":
        parts.code(cells.gru_gates)
        parts.code(cells.gru_cell)
    if rung.cut == "stream":
        parts.code(char_rnn.repackage, "What the lecture calls `repackage_var`: keep the state, forget its history.")
with tabs[2]:
    st.markdown(
        "**Is the memory thrown away on the short last batch?** The lecture's code resets the state when a batch is "
        "*narrower* than the one before, and a reader of the notes asks whether that loses what was learnt. It never "
        "fires here: with 64 parallel streams it is the **length** of the last batch that shrinks, not its width. "
        "The state flows from the end of one epoch into the next.\n\n"
        "See what losing it would cost: set **Reset the hidden state** to *batch* (the preset *Forgetful* of the "
        "stateful RNN) and train; then *never*. Truncated back-propagation is something else: after each batch the "
        "state's **history** is cut, so gradients reach back `bptt` characters, while the state itself runs on."
    )
with tabs[3]:
    if rung.figures:
        parts.reference_table(rung)
        st.caption("Measured by others, on their machines; the notebook kept line breaks, which lowers its losses.")
    else:
        st.caption("The notes print no figure for this rung.")
