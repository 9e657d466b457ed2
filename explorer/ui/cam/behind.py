"""Behind the CAM page's answer: all classes, the numbers, the recipe, the layers, and whether it tells the truth."""

import base64

import numpy as np
import streamlit as st
import torch

from explorer.cam.explain import Evidence, Explanation, evidence_at, explain, layer_maps, recipe, sums, weighted
from explorer.cam.heat import COLORMAPS, colours, min_max, shared_scale, signed_scale
from explorer.cam.maps import Method, contrast
from explorer.cam.network import CamNet, SaveFeatures
from explorer.cam.truth import deletion_curve
from explorer.data.photos import to_bytes
from explorer.errors import ExplorerError
from explorer.figures.cam import deletion, map_numbers, on_photo
from explorer.ui import parts, plot, steps
from explorer.ui.cam.answer import Answer
from explorer.ui.cam.photos import PAGE

TABS = ("All classes", "The numbers", "Step by step", "Layer by layer", "Does it tell the truth?")
DIVERGING = COLORMAPS[-1]
TILE = 196  # pixels a side of a map drawn cell by cell


def show(answer: Answer) -> None:
    """Five ways behind the answer; only the open one is computed."""
    tabs = st.tabs(TABS, on_change="rerun", key=f"{PAGE}.tab")
    for tab, draw in zip(tabs, (_classes, _numbers, _steps, _layers, _truth), strict=True):
        if tab.open:
            with tab:
                draw(answer)


def _name(answer: Answer, index: int) -> str:
    return parts.escape(answer.looker.name(index))


# -- all classes -----------------------------------------------------------------------------------------
def _classes(answer: Answer) -> None:
    explanation = answer.explanation
    st.caption(
        "Each class's map on **one shared scale**: black is no evidence, and the brightest spot of all is 1. "
        "Stretching each by itself would make a weak map look as strong as a sure one."
    )
    order = np.argsort(-explanation.probabilities)
    maps = shared_scale(explanation.maps)
    across = min(5, max(4, len(order)))
    for row in range(0, len(order), across):
        for column, index in zip(st.columns(across), order[row : row + across], strict=False):
            values = explanation.maps[index]
            name = answer.looker.name(index)
            column.image(answer.draw(maps[index]), width="stretch", alt=f"The map for {name}")
            column.markdown(
                f"**{parts.escape(name)}** {explanation.probabilities[index]:.1%}  \n"
                f":small[peak {values.max():.2f}, mean {values.mean():.2f} logits]"
            )
    st.subheader("One against another", anchor=False)
    left, right = st.columns([1, 2], gap="medium")
    with right:
        names = list(range(len(order)))
        first = st.selectbox("For", names, int(order[0]), format_func=answer.looker.name, key=_key(answer, "for"))
        second = st.selectbox("Against", names, int(order[1]), format_func=answer.looker.name, key=_key(answer, "vs"))
        st.caption(
            f"Red speaks for {_name(answer, first)}, blue for {_name(answer, second)}, white for neither. Adding the "
            "same number to both classes' scores changes no probability, but it shifts every single map; this "
            "difference is the only one that stays as it is."
        )
    with left:
        difference = signed_scale(contrast(explanation.maps, first, second))
        words = f"Evidence for {answer.looker.name(first)} against {answer.looker.name(second)}"
        st.image(answer.draw(difference, DIVERGING, max(0.65, answer.look.opacity)), width="stretch", alt=words)


def _key(answer: Answer, name: str) -> str:
    """A widget's key that belongs to this network."""
    return f"{PAGE}.{name}.{answer.looker.key}.{answer.looker.stamp}"


# -- the numbers -----------------------------------------------------------------------------------------
def _numbers(answer: Answer) -> None:
    explanation = answer.explanation
    count, rows, columns = explanation.maps.shape
    row, column = _cell(rows, columns)
    values = explanation.maps[answer.index]
    left, right = st.columns(2, gap="medium")
    identity = "-".join(map(str, (*answer.stamp, answer.index, row, column, answer.look)))
    with left:
        st.caption("Hover over the photo for every class's evidence there. Click to pick a point.")
        _clickable(
            on_photo(
                _as_url(answer),
                answer.shown.photo.rgb.shape[1::-1],
                explanation.geometry,
                explanation.maps,
                [answer.looker.name(i) for i in range(count)],
                selected=(row, column),
            ),
            f"{PAGE}.photo.{identity}",
            "The photo with its heat; each cell tells the evidence for every class.",
        )
    with right:
        st.caption(f"The map for **{_name(answer, answer.index)}**: {rows} × {columns} numbers, in logits.")
        _clickable(
            map_numbers(
                values,
                colours=colours("blue–red"),
                low=-abs(values).max(),
                high=abs(values).max(),
                selected=(row, column),
                height=400,
            ),
            f"{PAGE}.cells.{identity}",
            f"The {rows} by {columns} numbers of the map.",
        )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.number_input("Row", 0, rows - 1, key=f"{PAGE}.row", width=120)
        st.number_input("Column", 0, columns - 1, key=f"{PAGE}.column", width=120)
        st.caption("Counted from 0, from the top left.")
    point = evidence_at(explanation, *_inside(explanation, row, column))
    if point is None:
        st.caption("The network saw only padding at this point.")
    _sums(answer, point)


def _cell(rows: int, columns: int) -> tuple[int, int]:
    """The picked cell, within this map."""
    for name, size in (("row", rows), ("column", columns)):
        key = f"{PAGE}.{name}"
        st.session_state[key] = min(size - 1, st.session_state.get(key, size // 2))
    return st.session_state[f"{PAGE}.row"], st.session_state[f"{PAGE}.column"]


def _inside(explanation: Explanation, row: int, column: int) -> tuple[float, float]:
    return explanation.geometry.centre(row, column, *explanation.maps.shape[1:])


def _clickable(figure: object, key: str, alt: str) -> None:
    def picked() -> None:
        points = st.session_state[key].selection.points
        if points and "customdata" in points[0]:
            found = points[0]["customdata"]
            found = list(found.values()) if isinstance(found, dict) else found
            st.session_state[f"{PAGE}.row"], st.session_state[f"{PAGE}.column"] = int(found[0]), int(found[1])

    st.plotly_chart(
        figure, key=key, on_select=picked, selection_mode="points", alt=alt, config={"displayModeBar": False}
    )


def _as_url(answer: Answer) -> str:
    picture = to_bytes(answer.draw(answer.explanation.heat.values), "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(picture).decode()


def _sums(answer: Answer, point: Evidence | None) -> None:
    explanation = answer.explanation
    cells = explanation.maps[0].size
    rows = []
    for i, (_, mean, logit) in enumerate(sums(explanation)):
        here = {"evidence here": point.values[i], f"its rank of {cells}": point.ranks[i]} if point else {}
        rows.append(
            {
                "class": answer.looker.name(i),
                **here,
                f"mean of its {cells} cells": mean,
                "the network's score": logit,
                "probability": float(explanation.probabilities[i]),
            }
        )
    st.dataframe(
        rows,
        hide_index=True,
        width="stretch",
        column_config={"probability": st.column_config.NumberColumn(format="percent")},
    )
    if explanation.exact:
        off = max(abs(mean - logit) for _, mean, logit in sums(explanation))
        st.markdown(
            f":material/functions: The last layer only averages. So a class's score **is** the mean of its map: add up "
            f"the {cells} numbers, divide by {cells}. Here the two differ by at most `{off:.0e}`, which is rounding."
        )
    else:
        st.markdown(
            ":material/functions: This network ends in a **maximum** over all places, not a mean. Its score is the "
            "linear layer at each channel's largest value, so the map's cells do not add up to it."
        )


# -- step by step ----------------------------------------------------------------------------------------
def _steps(answer: Answer) -> None:
    explanation = answer.explanation
    st.caption("The lecture's recipe, line by line, on this photo. `py` holds the probabilities, `sf` the saved maps.")
    lines = recipe(explanation, answer.shown.photo, answer.look.opacity, answer.look.colormap)
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
                map_numbers(values, colours=colours(answer.look.colormap), low=0.0, high=1.0),
                f"{PAGE}.f2",
                "The numbers after the min–max.",
            )
            st.code(
                "m = nn.Sequential(*children(m0)[:-2],\n                  nn.Conv2d(512, 2, 3, padding=1),\n"
                "                  nn.AdaptiveAvgPool2d(1), Flatten(),\n                  nn.LogSoftmax())",
                language="python",
            )
            st.caption("The lecture's network. MobileNetV2 has 1280 channels where ResNet-34 has 512.")


def _step_picture(answer: Answer, number: int, value: np.ndarray, order: np.ndarray) -> np.ndarray:
    colormap = answer.look.colormap
    if number == 0:
        return _beside([_coloured(part, DIVERGING) for part in signed_scale(value[order])])
    if number == 1:
        return _beside([_coloured(part, colormap) for part in shared_scale(value[order])])
    if number == 2:
        return _coloured(min_max(value).values, colormap)
    if number in (3, 4):
        return _coloured(value, colormap)
    return answer.draw(min_max(weighted(answer.explanation)).values)


def _step_words(answer: Answer, number: int, value: np.ndarray, order: np.ndarray) -> str:
    shape = " × ".join(map(str, value.shape))
    names = " and ".join(_name(answer, i) for i in order)
    span = f"from {value.min():.2f} to {value.max():.2f}"
    return {
        0: f"{shape}: {names}, {span}. Blue is negative.",
        1: f"{shape}: {names}, {span}.",
        5: "Where the network saw it. The rest, if any, is dimmed.",
    }.get(number, f"{shape}, {span}.")


def _coloured(values: np.ndarray, colormap: str) -> np.ndarray:
    """A map in [0, 1] in colours, cell by cell, some two hundred pixels tall."""
    table = colours(colormap)[(255 * np.clip(values, 0, 1) + 0.5).astype(np.uint8)]
    factor = max(1, TILE // max(values.shape))
    return table.repeat(factor, 0).repeat(factor, 1)


def _beside(pictures: list[np.ndarray]) -> np.ndarray:
    """Pictures in a row on a see-through ground."""
    height, width = pictures[0].shape[:2]
    canvas = np.zeros((height, len(pictures) * (width + 8) - 8, 4), np.uint8)
    for i, picture in enumerate(pictures):
        canvas[:, i * (width + 8) : i * (width + 8) + width] = np.dstack([picture, np.full((height, width), 255)])
    return canvas


# -- layer by layer --------------------------------------------------------------------------------------
def _layers(answer: Answer) -> None:
    method = answer.look.method if answer.look.method.by_gradient else Method.GRADCAM
    try:
        layers = layer_maps(
            answer.looker.network, answer.shown.photo, answer.index, view=answer.look.view, method=method
        )
    except ExplorerError as error:
        st.error(parts.escape(str(error)), icon=":material/error:")
        return
    title = "Grad-CAM++" if method == Method.GRADCAM_PLUS else "Grad-CAM"
    st.caption(f"{title} for **{_name(answer, answer.index)}** at every stage, from edges to meaning.")
    for column, (name, heat) in zip(st.columns(max(3, len(layers))), layers.items(), strict=False):
        column.image(answer.draw(heat.values), width="stretch", alt=f"Heat at {name}")
        rows, columns = heat.values.shape
        column.markdown(f"**{name}**  \n:small[{rows} × {columns} cells{', empty' if heat.flat else ''}]")
    st.markdown(
        "Early maps are sharp and mean little: they follow edges. Late ones are coarse and follow the animal. Only the "
        "head's map adds up to the score; below it a map is a guess from one gradient."
    )


# -- does it tell the truth? -----------------------------------------------------------------------------
def _truth(answer: Answer) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        _deletion(answer)
    with right:
        _untrained(answer)
    st.markdown(
        "**What a map cannot say.** It shows where evidence lies, not why. Each cell has seen much more of the photo "
        "than the square it covers. A number added to a class's bias moves its map and no probability, so look at the "
        "difference of two classes before you trust a single one."
    )


def _deletion(answer: Answer) -> None:
    name = _name(answer, answer.index)
    st.markdown(f"**Hide what is hot, and ask again.** If the map is right, {name} should fall faster than by chance.")
    key = f"{PAGE}.deletion"
    if st.button("Hide the hottest 10, 20 and 40 %", icon=":material/content_cut:", key=f"{key}.run", type="primary"):
        with st.spinner("Asking 16 times …", show_time=True):
            found = deletion_curve(answer.looker.network, answer.shown.photo, answer.explanation)
        st.session_state[key] = (answer.stamp, found)
        steps.did(PAGE, "deletion")
    stamp, found = st.session_state.get(key, (None, None))
    if stamp != answer.stamp:
        return
    plot.show(
        deletion(found, answer.looker.name(answer.index)),
        f"{key}.chart",
        "Probability against the share of the photo hidden: hottest first, and at random.",
    )
    gap = found.gap
    verdict = (
        f"Hiding the hot parts costs **{gap:.0%}** more than hiding random ones: the map tells something true."
        if gap > 0.02
        else "Hiding the hot parts costs no more than hiding random ones. Either the evidence is everywhere, or this "
        "map is no guide to it."
    )
    st.caption(f"{verdict} Grey band: the range of four random tries.")


def _untrained(answer: Answer) -> None:
    st.markdown("**Ask somebody who knows nothing.** A head with random weights draws a map as well.")
    network = answer.looker.network
    if not isinstance(network, CamNet):
        st.caption("Only for the photo networks.")
        return
    seed = st.number_input("Seed of the random head", 0, 999, key=f"{PAGE}.random_head", width=200)
    head = torch.nn.Conv2d(network.head.in_channels, len(network.classes), 3, padding=1)
    generator = torch.Generator().manual_seed(int(seed))
    with torch.no_grad():
        head.weight.normal_(0, 0.01, generator=generator)
        head.bias.zero_()
    found = explain(network.with_head(head, network.classes), answer.shown.photo, view=answer.look.view)
    st.image(answer.draw(found.heat.values), width=340, alt="The map of an untrained head")
    st.caption(
        f"It says {_name(answer, found.winner)}, {found.probabilities[found.winner]:.0%}. Its heat may look "
        "convincing, because the body beneath still finds things. A picture of heat proves nothing by itself."
    )
