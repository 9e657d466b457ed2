"""The page's own link, to be copied, or photographed off a projector."""

import functools
import ipaddress
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit, urlunsplit

import streamlit as st

from explorer.ui import parts, state

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

ANYBODY = (None, "", "0.0.0.0", "::")  # a server that listens to every network it is in
_JS = """
export default function ({ parentElement, data }) {
  const button = parentElement.querySelector("button");
  button.onclick = async () => {
    try { await navigator.clipboard.writeText(data.link); }
    catch {  // without https a browser gives no clipboard
      const box = document.createElement("textarea");
      box.value = data.link;
      button.after(box); box.select(); document.execCommand("copy"); box.remove();
    }
    button.textContent = "Copied";
    setTimeout(() => button.textContent = "Copy link", 2000);
  };
}
"""
_CSS = """button { font: inherit; width: 100%; padding: .45rem 1rem; border: 0; cursor: pointer;
  border-radius: 999px; color: light-dark(#FFF, #111722); background: var(--st-primary-color); }"""


@functools.cache
def _component() -> Callable[..., object]:
    return st.components.v2.component(
        "explorer_copy", html='<button type="button">Copy link</button>', css=_CSS, js=_JS
    )


def button(place: "DeltaGenerator") -> None:
    """A button; below it, once pressed, the link as a QR code, as text, and to be copied.

    Args:
        place: beside the teacher's switch; in the teacher's view, which has no sidebar, it is in the header instead.
    """
    with st.container(key="explorer-share") if state.teacher() else place:
        fold = st.popover("Share", icon=":material/qr_code_2:", key="share", on_change="rerun")
        if fold.open:
            with fold:
                _card(*link(st.context.url or "", st.query_params.to_dict()))


def _card(address: str, note: str) -> None:
    if drawn := code(address):
        parts.drawing(drawn)
    else:
        st.caption("This link is too long for a QR code: share it as text.")
    st.code(address, language=None, wrap_lines=True)
    _component()(key=state.key("share", "copy"), data={"link": address}, height="content")
    st.caption(note or "Opens this very page, set as it is now.")


def link(url: str, query: dict[str, str]) -> tuple[str, str]:
    """The page's whole link for somebody else, and what there is to say about it.

    Args:
        url: of the page, as the visitor's browser has it.
        query: what the address says beyond it.
    """
    note, parted = "", urlsplit(url)
    if _is_here(parted.hostname or ""):
        bound = st.get_option("server.address")
        if bound in ANYBODY and (found := network_address()):
            parted = parted._replace(netloc=f"{found}:{parted.port}" if parted.port else found)
            note = f"You are at {urlsplit(url).hostname}; others in your network reach this computer as {found}."
        else:
            note = "This server answers this computer only. Start it with `--server.address 0.0.0.0` for others."
    return urlunsplit(parted._replace(query=urlencode(query))), note


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def network_address() -> str | None:
    """This computer's address in its network; None without one. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address for examples: it only chooses the way out
        except OSError:
            return None
        return str(probe.getsockname()[0])


@functools.lru_cache(maxsize=64)
def code(address: str) -> str:
    """A QR code as SVG, black on white on any page, of any size; "" for more than one holds, some 2,300 bytes."""
    import segno

    try:
        made = segno.make(address, error="m", micro=False)
    except segno.DataOverflowError:
        return ""
    drawn = made.svg_inline(scale=1, border=3, light="#fff", omitsize=True)
    return f'<div class="explorer-qr" role="img" aria-label="QR code of this page’s link">{drawn}</div>'
