"""The lecture as a map: two paths, its claims, and one button that sets something in motion."""

import streamlit as st

from explorer.experiment import Experiment
from explorer.figures import diagrams
from explorer.ladders import Page
from explorer.ui import links, parts

VIEWS = {"map": "The map", "claims": "The claims", "noticed": "Did you notice?", "data": "Data and weights"}
left, right = st.columns([11, 10], gap="medium", vertical_alignment="center")
with left:
    st.title("Lesson 7, in motion", anchor=False)
    st.markdown(
        "Two hours of a lecture, from three characters to an LSTM and from a plain net to a ResNet, "
        "as experiments. Nothing here is a picture of training: press **Start** and a network begins to read "
        "Nietzsche."
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        pressed = st.button(
            "Start",
            type="primary",
            icon=":material/play_arrow:",
            key="home.start",
            help="Trains a small GRU, live, on the lecture's text.",
        )
        st.page_link(Page.CAM.script, label="or bring a photo", icon=":material/center_focus_strong:")
    starting = st.container()
with right:
    parts.drawing(diagrams.unrolled(Experiment.of("stateful", bptt=6)) + diagrams.arrows_legend())
view = st.segmented_control(
    "Show",
    list(VIEWS.values()),
    required=True,
    key=links.tab("show", "home.view", VIEWS),
    label_visibility="collapsed",
    persist_state="session",
)

# While Python imports the rest, the browser already fetches all kinds of elements that this page is made of.
from explorer.figures import style
from explorer.lecture.claims import CLAIMS, GROUPS
from explorer.lecture.quirks import QUIRKS
from explorer.ui import cards, plot, state, transport
from explorer.ui.home.claims import claim_card
from explorer.ui.home.map import the_map
from explorer.ui.home.server import data_and_weights, now

FIRST = Experiment.of("gru", epochs=1, hidden=128, schedule="constant", lr=2e-3)  # moves at once, writes in a minute
PATHS = (
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

st.html(cards.STYLE)
with starting:
    if pressed:
        with parts.refusals(), st.spinner("Starting …"):
            state.open(Page.CHAR_RNN, FIRST, transport.submit(Page.CHAR_RNN, FIRST).id)
    now()
if view == "The map":
    the_map(PATHS)
    st.caption(
        "Numbers marked *here* come from runs recorded with this program, which ship with it; *lecture* is what its "
        "notes or its notebook printed, on other machines. Dashed curves are the lecture's."
    )
elif view == "The claims":
    group = st.pills(
        "Subject",
        GROUPS,
        required=True,
        key=links.bound("about", "home.group", links.one_of(GROUPS, lambda group: group.split()[0].lower()), GROUPS[0]),
        label_visibility="collapsed",
        persist_state="session",
    )
    cards.in_rows(tuple(claim for claim in CLAIMS if claim.group == group), claim_card)
elif view == "Did you notice?":
    st.caption("What the code in the notes really does. Each number is measured as you look.")
    cards.in_rows(QUIRKS, cards.quirk_card)
else:
    data_and_weights()
plot.expect()
