"""What the settings of a vision network say about its sizes: its stages' widths, and how the picture shrinks."""

from typing import TYPE_CHECKING

from explorer.errors import SettingsError

if TYPE_CHECKING:
    from explorer.experiment import Experiment

MOST_STAGES, WIDEST = 6, 1024


def parse_widths(text: str) -> list[int]:
    """``"20, 40, 80"`` → [20, 40, 80].

    Raises:
        SettingsError: not whole numbers between 1 and 1024, or more than six of them.
    """
    words = [word.strip() for word in str(text).split(",")]
    if not all(word.isascii() and word.isdigit() and 1 <= int(word[:9]) <= WIDEST for word in words):
        raise SettingsError(
            f"Widths must be whole numbers between 1 and {WIDEST} with commas between them, like 20,40,80; "
            f"not {str(text)[:60]!r}."
        )
    if len(words) > MOST_STAGES:
        raise SettingsError(f"Widths has {len(words)} stages; at most {MOST_STAGES} are possible.")
    return [int(word) for word in words]


def picture_sides(experiment: "Experiment") -> list[int]:
    """The picture's side in pixels: as given, after the stem if there is one, and after each stage.

    Empty for the fully connected net, which sees no picture.

    Raises:
        SettingsError: a stage would shrink the picture to nothing.
    """
    widths, key = parse_widths(experiment.widths), experiment.model
    if key == "simplenet":
        return []
    sides = [experiment.size]
    if stem := experiment.stem:
        padding = 1 if stem == 7 else stem // 2
        sides.append(sides[-1] + 2 * padding - stem + 1)
    padding = 0 if key == "convnet" else 1
    for number, _ in enumerate(widths, 1):
        side = (sides[-1] + 2 * padding - 3) // 2 + 1
        if sides[-1] == 1 or side < 1:
            way = " → ".join(str(s) for s in [*sides, 0])
            raise SettingsError(
                f"Stage {number} would shrink the picture to nothing ({way} pixels a side). "
                f"Use at most {number - 1} stages."
            )
        sides.append(side)
    return sides
