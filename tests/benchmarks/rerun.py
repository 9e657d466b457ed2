"""What a moved slider costs a server on each page, against a page with the same widgets and nothing else.

    python -m tests.benchmarks.rerun --json

Thirty people who drag a slider every second and a half are twenty reruns a second in one interpreter, so a rerun's
processor time decides how many a server holds. The app is served with nothing training; one visitor moves each of a
page's sliders to and fro, which runs what a browser would ask for: the slider's fragment, or else the whole script.
Beside it a bare page is served, made of the app's menu and the widgets found on the page: same kinds, labels, options
and values; tabs, expanders and popovers that tell the server when they are opened; an empty component for each chart,
and for a table whose cells are buttons an empty one with such a column.

A page is measured as it opens: its first tab, and no fold that is closed. What other tabs and folds draw is not seen.

``ms``: the processor time of the server's process for a move of the page's dearest slider (mean; where a page has
none, for a plain rerun); ``easiest``: of its cheapest; ``twin``: of the bare page; ``ratio``: the dearest over the bare
page, the slowest page's at the end. The three that seem dearest are moved anew, and what counts is the second time: the
largest of many means is mostly that of whichever slider the machine was busiest beside.
``--profile PAGE`` prints where a rerun of the whole script spends its time.
"""

import argparse
import asyncio
import contextlib
import cProfile
import itertools
import json
import os
import pstats
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from streamlit.testing.v1.element_tree import Block

from explorer import paths
from tests.load.__main__ import processor_s
from tests.load.viewer import Viewer
from tests.serving import Server, serve

PAGES = ("home", "char_rnn", "cifar10", "lr_finder", "batchnorm", "cam", "runs")


def twin(at) -> str:
    """A script that draws the menu and the widgets that a page has, and nothing else."""
    lines: list[str] = []
    for place, block in (("st", at.main), ("side", at.sidebar)):
        for widget in _all(block):
            if (line := bare(place, widget)) and line not in lines:
                lines.append(line)
    body = "\n".join(f"    {line}" for line in lines)
    others = ", ".join(f"st.Page(lambda: None, title='{page}', url_path='{page}')" for page in PAGES[1:])
    return (
        "import pyarrow\nimport streamlit as st\n\n"
        "from explorer.ui import door  # as the app's server\n\n"
        "side, drawn = st.sidebar, st.components.v2.component('twin', html='<i></i>')\n\n"
        f"def page():\n{body}\n\n"
        f"st.navigation([st.Page(page, title='page', default=True), {others}]).run()\n"
    )


def _all(node) -> Iterator[Any]:
    """A block's elements and the blocks in it, which may be widgets themselves, in order."""
    for child in getattr(node, "children", {}).values():
        yield child
        yield from _all(child)


def bare(place: str, widget) -> str:
    """The line that draws one widget."""
    if isinstance(widget, Block):
        return _bare_block(place, widget)
    kind, key = getattr(widget, "type", ""), getattr(widget, "key", None)
    said = f"{getattr(widget, 'label', '')!r}" + (f", key={key!r}" if key else "")
    if kind == "slider":
        ends = widget.value if isinstance(widget.value, tuple | list) else [widget.value]
        kind_of = type(ends[0])  # whole numbers arrive as floats
        low, high = kind_of(widget.min), kind_of(widget.max)
        return f"{place}.slider({said}, min_value={low!r}, max_value={high!r}, value={widget.value!r})"
    if kind in ("select_slider", "selectbox", "radio", "multiselect"):
        return f"{place}.{kind}({said}, options={list(widget.options)!r})"
    if kind == "button_group":
        options = [str(getattr(option, "content", option)) for option in widget.options]
        return f"{place}.segmented_control({said}, options={list(dict.fromkeys(options))!r})" if options else ""
    if kind in ("checkbox", "toggle"):
        return f"{place}.{kind}({said}, value={bool(widget.value)!r})"
    if kind == "number_input":
        return f"{place}.number_input({said}, value={widget.value!r})"
    if kind in ("text_input", "text_area"):
        return f"{place}.{kind}({said}, value={widget.value!r})"
    if kind == "button":
        return f"{place}.button({said})"
    if kind == "download_button":
        return f"{place}.download_button({said}, data=bytes)"
    if kind == "file_uploader":
        return f"{place}.file_uploader({said})"
    if kind == "dataframe":
        return _bare_table(place, widget.proto.button_click_widgets)
    if kind == "bidi_component":  # a chart: Streamlit's share of it is a widget's
        return f"drawn(key={widget.proto.id.lstrip(chr(36))!r})"
    return ""


def _bare_block(place: str, block) -> str:
    """Tabs, expanders and popovers that tell the server when they are opened are widgets; other blocks are not."""
    proto = getattr(block, "proto", None)
    kind, key = type(proto).__name__, getattr(proto, "id", "").lstrip("$")
    if not key:
        return ""
    if kind == "TabContainer":
        titles = [tab.label for tab in block.children.values()]
        return f"{place}.tabs({titles!r}, key={key!r}, on_change='rerun')"
    if kind in ("Expandable", "Popover"):
        word = "expander" if kind == "Expandable" else "popover"
        return f"{place}.{word}({proto.label!r}, key={key!r}, on_change='rerun')"
    return ""


def _bare_table(place: str, buttons: Mapping[str, str]) -> str:
    """A table with buttons in its cells is a widget, as each column of them is; another one is none."""
    if not buttons:
        return ""
    columns = {name: [] for name in buttons}
    words = (f"{name!r}: st.column_config.ButtonColumn(key={key.lstrip('$')!r})" for name, key in buttons.items())
    return f"{place}.dataframe(pyarrow.table({columns!r}), column_config={{{', '.join(words)}}})"


def mover(at) -> Callable[[int], None]:
    """Moves a slider to its neighbour and back: the sidebar's first, else the page's; without one nothing moves."""
    sliders = [*at.sidebar.slider, *at.sidebar.select_slider, *at.slider, *at.select_slider]
    first = next((one for one in sliders if not isinstance(one.value, tuple | list)), None)
    if first is None:
        return lambda number: None
    if first.type == "select_slider":
        kind_of = type(first.value)  # what the script gets is a number; the options are how it is written
        start, other = (o if kind_of is str else kind_of(float(o.replace(",", ""))) for o in first.options[:2])
    else:
        start = first.value
        step = first.step or (first.max - first.min) / 20
        other = type(start)(start + step if start + step <= first.max else start - step)

    def move(number: int) -> None:
        found = [slider for slider in (*at.slider, *at.select_slider) if slider.key == first.key]
        if found:
            found[0].set_value(other if number % 2 == 0 else start)

    return move


async def quiet(server: Server) -> None:
    """Wait until a server has nothing left to do: after its start it imports what its pages will need."""
    while True:
        before = processor_s(server.pid)
        await asyncio.sleep(1)
        if processor_s(server.pid) - before < 0.02:
            return


async def cost(viewer: Viewer, server: Server, name: str, moves: int) -> float:
    """Processor seconds of the server for a move of a slider, or for a plain rerun: the mean of many.

    The kernel counts a process's time in hundredths of a second, which one move does not fill; of each thread it counts
    more finely, but a script's thread is gone, with its count, when the script has run.
    """
    before = processor_s(server.pid)
    for number in range(moves):
        if name in viewer.stops:
            await viewer.choose(name, viewer.stops[name][number % 2])
        else:
            await viewer.move(name) if name in viewer.sliders else await viewer.look()
        await asyncio.sleep(0.02)  # what is done after the page has been sent
    return (processor_s(server.pid) - before) / moves


async def measure(page: str, app: Server, bare: Server, reruns: int) -> dict[str, float]:
    """Milliseconds of a moved slider on a page and on its bare twin; in turns, as what else goes on changes."""
    async with Viewer(app.url, "" if page == "home" else page) as ours, Viewer(bare.url, "") as beside:
        await ours.open()
        await beside.open()
        await quiet(app)
        names, others = ([*viewer.sliders, *viewer.stops] or [""] for viewer in (ours, beside))
        pairs = list(zip(names, itertools.cycle(others), strict=False))
        each, twins = [], []
        for name, other in pairs:
            for moves in (2, reruns):  # the first two may still fill caches
                pair = await cost(ours, app, name, moves), await cost(beside, bare, other, moves)
            each.append(1000 * pair[0])
            twins.append(1000 * pair[1])
        dearest = 0.0
        for _, (name, other) in sorted(zip(each, pairs, strict=True))[-3:]:
            dearest = max(dearest, 1000 * await cost(ours, app, name, reruns))
            twins.append(1000 * await cost(beside, bare, other, reruns))
        assert not ours.errors and not beside.errors, (ours.errors, beside.errors)
    floor = statistics.median(twins)
    return {"ms": dearest, "easiest": min(*each, dearest), "twin": floor, "ratio": dearest / floor}


@contextlib.contextmanager
def served_twin(page: str) -> Iterator[Server]:
    """The page's bare twin, on a server of its own."""
    from tests.pages.conftest import open_page

    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "twin.py"
        script.write_text(twin(open_page(page)))
        with serve(Path(folder), script=script, PYTHONPATH=str(paths.REPOSITORY)) as server:
            yield server


def profile(page: str) -> None:
    """Print what a rerun of a page spends its time in."""
    from streamlit.runtime.scriptrunner import script_runner

    from tests.pages.conftest import open_page

    at = open_page(page)
    move = mover(at)
    at.run()
    watched, real = cProfile.Profile(), script_runner.exec_func_with_error_handling

    def running(*args, **kwargs):
        watched.enable()
        try:
            return real(*args, **kwargs)
        finally:
            watched.disable()

    script_runner.exec_func_with_error_handling = running
    for number in range(6):
        move(number)
        at.run()
    pstats.Stats(watched).sort_stats("cumulative").print_stats(70)


def main() -> None:
    """Measure and print one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    parser.add_argument("--reruns", type=int, default=40)
    parser.add_argument("--profile", metavar="PAGE", choices=PAGES)
    parser.add_argument("pages", nargs="*", default=PAGES)
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as home:
        os.environ["EXPLORER_HOME"] = home
        if options.profile:
            profile(options.profile)
            return
        found = {}
        with serve(Path(home)) as app:
            for page in options.pages:
                with served_twin(page) as bare_page:
                    found[page] = asyncio.run(measure(page, app, bare_page, options.reruns))
    slowest = max(found, key=lambda page: found[page]["ratio"])
    result = {"ratio": round(found[slowest]["ratio"], 3), "slowest": slowest}
    result |= {page: {name: round(value, 2) for name, value in row.items()} for page, row in found.items()}
    print(json.dumps(result) if options.json else "\n".join(f"{name}: {value}" for name, value in result.items()))


if __name__ == "__main__":
    main()
