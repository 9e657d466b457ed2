"""A convolution pixel by pixel, in the browser: the window under the pointer, times the kernel, summed.

The arithmetic is the layer's own; a browser test holds what is shown against the feature map that the network gives.
"""

import base64
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

if TYPE_CHECKING:
    from explorer.probes.convolution import Convolution

_JS = """
const unpack = words => new Float32Array(Uint8Array.from(atob(words), c => c.charCodeAt(0)).buffer);
const say = value => (value < 0 ? "−" : "") + Math.abs(value).toFixed(2);
const tint = (value, most) => value < 0 ? `rgba(61,125,200,${Math.min(1, -value / most)})`
    : `rgba(201,105,15,${Math.min(1, value / most)})`;
export default function ({ parentElement, data }) {
  const root = parentElement.querySelector(".x-conv"), find = name => root.querySelector("." + name);
  const { size, side, k, stride, padding, bias } = data;
  const picture = unpack(data.picture), kernel = unpack(data.kernel), map = unpack(data.map);
  const seen = find("seen"), given = find("given"), sums = find("sums"), scale = 288 / size;
  const most = Math.max(...map.map(Math.abs)) || 1;
  const at = (colour, row, column) => row < 0 || column < 0 || row >= size || column >= size ? 0
      : picture[(colour * size + row) * size + column];
  const image = new Image();
  image.onload = () => draw();
  image.src = data.image;
  root.place ??= [Math.floor(side / 2), Math.floor(side / 2)];
  root.place = root.place.map(value => Math.min(value, side - 1));
  function draw() {
    const [row, column] = root.place;
    let pen = seen.getContext("2d");
    pen.imageSmoothingEnabled = false;
    pen.clearRect(0, 0, 288, 288);
    if (image.complete) pen.drawImage(image, 0, 0, 288, 288);
    pen.lineWidth = 3; pen.strokeStyle = "#fff";
    const [left, top] = [column, row].map(value => (value * stride - padding) * scale);
    pen.strokeRect(left, top, k * scale, k * scale);
    pen.lineWidth = 1.5; pen.strokeStyle = "#C9690F";
    pen.strokeRect(left, top, k * scale, k * scale);
    pen = given.getContext("2d");
    pen.clearRect(0, 0, 288, 288);
    const edge = 288 / side;
    map.forEach((value, i) => {
      pen.fillStyle = tint(value, most);
      pen.fillRect((i % side) * edge, Math.floor(i / side) * edge, edge + 0.5, edge + 0.5);
    });
    pen.lineWidth = 2.5; pen.strokeStyle = getComputedStyle(root).color;
    pen.strokeRect(column * edge, row * edge, edge, edge);
    let total = bias;
    const rows = ["red", "green", "blue"].map((name, colour) => {
      let sum = 0;
      const grids = [[], [], []];
      for (let i = 0; i < k; i++) for (let j = 0; j < k; j++) {
        const x = at(colour, row * stride - padding + i, column * stride - padding + j);
        const w = kernel[(colour * k + i) * k + j];
        sum += x * w;
        [x, w, x * w].forEach((value, n) => grids[n].push(value));
      }
      total += sum;
      const tables = grids.map((grid, n) => `<div class="grid" style="--k:${k}">` + grid.map(value =>
          `<span style="background:${tint(value, [2.5, 0.6, 1][n])}">${k < 5 ? say(value) : ""}</span>`).join("")
          + "</div>");
      return `<b>${name}</b>${tables[0]}<i>×</i>${tables[1]}<i>=</i>${tables[2]}<i>Σ</i><em>${say(sum)}</em>`;
    });
    sums.innerHTML = rows.map(row => `<div class="line">${row}</div>`).join("");
    find("total").textContent = `the three sums + bias ${say(bias)} = ${say(total)}`;
    find("relu").textContent = `ReLU: ${say(Math.max(0, total))}`;
    find("where").textContent = `row ${row}, column ${column}`;
    root.dataset.total = total;
  }
  const go = (row, column) => {
    root.place = [row, column].map(value => Math.max(0, Math.min(side - 1, value)));
    draw();
  };
  const over = (canvas, to) => canvas.onpointermove = canvas.onpointerdown = event => {
    const box = canvas.getBoundingClientRect();
    go(...[(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width].map(to));
  };
  over(given, share => Math.floor(share * side));
  over(seen, share => Math.round((share * size - k / 2 + padding) / stride));
  root.onkeydown = event => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    go(root.place[0] + step[0], root.place[1] + step[1]);
  };
  draw();
}
"""

_HTML = """<div class="x-conv" tabindex="0" aria-label="A convolution, pixel by pixel; arrow keys move the window">
<figure><canvas class="seen" width="288" height="288"></canvas><figcaption>what it sees</figcaption></figure>
<div class="work"><div class="sums"></div><p><span class="total"></span><br><strong class="relu"></strong></p></div>
<figure><canvas class="given" width="288" height="288"></canvas>
<figcaption>what this filter gives: <span class="where"></span></figcaption></figure></div>"""

_CSS = """.x-conv { display: flex; flex-wrap: wrap; gap: 1.2rem; align-items: center; font-size: .85rem;
  font-variant-numeric: tabular-nums; outline-offset: 6px; }
.x-conv figure { margin: 0; }
.x-conv canvas { width: 13.5rem; max-width: 100%; border-radius: .4rem; touch-action: none;
  cursor: crosshair; border: 1px solid var(--st-border-color); display: block; }
.x-conv figcaption { opacity: .8; margin-top: .3rem; }
.x-conv .line { display: flex; align-items: center; gap: .45rem; margin-bottom: .5rem; }
.x-conv .line b { width: 2.6rem; font-weight: 500; } .x-conv .line i { font-style: normal; opacity: .8; }
.x-conv .line em { font-style: normal; font-weight: 600; width: 2.6rem; text-align: right; }
.x-conv .grid { display: grid; grid-template-columns: repeat(var(--k), calc(6.3rem / var(--k))); gap: 1px; }
.x-conv .grid span { height: calc(5.1rem / var(--k)); display: grid; place-items: center; font-size: .68rem;
  border-radius: .15rem; box-shadow: inset 0 0 0 1px rgba(128,128,128,.25); }
.x-conv p { margin: .4rem 0 0; } .x-conv .relu { font-size: 1.05rem; }
@media (max-width: 640px) { .x-conv .grid { grid-template-columns: repeat(var(--k), calc(4.3rem / var(--k))); }
  .x-conv .grid span { font-size: .52rem; } .x-conv .line { gap: .25rem; } .x-conv .line b { width: 2.2rem; } }"""


@cache
def _component() -> Callable[..., object]:
    return st.components.v2.component("explorer_convolution", html=_HTML, css=_CSS, js=_JS, isolate_styles=False)


def show(found: "Convolution", number: int, image: bytes, key: str) -> None:
    """One filter on one picture.

    Args:
        found: the layer and what it gives.
        number: of the filter.
        image: the picture as a PNG file, as a person sees it.
        key: names the element.
    """
    _component()(
        key=key,
        data={
            "picture": _packed(found.picture),
            "kernel": _packed(found.kernels[number]),
            "map": _packed(found.maps[number]),
            "image": "data:image/png;base64," + base64.b64encode(image).decode(),
            "size": found.picture.shape[-1],
            "side": found.maps.shape[-1],
            "k": found.kernels.shape[-1],
            "stride": found.stride,
            "padding": found.padding,
            "bias": float(found.bias[number]),
        },
        height="content",
    )


def _packed(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values, np.float32).tobytes()).decode()
