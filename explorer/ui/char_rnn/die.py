"""Ten bars, a temperature that reshapes them while it is dragged, and a die: in the browser, without asking the server.

The arithmetic is that of :meth:`explorer.models.next_character.Next.shares`; a browser test holds the two together.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import streamlit as st

from explorer.ui import state

if TYPE_CHECKING:
    from explorer.models.next_character import Next

SHOWN = 10

_JS = """
const round = value => Math.abs(value) >= 1e4 || (value && Math.abs(value) < 1e-3)
    ? value.toExponential(1) : value.toFixed(value < 10 ? 3 : 1);
export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".x-die"), find = name => root.querySelector("." + name);
  const { letters, logits, shown } = data, slider = find("heat");
  const body = find("rows"), strip = find("strip"), said = find("said"), append = find("append");
  let shares = [], drawn = null, throws = {};
  body.replaceChildren(...letters.slice(0, shown).map(letter => {
    const row = document.createElement("tr");
    row.innerHTML = "<th></th><td></td><td></td><td></td><td class='bar'><i></i><b></b></td>";
    row.firstChild.textContent = letter;
    return row;
  }));
  strip.replaceChildren(...letters.map((letter, i) => {
    const part = document.createElement("i");
    part.title = letter; part.textContent = i < shown ? letter : "";
    return part;
  }), Object.assign(document.createElement("u"), {}));
  function reshape() {
    const heat = Number(slider.value), top = logits[0] / heat;
    const powers = logits.map(logit => Math.exp(logit / heat - top)), sum = powers.reduce((a, b) => a + b);
    shares = powers.map(power => power / sum);
    find("degrees").value = heat.toFixed(2);
    [...body.children].forEach((row, i) => {
      const [, logit, scaled, power, bar] = row.children;
      logit.textContent = logits[i].toFixed(2);
      scaled.textContent = (logits[i] / heat).toFixed(2);
      power.textContent = round(powers[i]);
      bar.firstChild.style.width = 100 * shares[i] + "%";
      bar.lastChild.textContent = (100 * shares[i]).toFixed(1) + " %"
          + (throws[i] ? `  ·  drawn ${throws[i]} ×` : "");
      row.classList.toggle("drawn", i === drawn);
    });
    shares.forEach((share, i) => {
      strip.children[i].style.width = 100 * share + "%";
      strip.children[i].style.fontSize = share < 0.03 ? "0" : "";
    });
  }
  slider.oninput = () => { throws = {}; drawn = null; mark(); reshape(); };
  function mark(at) {
    strip.lastChild.style.display = at === undefined ? "none" : "block";
    if (at !== undefined) strip.lastChild.style.left = 100 * at + "%";
    append.disabled = at === undefined;
    if (at === undefined) said.textContent = "Nothing drawn yet.";
  }
  find("throw").onclick = () => {
    const at = Math.random();
    let left = 0;
    drawn = shares.findIndex(share => (left += share) > at);
    if (drawn < 0) drawn = shares.length - 1;
    throws[drawn] = (throws[drawn] ?? 0) + 1;
    mark(at);
    const times = Object.values(throws).reduce((a, b) => a + b);
    said.textContent = `The die shows ${at.toFixed(3)}: that is in the share of “${letters[drawn]}”.`
        + (times > 1 ? ` Throw ${times}.` : "");
    reshape();
  };
  append.onclick = () => drawn !== null && setTriggerValue("drawn", drawn);
  mark(); reshape();
}
"""

_HTML = """<div class="x-die">
<label>Temperature <input class="heat" type="range" min="0.1" max="2" step="0.05" value="1">
<output class="degrees">1.00</output></label>
<table><thead><tr><th>next</th><td>logit</td><td>÷ T</td><td>e^(÷T − max)</td><td class="bar">softmax: its share</td>
</tr></thead><tbody class="rows"></tbody></table>
<div class="strip" role="img" aria-label="All shares side by side, from 0 to 1"></div>
<div class="act"><button class="throw" type="button">Draw one</button>
<button class="append" type="button" disabled>Append</button>
<span class="said" aria-live="polite"></span></div></div>"""

_CSS = """.x-die { font-variant-numeric: tabular-nums; max-width: 54rem; }
.x-die label { display: flex; gap: .7rem; align-items: center; font-size: .9rem; }
.x-die .heat { flex: 1; max-width: 22rem; accent-color: var(--st-primary-color); }
.x-die table { width: 100%; border-collapse: collapse; margin: .5rem 0 .7rem; font-size: .88rem; }
.x-die td, .x-die th { padding: .16rem .5rem; text-align: right; white-space: nowrap; border: 0; }
.x-die th { text-align: center; width: 2.6rem; }
.x-die thead * { font-weight: 400; opacity: .8; font-size: .8rem; }
.x-die tbody th { font: 600 1.02rem var(--st-code-font); }
.x-die .bar { position: relative; width: 52%; text-align: left; }
.x-die tbody .bar i { position: absolute; left: .5rem; top: 14%; height: 72%; border-radius: .25rem; opacity: .38;
  background: #3D7DC8; max-width: calc(100% - .5rem); transition: width .12s; }
.x-die tbody .bar b { position: relative; font-weight: 500; padding-left: .4rem; white-space: pre; }
.x-die tr.drawn .bar i { background: #C9690F; opacity: .6; }
.x-die tr.drawn th { color: #C9690F; }
.x-die .strip { position: relative; display: flex; height: 1.7rem; border-radius: .35rem; margin: .2rem 0 .8rem; }
.x-die .strip i { overflow: hidden; font: normal .85rem/1.7rem var(--st-code-font); text-align: center;
  background: rgba(61,125,200,.24); box-shadow: inset -1px 0 var(--st-background-color); transition: width .12s; }
.x-die .strip i:nth-child(even) { background: rgba(61,125,200,.42); }
.x-die .strip u { position: absolute; top: -.3rem; bottom: -.3rem; width: 3px; margin-left: -1px; background: #C9690F; }
.x-die .act { display: flex; flex-wrap: wrap; gap: .6rem; align-items: center; font-size: .9rem; }
.x-die button { font: inherit; color: inherit; background: transparent; border: 1px solid var(--st-border-color);
  border-radius: 99px; padding: .35rem 1rem; cursor: pointer; }
.x-die button.throw { background: var(--st-primary-color); color: var(--st-background-color);
  border-color: transparent; }
.x-die button:disabled { opacity: .45; cursor: default; }
@media (max-width: 640px) { .x-die td:nth-child(4) { display: none; } .x-die .bar { width: 60%; } }"""


@cache
def _component() -> Callable[..., object]:
    return st.components.v2.component("explorer_die", html=_HTML, css=_CSS, js=_JS, isolate_styles=False)


def show(found: "Next", names: Sequence[str], key: str, append: Callable[[str], None]) -> None:
    """The bars and the die; ``append`` is called with the character that the visitor drew and wants to keep.

    Args:
        found: what may follow.
        names: how each of its characters is shown.
        key: names the element.
    """
    order = found.order()

    def changed() -> None:
        if (drawn := state.trigger(key, "drawn")) is not None:
            append(found.characters[order[int(str(drawn))]])

    _component()(
        key=key,
        data={
            "letters": [names[i] for i in order],
            "logits": [round(float(found.logits[i]), 6) for i in order],
            "shown": min(SHOWN, len(order)),
        },
        on_drawn_change=changed,
        height="content",
    )
