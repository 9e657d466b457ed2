"""Which text a language model learns from: the lecture's, Python's help texts, or one's own."""

import contextlib

import streamlit as st

from explorer.data import text
from explorer.data.peek import batches
from explorer.errors import DataError, ExplorerError
from explorer.experiment import Experiment
from explorer.training import own_weights
from explorer.ui import app, behind, internals, parts, state

TEXTS = {"auto": "The lecture's: Nietzsche", "pydoc": "Python's help texts"}
OWN = "Your own"


def show(page: str, experiment: Experiment) -> None:
    """Which text there is, what is in it, and a way to bring another."""
    _choose(page, experiment)
    try:
        loaded = text.of(experiment)
    except ExplorerError as error:
        parts.refused(error)
        if st.button("Use the lecture's text", icon=":material/undo:"):
            state.training(page).put(experiment.replace(data="auto"))
            st.rerun()
        return
    parts.source_note(loaded.source)
    sizes = {
        "Training tokens": len(loaded.train),
        "Validation tokens": len(loaded.valid),
        "Vocabulary": len(loaded.vocabulary),
    }
    with contextlib.suppress(DataError):  # too short: said where it is to be learnt from
        sizes["Batches an epoch"] = batches(loaded, experiment)
    with st.container(horizontal=True):
        for label, value in sizes.items():
            st.metric(label, f"{value:,}")
    st.caption("The vocabulary, by frequency: " + parts.escape(" ".join(loaded.vocabulary.itos[2:]).replace("\n", "⏎")))
    behind.fold(page, "begins", "How it begins", ":material/menu_book:", lambda: _beginning(loaded))
    behind.fold(page, "own", "Use a text of your own", ":material/upload_file:", lambda: _own_text(page, experiment))


def _beginning(loaded: text.Corpus) -> None:
    st.text(loaded.vocabulary.decode(loaded.train[:600].tolist()))


def _choose(page: str, experiment: Experiment) -> None:
    """Another of the texts that are here; it is learnt from at the next start."""
    here, now = state.training(page), experiment.data
    texts = TEXTS if now in TEXTS else {**TEXTS, now: OWN}
    chosen = st.segmented_control(
        "Learn from", list(texts), default=now, format_func=texts.__getitem__, required=True, key=here.key("text", now)
    )
    if chosen and chosen != now:
        here.put(experiment.replace(data=chosen))
        st.rerun()


def _own_text(page: str, experiment: Experiment) -> None:
    here = state.training(page)
    st.caption(
        f"{text.SMALLEST:,} bytes to {text.LARGEST // 10**6} MB of any language. "
        "It is kept on this server so that your runs can be continued; only you see it and what learns from it."
    )
    parts.cookies_for_files()
    # A browser sends all that is pasted with every run of the page: another generation's widgets come back empty.
    pasted = st.text_area("Paste it", height=140, max_chars=text.LARGEST, key=here.key("pasted", here.generation))
    file = st.file_uploader(
        "or upload it",
        type=["txt", "md", "csv", "tex", "html"],
        key=here.key("file", here.generation),
        max_upload_size=parts.upload_limit(text.LARGEST),
    )
    if st.button("Use this text", icon=":material/check:", disabled=not (pasted or file)):
        with parts.refusals():
            raw, owner = file.getvalue() if file else pasted.encode(), app.owner()
            kept = text.keep_own(raw, owner, beside=own_weights.kept_by(owner))
            internals.forget_uploads([file] if file else [])
            here.put(experiment.replace(data=kept))
            st.rerun()
