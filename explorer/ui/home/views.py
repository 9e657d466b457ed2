"""What the home page shows below its top: the map, the claims, what the notes' code really does, and the server."""

import streamlit as st

from explorer.experiment import Experiment
from explorer.figures import style
from explorer.ladders import Page
from explorer.lecture.claims import CLAIMS, GROUPS
from explorer.lecture.quirks import QUIRKS
from explorer.ui import cards, links, parts, state, transport
from explorer.ui.home.claims import claim_card
from explorer.ui.home.hero import Start
from explorer.ui.home.map import Way, the_map
from explorer.ui.home.server import data_and_weights, now

FIRST = Experiment.of("gru", epochs=1, hidden=128, schedule="constant", lr=2e-3)  # moves at once, writes in a minute
PATHS: tuple[Way, ...] = (
    (
        "Language",
        "Learn to guess the next character.",
        style.TRAIN,
        ("char3", "char-loop", "char-rnn", "stateful", "gru", "lstm"),
    ),
    (
        "Vision",
        "Tell ten kinds of pictures apart; then ask where it looked.",
        style.VALID,
        ("simplenet", "convnet", "bn", "deep-bn", "resnet", "cam"),
    ),
)


def begin(start: Start) -> None:
    """Under the button: the run that it starts, or what this server does now."""
    with start.place:
        if start.pressed:
            with parts.refusals(), st.spinner("Starting …"):
                state.open(Page.CHAR_RNN, FIRST, transport.submit(Page.CHAR_RNN, FIRST).id)
        now()


def show(view: str) -> None:
    """One of :data:`explorer.ui.home.hero.VIEWS`."""
    match view:
        case "map":
            the_map(PATHS)
            st.caption(
                "*Here*: runs that ship with this program. *Lecture*: what its notes or its notebook printed, on other "
                "machines; dashed in the curves."
            )
        case "claims":
            _claims()
        case "noticed":
            st.caption("What the code in the notes really does. Each number is measured as you look.")
            cards.in_rows(QUIRKS, cards.quirk_card)
        case _:
            data_and_weights()


def _claims() -> None:
    words = links.one_of(GROUPS, lambda group: group.split()[0].lower())
    group = st.pills(
        "Subject",
        GROUPS,
        required=True,
        key=links.bound("about", state.home().key("group"), words, GROUPS[0]),
        label_visibility="collapsed",
        persist_state="session",
    )
    cards.in_rows(tuple(claim for claim in CLAIMS if claim.group == group), claim_card)
