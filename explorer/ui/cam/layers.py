"""ResNet-34 and MobileNetV2 layer by layer on the CAM page: shapes, parameters, and what the lecture cuts off."""

import streamlit as st

from explorer.figures import diagrams
from explorer.probes import photo_layers
from explorer.ui import parts, state
from explorer.ui.cam.answer import PhotoAnswer

TITLES = {"resnet34": "ResNet-34, the lecture's", "mobilenet_v2": "MobileNetV2, which ships"}


def show(answer: PhotoAnswer) -> None:
    """The layers of one of the two, and what PyTorch prints for it."""
    from torchvision.models.resnet import BasicBlock

    here = state.cam()
    key = st.segmented_control(
        "Network", list(TITLES), default="resnet34", required=True, format_func=TITLES.__getitem__, key=here.key("body")
    )
    found = photo_layers.layers(key or "resnet34")
    head = sum(row.parameters for stage, row in found.rows if stage == "head")
    body = sum(row.parameters for stage, row in found.rows if stage != "head")
    columns = st.columns(4)
    columns[0].metric("Parameters, as it is printed", f"{found.whole:,}")
    columns[1].metric("Without its last two children", f"{body:,}")
    columns[2].metric("The lecture's head, which learns", f"{head:,}")
    columns[3].metric("Multiply-adds a photo", f"{sum(row.multiply_adds for _, row in found.rows) / 1e9:.2f} G")
    parts.drawing(diagrams.conv_ladder(*photo_layers.sides(key or "resnet34")))
    st.caption(
        "Pixels a side and channels, from the photo to the 7 × 7 that the map is made of. `children(m)[:-2]` leaves "
        "out the pooling and the 1,000 classes; a 3 × 3 convolution with one channel a class comes on top."
    )
    st.dataframe([{"stage": stage, **parts.layer_cells(row)} for stage, row in found.rows], hide_index=True, height=420)
    with st.expander("As PyTorch prints it", icon=":material/code:"):
        st.code(found.printed, language="text", height=420)
    if key == "resnet34":
        parts.code(
            BasicBlock.forward, "A block: two convolutions, and `out += identity`, which is the lecture's ResnetLayer."
        )
