"""Photos of the course's for who has none at hand: plain cats and dogs, or a trap."""

from pathlib import Path

import streamlit as st

from explorer.data import dogscats
from explorer.data.photos import Photo, smaller
from explorer.ui import state
from explorer.ui.cam.photos import SAMPLES, ShownPhoto
from explorer.ui.cam.ready import marked

SHORT_SIDE = 256  # pixels kept of a photo to learn from; the network needs 224
TRAPPED = 20  # dogs a class in the trap


def show() -> None:
    """No photos at hand: ten cats and ten dogs of the course's; or a trap."""
    data = dogscats.find()
    if data is None:
        return
    st.caption(
        "Or borrow the course's, with a larger trap: twenty dogs called *brave*, twenty called *shy*. Train, and look "
        "at what the heat is on."
    )
    here = state.cam_classes()
    with st.container(horizontal=True):
        plain = st.button("Ten cats, ten dogs", icon=":material/pets:", key=here.key("borrow"))
        trap = st.button("Brave dogs, shy dogs", icon=":material/psychology_alt:", key=here.key("trap"))
    if plain:
        cats, dogs = (_course(data.path, data.path.stat().st_mtime)[name][:10] for name in dogscats.CLASSES)
        here.start_with(cats=cats, dogs=dogs)
        st.rerun()
    if trap:
        *dogs, last = _course(data.path, data.path.stat().st_mtime)["dogs"]
        with_board = ShownPhoto("trap-board", "A new dog", marked(last))
        state.cam().bring([ShownPhoto("trap-plain", "The same", last), with_board])
        # With 20 + 20 dogs a head told 88 % right when left out; of 24 other dogs 22 turned brave when marked.
        here.start_with(brave=[marked(dog) for dog in dogs[:TRAPPED]], shy=dogs[TRAPPED:])
        st.rerun()


@st.cache_resource(max_entries=1, show_spinner="Reading some of the course's photos …")
def _course(path: Path, stamp: float) -> dict[str, list[Photo]]:
    """What the trap needs of each class, none of them among the samples at the top."""
    photos = list(dogscats.DogsCats(path).photos("valid", SAMPLES + 2 * TRAPPED + 1))
    return {name: [smaller(p, SHORT_SIDE) for p in photos if p.label == name][SAMPLES:] for name in dogscats.CLASSES}
