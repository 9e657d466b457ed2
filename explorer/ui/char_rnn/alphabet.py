"""The text in numbers: the loader's vocabulary, what became <unk>, and the alphabet that the lecture begins with."""

import html

import streamlit as st

from explorer.data import text
from explorer.data.alphabet import FirstAlphabet, Symbol, symbols, windows
from explorer.errors import ExplorerError
from explorer.experiment import Experiment
from explorer.ui import behind, state
from explorer.ui.char_rnn.batch import visible

PRINTED = ((40, 30, 29, 1), (42, 25, 1, 43), (29, 27, 1, 45))  #: ``x1[:4], x2[:4], x3[:4]`` in the notes
_STYLE = """<style>
.x-letters { display: flex; flex-wrap: wrap; gap: .3rem; margin: .2rem 0 .4rem; }
.x-letters span { width: 2.75rem; padding: .15rem 0 .2rem; text-align: center; border-radius: .35rem; line-height: 1.15;
  border: 1px solid var(--st-border-color); }
.x-letters b { display: block; font: 600 1.05rem var(--st-code-font); }
.x-letters small { display: block; font-size: .72rem; opacity: .85; font-variant-numeric: tabular-nums; }
.x-letters .x-rare { border-style: dashed; border-color: #C9690F; }
</style>"""


def show(page: str, experiment: Experiment) -> None:
    """Two folds: what the loader makes of the text, and the notes' first alphabet."""
    try:
        corpus = text.of(experiment)
    except ExplorerError:  # said above, beside the text
        return
    behind.fold(page, "stoi", "The vocabulary, in numbers", ":material/tag:", lambda: _vocabulary(corpus))
    behind.fold(page, "first", "The first alphabet, and Char3Model's inputs", ":material/abc:", lambda: _first(corpus))


@st.cache_data(max_entries=8, show_spinner=False)
def _symbols(_corpus: text.Corpus, checksum: str, known: tuple[str, ...]) -> tuple[Symbol, ...]:
    """Of one text, as it was prepared: that decides which symbols are ``known``."""
    return symbols(_corpus)


def _vocabulary(corpus: text.Corpus) -> None:
    found = _symbols(corpus, corpus.source.checksum, corpus.vocabulary.itos)
    rare = [symbol for symbol in found if not symbol.number]
    known = f"`TEXT.vocab.stoi`: {len(corpus.vocabulary)} numbers; below each how often it occurs in training. "
    if rare:
        known += (
            f"0 is `<unk>`, 1 `<pad>`. Dashed: {len(rare)} symbols that occur less than {text.MIN_FREQUENCY} "
            "times, and so became `<unk>`, as `<eos>` did."
        )
    st.caption(known)
    chips = "".join(
        f'<span class="{"" if s.number else "x-rare"}" title="{s.count:,} times in training">'
        f"<b>{html.escape(visible(s.character))}</b><small>{s.number}</small><small>{_short(s.count)}</small></span>"
        for s in found
    )
    st.html(f'{_STYLE}<div class="x-letters">{chips}</div>')
    if rare and corpus.source.checksum == text.MD5:
        st.caption(
            ":material/lightbulb: The notes print À with 54, and Ê, ë, é as unknown: their copy of the text was read "
            "in another encoding. Every other number is the same here."
        )


def _first(corpus: text.Corpus) -> None:
    alphabet = FirstAlphabet.of(corpus.text)
    st.caption(
        f"Char3Model begins with every symbol there is, sorted, capitals and line breaks too: "
        f"`vocab_size` is {len(alphabet) - 1} + 1 = **{len(alphabet)}**. "
        "Switch on **Every symbol** (or choose the preset *First alphabet*) to train on it."
    )
    chips = "".join(
        f"<span><b>{html.escape(visible(c))}</b><small>{i}</small></span>" for i, c in enumerate(alphabet.chars)
    )
    st.html(f'{_STYLE}<div class="x-letters">{chips}</div>')
    here = state.char_rnn()
    found = windows(alphabet.encode(corpus.text[:4000]))
    at = st.slider("Window", 1, found.x.shape[1] - 3, 1, key=here.key("first_window"), help="Four are shown from here.")
    four = slice(at - 1, at + 3)
    rows = {f"x{k + 1}": found.x[k, four] for k in range(len(found.x))} | {"y": found.y[four]}
    st.dataframe(
        [
            {"": name, **{f"window {at + i}": f"{n}  {visible(alphabet.chars[n])}" for i, n in enumerate(row)}}
            for name, row in rows.items()
        ],
        hide_index=True,
    )
    st.code(
        f"x1[:4], x2[:4], x3[:4]\n({', '.join(f'array({row[:4].tolist()})' for row in found.x)})", language="python"
    )
    if corpus.source.checksum == text.MD5:
        same = tuple(tuple(row[:4].tolist()) for row in found.x) == PRINTED
        st.caption(
            f":material/{'check' if same else 'close'}: The notes print "
            f"{', '.join(str(list(row)) for row in PRINTED)}: {'the same' if same else 'other numbers'}. "
            "Read downwards, a column is a window: three characters in, and y, the fourth, out."
        )


def _short(count: int) -> str:
    return f"{count / 1000:.1f}k" if count >= 1000 else str(count)
