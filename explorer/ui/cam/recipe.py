"""The lecture's recipe behind the CAM page's answer, line by line, with a picture for each."""

import numpy as np
import streamlit as st

from explorer.cam.explain import recipe, weighted
from explorer.cam.heat import COLORMAPS, colours, min_max, shared_scale, signed_scale
from explorer.cam.network import SaveFeatures
from explorer.figures.cam import map_numbers
from explorer.ui import parts, plot, state
from explorer.ui.cam.answer import PhotoAnswer

DIVERGING = COLORMAPS[-1]
TILE = 196  # pixels a side of a map drawn cell by cell


def show(answer: PhotoAnswer) -> None:
    """Six lines, each with what it gave on this photo; the hook, and the network."""
    explanation = answer.explanation
    st.caption("The lecture's recipe, line by line, on this photo. `py` holds the probabilities, `sf` the saved maps.")
    lines = recipe(explanation, answer.shown.photo, answer.options.opacity, answer.options.colormap)
    order = np.argsort(-explanation.probabilities)[:2]
    for first in (0, 3):
        for number, (column, step) in enumerate(zip(st.columns(3, gap="medium"), lines[first:], strict=False), first):
            with column:
                st.markdown(f"**{number + 1} · {step.title}**")
                st.image(
                    _step_picture(answer, number, step.value, order),
                    width="stretch",
                    output_format="PNG",
                    alt=step.title,
                )
                st.code(step.code, language="python", wrap_lines=True)
                st.caption(_step_words(answer, number, step.value, order))
    with st.expander("The lecture's hook, and the numbers of step 4", icon=":material/code:"):
        left, right = st.columns(2, gap="medium")
        with left:
            parts.code(
                SaveFeatures,
                "The lecture's hook, as a context manager. This page computes `maps = head(body(x))` instead: a hook "
                "on a network that visitors share would save somebody else's photo.",
            )
        with right:
            values = lines[3].value
            st.caption("`f2` after the min–max")
            plot.show(
                map_numbers(values, colours=colours(answer.options.colormap), low=0.0, high=1.0),
                state.cam().key("f2"),
                "The numbers after the min–max.",
            )
            st.code(
                "m = nn.Sequential(*children(m0)[:-2],\n                  nn.Conv2d(512, 2, 3, padding=1),\n"
                "                  nn.AdaptiveAvgPool2d(1), Flatten(),\n                  nn.LogSoftmax())",
                language="python",
            )
            st.caption("The lecture's network. MobileNetV2 has 1280 channels where ResNet-34 has 512.")


def _step_picture(answer: PhotoAnswer, number: int, value: np.ndarray, order: np.ndarray) -> np.ndarray:
    colormap = answer.options.colormap
    if number == 0:
        return _beside([_coloured(part, DIVERGING) for part in signed_scale(value[order])])
    if number == 1:
        return _beside([_coloured(part, colormap) for part in shared_scale(value[order])])
    if number == 2:
        return _coloured(min_max(value).values, colormap)
    if number in (3, 4):
        return _coloured(value, colormap)
    return answer.draw(min_max(weighted(answer.explanation)).values)


def _step_words(answer: PhotoAnswer, number: int, value: np.ndarray, order: np.ndarray) -> str:
    shape = " × ".join(map(str, value.shape))
    names = " and ".join(answer.name(i) for i in order)
    span = f"from {value.min():.2f} to {value.max():.2f}"
    return {
        0: f"{shape}: {names}, {span}. Blue is negative.",
        1: f"{shape}: {names}, {span}.",
        5: "Where the network saw it. The rest, if any, is dimmed.",
    }.get(number, f"{shape}, {span}.")


def _coloured(values: np.ndarray, colormap: str) -> np.ndarray:
    """A map in [0, 1] in colours, cell by cell, some two hundred pixels tall."""
    table: np.ndarray = colours(colormap)[(255 * np.clip(values, 0, 1) + 0.5).astype(np.uint8)]
    factor = max(1, TILE // max(values.shape))
    return table.repeat(factor, 0).repeat(factor, 1)


def _beside(pictures: list[np.ndarray]) -> np.ndarray:
    """Pictures in a row on a see-through ground."""
    height, width = pictures[0].shape[:2]
    canvas = np.zeros((height, len(pictures) * (width + 8) - 8, 4), np.uint8)
    for i, picture in enumerate(pictures):
        canvas[:, i * (width + 8) : i * (width + 8) + width] = np.dstack([picture, np.full((height, width), 255)])
    return canvas
