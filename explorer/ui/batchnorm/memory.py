"""What a language model remembers: which characters made a prediction, and what units and gates do over the text."""

import html
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from explorer.errors import ExplorerError
from explorer.figures import through_time
from explorer.probes import gates, gradients
from explorer.ui import behind, clickable, links, parts, plot, state
from explorer.ui.batchnorm.language import MODELS, Stamp, fresh_instead, model, stamp, usable

if TYPE_CHECKING:
    from torch import Tensor, nn

    from explorer.data.vocabulary import Vocabulary

PAGE = "batchnorm.memory"
Identity = tuple[str, Stamp, str]  # which network, when its files were written, the text read
LENGTH, MOST = 160, 240
WEIGHTS = ("Trained", "Fresh")
INK = {True: "22,135,122", False: "201,105,15"}  # for, against


def show() -> None:
    """The whole section."""
    here = state.place(PAGE)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.pills(
            "Model",
            list(MODELS),
            required=True,
            format_func=MODELS.__getitem__,
            key=links.bound("model", here.key("model"), links.one_of(MODELS), "gru"),
            persist_state="session",
        )
        key = chosen or "gru"
        trained = (
            st.segmented_control(
                "Weights",
                WEIGHTS,
                required=True,
                key=links.bound("knows", here.key("weights"), links.one_of(WEIGHTS, str.lower), WEIGHTS[0]),
                persist_state="session",
            )
            == "Trained"
        )
    try:
        trained, why = usable(key, trained)
        fresh_instead(why)
        network, tokens, vocabulary, _, source = model(key, trained, stamp(key))
        text, read = _text(tokens, vocabulary)
        if len(text) < 8:
            st.error("Give it at least eight characters to read.", icon=":material/error:")
            return
        identity = (f"{key}-{trained}", stamp(key), text)
        _influence(network, read, text, identity)
        _units(network, read, text, identity)
    except ExplorerError as error:
        parts.refused(error)
        return
    parts.source_note(source)
    behind.how(PAGE, _how)


def _how() -> None:
    parts.code(gradients.influence)
    parts.code(gates.trace, "The gates are recomputed with the formulas below and end at the model's own state.")
    parts.code(gates.tracking)


def _text(tokens: "Tensor", vocabulary: "Vocabulary") -> "tuple[str, Tensor]":
    """The stretch to read, as text and as token numbers on the model's device."""
    here = state.place(PAGE)
    last = max(1, len(tokens) - LENGTH - 1)
    typing = links.bound("text", here.key("typed"), links.text_of(MOST), "")
    typed = state.widget(typing, "").lower()[:MOST]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        at = st.slider(
            "Stretch of the validation text, from character",
            0,
            last,
            step=20,
            key=links.bound("from", here.key("at"), links.number(0, last, int), min(2_000, last)),
            persist_state="session",
            disabled=bool(typed),
            width=420,
        )
        st.text_input(
            "… or text of your own",
            max_chars=MOST,
            key=typing,
            persist_state="session",
            width=420,
            placeholder="type and press Enter",
            help="It is lower-cased, as the model's text is; characters it never saw become unknown.",
        )
    if not typed:
        read = tokens[at : at + LENGTH]
        return _decoded(read, vocabulary), read
    read = tokens.new_tensor(vocabulary.encode(typed))
    return typed, read


def _decoded(read: "Tensor", vocabulary: "Vocabulary") -> str:
    """One character a token, also for the unknown one."""
    symbols = [vocabulary.itos[token] for token in read.tolist()]
    return "".join(symbol if len(symbol) == 1 else "�" for symbol in symbols)


# -- influence -----------------------------------------------------------------------------------------
@st.fragment
def _influence(network: "nn.Module", read: "Tensor", text: str, identity: Identity) -> None:
    """Which characters made one prediction. Another one draws nothing else anew."""
    here = state.place(PAGE)
    st.subheader("What did it look at?", anchor=False)
    with st.container(border=True):
        last, word = len(text) - 1, state.key("position", len(text))
        at = st.slider(
            "Predicted character: click one, or slide",
            1,
            last,
            key=links.bound("character", here.key(word), links.number(1, last, int), min(last, 96)),
            persist_state="session",
            help="Everything before it was read; the model then guessed this one.",
        )
        found = _found(network, read, at, identity)

        def pick(position: str) -> None:
            here.set(word, min(max(1, int(position)), last))

        clickable.show(_coloured(text, found), here.key("text", len(text)), pick)
        largest = int(np.abs(found.score).argmax())
        share = float(np.abs(found.score[-10:]).sum() / max(np.abs(found.score).sum(), 1e-12))
        st.caption(
            f"The boxed character had a probability of {found.probability:.1%}. Green spoke for it, orange against it "
            f"(gradient × input). The last ten characters carry {share:.0%} of all influence; the strongest is "
            f"{at - largest} back."
        )
        plot.chart(
            PAGE,
            "influence",
            (*identity, at),
            lambda: through_time.influence_bars(found, text, key=f"{identity[0]}-{at}"),
            "Influence of each character read on the predicted one, a bar each.",
            "The same in numbers, for the last 60 characters.",
        )


@st.cache_resource(max_entries=200, show_spinner=False)
def _found(_network: "nn.Module", _read: "Tensor", at: int, identity: Identity) -> gradients.Influence:
    return gradients.influence(_network, _read, at)


def _coloured(text: str, found: gradients.Influence) -> str:
    """HTML of the text: what was read shaded by influence, the predicted character boxed, the rest pale.

    Each character carries its place as `data-at`.
    """
    strongest = max(float(np.abs(found.score).max()), 1e-12)
    spans = []
    for at, (character, score) in enumerate(zip(text, found.score, strict=False)):
        # The root, or only the last two characters would show.
        strength = (abs(float(score)) / strongest) ** 0.5
        spans.append(
            f'<span data-at="{at}" title="{score:+.3f} nats" style="background:rgba({INK[score >= 0]},'
            f'{0.75 * strength:.2f});border-radius:.15rem">{html.escape(character)}</span>'
        )
    boxed = (
        f'<span style="outline:2px solid currentColor;outline-offset:1px;border-radius:.15rem">'
        f"{html.escape(through_time.visible(text[found.position]))}</span>"
    )
    rest = "".join(
        f'<span data-at="{at}" style="opacity:.6">{html.escape(text[at])}</span>'
        for at in range(found.position + 1, len(text))
    )
    return f'<div class="written">{"".join(spans)}{boxed}{rest}</div>'


# -- units and gates -----------------------------------------------------------------------------------
@st.cache_resource(max_entries=24, show_spinner=False)
def _traced(_network: "nn.Module", _read: "Tensor", identity: Identity) -> gates.Trace:
    return gates.trace(_network, _read)


@st.fragment
def _units(network: "nn.Module", read: "Tensor", text: str, identity: Identity) -> None:
    """What units and gates do over the text. Another gate or stretch of it draws nothing else anew."""
    here = state.place(PAGE)
    st.subheader("Hidden units and gates", anchor=False)
    traced = _traced(network, read, identity)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            layer = 0
            if len(traced.layers) > 1:
                numbers = list(range(len(traced.layers)))
                words = links.one_of(numbers, lambda i: f"{i + 1}")
                of_net = links.bound("layer", here.key("layer", identity[0]), words, numbers[-1])
                chosen = st.segmented_control(
                    "Layer", numbers, required=True, format_func=words.write, key=of_net, persist_state="session"
                )
                layer = chosen or 0
            recorded = list(traced.layers[layer])
            name = st.selectbox(
                "Show",
                recorded,
                format_func=through_time.GATES.__getitem__,
                key=links.bound("gate", here.key("gate", identity[0]), links.one_of(recorded), recorded[0]),
                persist_state="session",
                width=300,
            )
            liveliest = st.toggle(
                "Liveliest first",
                key=links.bound("liveliest", here.key("sorted"), links.SWITCH, True),
                persist_state="session",
                help="Sort units by how much they vary over this text.",
            )
        first = 0
        shown = min(80, len(text))
        if len(text) > shown:
            most, slid = len(text) - shown, here.key("first", len(text))
            first = st.slider(
                "Shown from character",
                0,
                most,
                key=links.bound("shown", slid, links.number(0, most, int), 0),
                persist_state="session",
            )
        plot.chart(
            PAGE,
            "gates",
            (*identity, layer, name, liveliest, first),
            lambda: through_time.gate_map(
                traced,
                text,
                name,
                layer,
                first=first,
                length=shown,
                liveliest=liveliest,
                key=f"{identity[0]}-{name}",
                height=460,
            ),
            f"{through_time.GATES[name]} of each unit over the text, a row a unit.",
            f"A row a unit (64 of {traced.layers[layer][name].shape[1]}), a column a character. Recomputed gate by "
            f"gate (off by {traced.error:.0e}).",
        )
    _tracking(traced, text, name, layer, identity)


def _tracking(traced: gates.Trace, text: str, name: str, layer: int, identity: Identity) -> None:
    here = state.place(PAGE)
    st.subheader("Does a unit follow something?", anchor=False)
    found = gates.tracking(traced, text, name, layer)
    if not found:
        st.caption("Nothing in this text changes that could be followed.")
        return
    with st.container(border=True):
        by_feature = {one.feature: one for one in found}
        feature = st.pills(
            "For each property of the text, the unit that follows it best",
            list(by_feature),
            default=found[0].feature,
            required=True,
            format_func=lambda f: f"{f} · r = {by_feature[f].correlation:+.2f}",
            key=here.key("feature", hash((identity, name, layer))),
        )
        one = by_feature[feature]
        plot.chart(
            PAGE,
            "tracked",
            (*identity, layer, name, feature),
            lambda: through_time.tracked_unit(
                traced, text, one, gates.features(text)[feature], name, layer, key=f"{identity[0]}-{feature}"
            ),
            f"Unit {one.unit} and {feature} over the text.",
            f"Unit {one.unit} against *{feature}*, on these {len(text)} characters. Of "
            f"{traced.layers[layer][name].shape[1]} units some follow anything by chance: try fresh weights.",
        )
    if state.teacher():
        st.caption("Karpathy, *The unreasonable effectiveness of recurrent neural networks*, 2015, found such cells.")
