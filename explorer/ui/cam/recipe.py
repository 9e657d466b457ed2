"""The lecture's recipe behind the CAM page's answer, line by line, with a picture for each."""

import numpy as np
import streamlit as st

from explorer.cam.explain import RecipeStep, recipe
from explorer.cam.heat import COLORMAPS, colours, min_max, shared_scale, signed_scale
from explorer.cam.network import SaveFeatures
from explorer.figures.cam import map_numbers
from explorer.ladders import Page
from explorer.ui import parts, plot
from explorer.ui.cam.answer import PhotoAnswer
from explorer.ui.cam.photos import encoded

DIVERGING = COLORMAPS[-1]
TILE = 196  # pixels a side of a map drawn cell by cell


def show(answer: PhotoAnswer) -> None:
    """Six lines, each with what it gave on this photo; the hook, and the network."""
    explanation = answer.explanation
    st.caption("The lecture's recipe, line by line, on this photo. `py` holds the probabilities, `sf` the saved maps.")
    lines = steps_of(answer)
    order = np.argsort(-explanation.probabilities)[:2]
    for first in (0, 3):
        for number, (column, step) in enumerate(zip(st.columns(3, gap="medium"), lines[first:], strict=False), first):
            with column:
                st.markdown(f"**{number + 1} · {step.title}**")
                parts.image(_step_picture(answer, number, order), width="stretch", alt=step.title)
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
            plot.chart(
                Page.CAM,
                "f2",
                (*answer.stamp, answer.options.colormap),
                lambda: map_numbers(values, colours=colours(answer.options.colormap), low=0.0, high=1.0),
                "The numbers after the min–max.",
            )
            st.code(
                "m = nn.Sequential(*children(m0)[:-2],\n                  nn.Conv2d(512, 2, 3, padding=1),\n"
                "                  nn.AdaptiveAvgPool2d(1), Flatten(),\n                  nn.LogSoftmax())",
                language="python",
            )
            st.caption("The lecture's network. MobileNetV2 has 1280 channels where ResNet-34 has 512.")


def steps_of(answer: PhotoAnswer) -> tuple[RecipeStep, ...]:
    """The recipe on this photo. The last line's picture is another one wherever opacity or colours are."""
    return answer.once("recipe", lambda: recipe(answer.explanation, answer.shown.photo))


def _step_picture(answer: PhotoAnswer, number: int, order: np.ndarray) -> bytes:
    lines, colormap = steps_of(answer), answer.options.colormap
    if number == 5:
        return answer.picture("recipe", lines[3].value)
    look = (answer.stamp, colormap, "recipe", number)
    return encoded(look, lambda: _beside(_maps(number, lines[number].value, order, colormap)))


def _maps(number: int, value: np.ndarray, order: np.ndarray, colormap: str) -> list[np.ndarray]:
    """What a line gave, in colours: the maps of the two likeliest classes, or the one that came of all."""
    if number == 0:
        return [_coloured(part, DIVERGING) for part in signed_scale(value[order])]
    if number == 1:
        return [_coloured(part, colormap) for part in shared_scale(value[order])]
    return [_coloured(min_max(value).values if number == 2 else value, colormap)]


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
