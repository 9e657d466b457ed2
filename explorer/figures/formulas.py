"""The cells' formulas, and the same with the numbers of one unit at one character, as LaTeX."""

from explorer.probes.gates import Worked

FORMULAS = {
    1: (r"h' = \tanh(W_{ih}\,x + b_{ih} + W_{hh}\,h + b_{hh})",),
    3: (
        r"r = \sigma(W_{ir}\,x + b_{ir} + W_{hr}\,h + b_{hr})",
        r"z = \sigma(W_{iz}\,x + b_{iz} + W_{hz}\,h + b_{hz})",
        r"n = \tanh\big(W_{in}\,x + b_{in} + r \odot (W_{hn}\,h + b_{hn})\big)",
        r"h' = n + z \odot (h - n)",
    ),
    4: (
        r"i = \sigma(W_{ii}\,x + b_{ii} + W_{hi}\,h + b_{hi})",
        r"f = \sigma(W_{if}\,x + b_{if} + W_{hf}\,h + b_{hf})",
        r"g = \tanh(W_{ig}\,x + b_{ig} + W_{hg}\,h + b_{hg})",
        r"o = \sigma(W_{io}\,x + b_{io} + W_{ho}\,h + b_{ho})",
        r"c' = f \odot c + i \odot g",
        r"h' = o \odot \tanh(c')",
    ),
}  #: by how many gates a cell has (a plain RNN: one)


def general(worked: Worked) -> list[str]:
    """The formulas of the cell, a line each."""
    return list(FORMULAS[len(worked.gates)])


def with_numbers(worked: Worked) -> list[str]:
    """The same lines with this unit's numbers: from below, from the state before, and the result."""
    lines = []
    for name, value in worked.gates.items():
        below, before = worked.given[name], worked.recurrent[name]
        if name == "n":
            inner = f"{below:.2f} + {worked.gates['r']:.2f} \\cdot ({before:.2f})"
        else:
            inner = f"{below:.2f} {_signed(before)}"
        function = r"\tanh" if name in "ngh" else r"\sigma"
        symbol = "h'" if name == "h" else name
        lines.append(f"{symbol} = {function}({inner}) = \\mathbf{{{value:.2f}}}")
    (h, after), gates = worked.h, worked.gates
    if len(gates) == 3:
        n, z = gates["n"], gates["z"]
        lines.append(f"h' = {n:.2f} + {z:.2f} \\cdot ({h:.2f} {_signed(-n)}) = \\mathbf{{{after:.2f}}}")
    if worked.c is not None:
        c, new = worked.c
        kept, taken = (f"{gates[a]:.2f} \\cdot ({b:.2f})" for a, b in (("f", c), ("i", gates["g"])))
        lines.append(f"c' = {kept} + {taken} = \\mathbf{{{new:.2f}}}")
        lines.append(f"h' = {gates['o']:.2f} \\cdot \\tanh({new:.2f}) = \\mathbf{{{after:.2f}}}")
    return lines


def aligned(lines: list[str]) -> str:
    """Lines of formulas, one below the other, aligned at their first sign of equality."""
    body = r" \\ ".join(line.replace(" = ", " &= ", 1) for line in lines)
    return r"\begin{aligned}" + body + r"\end{aligned}"


def _signed(value: float) -> str:
    return f"{'-' if value < 0 else '+'} {abs(value):.2f}"
