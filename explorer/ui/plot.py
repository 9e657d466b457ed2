"""Plotly charts that keep zoom, pan and legend clicks while a run updates them.

Streamlit 1.67's own ``st.plotly_chart`` builds a new chart whenever the data change, and under a fixed identity it
does not redraw at all (its component reads the figure once). This one hands every new figure to ``Plotly.react``,
with the Plotly that the Python package carries, served by Streamlit itself. Where that cannot be had it falls back
to ``st.plotly_chart``.
"""

import copy
import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from explorer.ui import internals, state

if TYPE_CHECKING:
    import plotly.graph_objects as go

ALIKE = ("recorded", "first.")  # how the runs' ids begin whose charts are the same for all visitors
HIGH = 0.6  # of the window: the main chart on a projector
_JS = """
let loading;
function plotly(src) {
  if (window.Plotly) return Promise.resolve();
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = src; script.onload = resolve; script.onerror = reject;
    document.head.appendChild(script);
  });
  return loading;
}
function onPage(page, colours) {  // as they look there, one after the other, from the lowest value to the highest
  const pen = new OffscreenCanvas(1, 1).getContext("2d");
  return colours.map((colour, i) => {
    for (const paint of [page, colour]) { pen.fillStyle = paint; pen.fillRect(0, 0, 1, 1); }
    const [red, green, blue] = pen.getImageData(0, 0, 1, 1).data;
    return [i / (colours.length - 1), `rgb(${red},${green},${blue})`];
  });
}
function nearest(root, event) {  // of the points under the pointer, the one whose curve it is on
    const away = ({ y, yaxis }) => Math.abs(root.getBoundingClientRect().top + yaxis._offset + yaxis.d2p(y)
      - event.event.clientY);
    return event.points.filter(({ data }) => data.name).sort((one, other) => away(one) - away(other))[0];
}
function spell(root) {  // a text along the axis, a letter a tick, is only written where its letters have room
  const { ticktext, showticklabels = true } = root.latest.layout.xaxis ?? {};
  const roomy = !ticktext || ticktext.length * 7 <= root.clientWidth - 100;
  return roomy === showticklabels ? null : { "xaxis.showticklabels": roomy };
}
export default function ({ parentElement, data: bytes, setTriggerValue }) {
  const root = parentElement.querySelector(".explorer-plot");
  const sent = new TextDecoder().decode(bytes), theme = getComputedStyle(parentElement).color;
  root.tell = setTriggerValue;
  if (root.sent === sent && root.theme === theme) return;  // the page was drawn anew, and this is as it was
  [root.sent, root.theme] = [sent, theme];
  const data = JSON.parse(sent), figure = data.figure;
  if (!figure) {  // a page without charts: the next one will have some
    setTimeout(() => requestIdleCallback(() => plotly(data.src), { timeout: 2000 }), 250);
    return;
  }
  root.classList.toggle("clicks", data.clicks);
  if (data.share) figure.layout.height = Math.max(figure.layout.height, Math.round(data.share * innerHeight));
  root.style.minHeight = figure.layout.height + "px";
  root.setAttribute("aria-label", data.alt);
  root.latest = figure;
  plotly(data.src).then(() => {
    if (root.latest !== figure) return;  // a newer figure is on its way
    const style = getComputedStyle(parentElement);
    figure.layout.font = { ...(figure.layout.font ?? {}), color: style.color, family: style.fontFamily };
    // Not see-through: what Plotly says on hovering is written on this colour, and so is a picture one saves.
    const page = figure.layout.paper_bgcolor = style.getPropertyValue("--st-background-color");
    const ramp = [page, ...style.getPropertyValue("--st-chart-sequential-colors").split(",").slice(1)];
    for (const trace of figure.data.filter(({ texttemplate }) => texttemplate)) {
      // A number in a cell is to be read on the cell's colour; what shines through Plotly takes for white.
      trace.colorscale = onPage(page, trace.colorscale?.map(([, colour]) => colour) ?? ramp);
    }
    if (data.mark !== null) {
      const line = { color: "#7B828C", width: 1.4, dash: "dash" };
      const mark = { type: "line", x0: data.mark, x1: data.mark, y0: 0, y1: 1, yref: "y domain", line };
      figure.layout.shapes = [...(figure.layout.shapes ?? []), mark];
    }
    figure.layout.autosize = true;
    figure.layout.hoverlabel = { font: { family: style.fontFamily } };
    figure.layout.modebar = { bgcolor: "transparent", color: style.color, activecolor: style.color };
    if (spell(root)) figure.layout.xaxis.showticklabels = false;
    window.Plotly.react(root, figure.data, figure.layout, {
      displaylogo: false, displayModeBar: "hover", showSendToCloud: false,  // nothing leaves this server
      modeBarButtonsToRemove: ["select2d", "lasso2d", "zoomIn2d", "zoomOut2d", "autoScale2d"],
    });
    // Plotly itself only hears of the window's size; the sidebar changes a chart's, too.
    root.watch ??= new ResizeObserver(async () => {
      if (!root.checkVisibility()) return;
      const letters = spell(root);
      if (letters) await window.Plotly.relayout(root, letters);
      if (root.checkVisibility()) window.Plotly.Plots.resize(root);  // else another page came meanwhile
    });
    root.watch.observe(root);
    root.removeAllListeners("plotly_click");
    if (data.clicks) root.on("plotly_click", event => {
      const cell = event.points.find(({ data }) => data.type === "heatmap");
      if (cell) return root.tell("at", { row: cell.y, column: cell.x });
      const point = nearest(root, event);
      if (point) root.tell("at", { curve: point.data.name, x: point.x });
    });
  });
}
"""
# The buttons stand beside the lower axis' title, where they cover neither legend nor data. Fingers zoom by themselves,
# and on a phone the buttons would lie over the legend.
_CSS = """.explorer-plot { width: 100%; }
.explorer-plot.clicks .nsewdrag { cursor: pointer; }
.explorer-plot .modebar-container { top: auto !important; bottom: 0; }
.explorer-plot .plotly .modebar-container .modebar { top: auto; bottom: 0; opacity: 0.6; }
@media (hover: none), (max-width: 639px) { .explorer-plot .modebar-container { display: none; } }
.explorer-plot .parcoords .axis :is(.domain, .tick line) { stroke: currentColor; stroke-opacity: 0.6; }"""


@functools.cache
def _component() -> Callable[..., object]:
    return st.components.v2.component(
        "explorer_plot",
        html='<div class="explorer-plot" role="figure"></div>',
        css=_CSS,
        js=_JS,
        isolate_styles=False,  # inside a shadow root Plotly's drag zoom does not work
    )


@functools.cache
def _source() -> str | None:
    """Where the browser gets Plotly; None where this server cannot offer it."""
    import plotly

    bundle = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    return internals.serve_for_good(bundle.read_bytes(), "text/javascript")


class Drawn:
    """A figure and what the browser gets of it, each made once."""

    def __init__(self, figure: "go.Figure") -> None:
        self.figure = figure

    @functools.cached_property
    def json(self) -> bytes:
        """The figure for the browser."""
        return str(self.figure.to_json()).encode()

    @functools.cached_property
    def projected(self) -> "Drawn":
        """The same for the teacher's view."""
        return Drawn(for_projector(self.figure))


def chart(
    page: str,
    name: str,
    stamp: state.Stamp,
    make: Callable[[], "go.Figure"],
    alt: str,
    caption: str = "",
    *,
    main: bool = False,
    mark: float | None = None,
    picked: Callable[[str, float], None] | None = None,
    cell: Callable[[str, str], None] | None = None,
) -> None:
    """A chart made anew only when ``stamp`` changed, and left alone while plots are frozen.

    Args:
        page: or the section that has the chart, by its name; with ``name`` it tells the chart from all others.
        stamp: what the chart is made of. It begins with the run's id: another run is another chart, the same run
            keeps its zoom.
        mark: a place on the lower axis that gets a vertical line. The browser draws it, so that the figure stays as
            it is when a slider moves the line.
        main: the page's chart, which a projector shows as high as its screen allows.
        picked: is called with a curve's name and a place on the lower axis when one is clicked, before the page is run
            again. What a click does must be offered in a second way that the keyboard reaches.
        cell: likewise, with the names of a row and a column of a heat map.
    """
    here = state.place(page)
    kept = here.charts.get(name)
    frozen = here.value("freeze", False) and kept is not None and kept[0][0] == stamp[0]
    teacher = state.teacher()
    if kept is None or (kept[0] != stamp and not frozen):
        kept = here.charts[name] = (stamp, _drawn(page, name, stamp, make))
    drawn = kept[1].projected if teacher else kept[1]
    share = HIGH if main and teacher else 0.0
    show(drawn, here.key(name, stamp[0]), alt, share=share, mark=mark, picked=picked, cell=cell)
    if caption:
        st.caption(caption)


def _drawn(page: str, name: str, stamp: state.Stamp, make: Callable[[], "go.Figure"]) -> Drawn:
    """The chart; one of what ships with the program, or of untrained networks, is made once for all visitors."""
    if not str(stamp[0]).startswith(ALIKE):
        return Drawn(make())
    shelf = _shelf(page, name, stamp)
    if not shelf:
        shelf.append(Drawn(make()))
    return shelf[0]


@functools.lru_cache(maxsize=128)
def _shelf(page: str, name: str, stamp: state.Stamp) -> list[Drawn]:
    return []


def for_projector(figure: "go.Figure") -> "go.Figure":
    """A copy with larger type, room for it, and thicker lines; the figure itself is kept and stays as it is."""
    figure = copy.deepcopy(figure)
    layout = figure.layout
    more = 24 if layout.xaxis.title.text else 0  # px below the axis, for its larger title
    figure.update_layout(font_size=17, height=layout.height + more, margin_b=layout.margin.b + more)
    figure.update_xaxes(ticklabelstandoff=6)  # or the two numbers in the corner meet
    figure.update_yaxes(ticklabelstandoff=6)
    figure.for_each_trace(lambda line: line.update(line_width=1.5 * (line.line.width or 2)), {"type": "scatter"})
    return figure


def show(
    figure: "go.Figure | Drawn",
    key: str,
    alt: str,
    *,
    share: float = 0.0,
    mark: float | None = None,
    picked: Callable[[str, float], None] | None = None,
    cell: Callable[[str, str], None] | None = None,
) -> None:
    """Draw ``figure``; the same ``key`` is the same chart, whose zoom survives. ``alt`` says what it shows.

    Args:
        share: at least so much of the window's height.
        mark, picked, cell: see :func:`chart`.
    """
    drawn = figure if isinstance(figure, Drawn) else Drawn(figure)
    source = _source()
    if source is None:
        figure = drawn.figure if mark is None else copy.deepcopy(drawn.figure).add_vline(x=mark, line_dash="dash")
        st.plotly_chart(figure, key=key, alt=alt, config={"displaylogo": False})
        return
    named = key.replace("__", "_-")  # Streamlit divides its own names by two underscores, and a path may have some

    def clicked() -> None:
        at = state.trigger(named, "at")
        if cell and isinstance(at, Mapping) and "row" in at:
            cell(str(at["row"]), str(at["column"]))
        elif picked and isinstance(at, Mapping) and "curve" in at:
            picked(str(at["curve"]), float(at["x"]))

    words = {"src": source, "alt": alt, "share": share, "mark": mark, "clicks": bool(picked or cell)}
    _component()(key=named, data=_sent(words, drawn.json), height="content", on_at_change=clicked)


def _sent(words: Mapping[str, object], figure: bytes = b"null") -> bytes:
    """JSON, the figure's as it is: of anything but bytes Streamlit makes JSON again, twice at each run of a page."""
    return json.dumps(words).encode()[:-1] + b', "figure": ' + figure + b"}"


def expect() -> None:
    """Let the browser fetch Plotly while it has nothing else to do, for the next page's charts."""
    if (source := _source()) is not None:
        _component()(key="plot.expect", data=_sent({"src": source}), height="content")
