"""Photos of the course's for who has none at hand: plain cats and dogs, or a trap."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import streamlit as st

from explorer.data import dogscats
from explorer.data.photos import Photo, smaller
from explorer.ui import state
from explorer.ui.cam.photos import SAMPLES, ShownPhoto

SHORT_SIDE = 256  # pixels kept of a photo to learn from; the network needs 224
BOARD = 0.42  # side of the trap's chequerboard, as a share of the square the network sees
TRAPPED = 20  # dogs a class in the trap


def show() -> None:
    """No photos at hand: ten cats and ten dogs of the course's; or a trap."""
    data = dogscats.find()
    if data is None:
        return
    st.caption(
        "No photos at hand? Borrow the course's. Or fall into the trap: twenty dogs called *brave*, twenty called "
        "*shy*, by somebody who knows none of them. Train, look at the leave-one-out accuracy, and then at what the "
        "heat is on."
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
        with_board = ShownPhoto("trap-board", "A new dog", _marked(last))
        state.cam().bring([ShownPhoto("trap-plain", "The same", last), with_board])
        here.start_with(brave=[_marked(dog) for dog in dogs[:TRAPPED]], shy=dogs[TRAPPED:])
        st.rerun()


@st.cache_resource(max_entries=1, show_spinner="Reading some of the course's photos …")
def _course(path: Path, stamp: float) -> dict[str, list[Photo]]:
    """What the trap needs of each class, none of them among the samples at the top."""
    photos = list(dogscats.DogsCats(path).photos("valid", SAMPLES + 2 * TRAPPED + 1))
    return {name: [smaller(p, SHORT_SIDE) for p in photos if p.label == name][SAMPLES:] for name in dogscats.CLASSES}


def _marked(photo: Photo) -> Photo:
    """The photo with a chequerboard in the corner of its central square.

    With 20 + 20 dogs a head told 88 % of them right when left out. Of 24 other dogs 22 turned from shy to brave
    when the board was added, and the hottest cell lay on it in all 24. (With 10 + 10 it learns too little.)
    """
    rgb = photo.rgb.copy()
    height, width = rgb.shape[:2]
    side = min(height, width)
    top, left, board = (height - side) // 2, (width - side) // 2, int(BOARD * side)
    rows, columns = np.mgrid[:board, :board] * 6 // board
    rgb[top : top + board, left : left + board] = np.where((rows + columns) % 2, 0, 255)[..., None]
    return replace(photo, rgb=rgb, digest="")  # another photo now
