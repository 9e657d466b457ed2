"""What stands beside a run: the lecture's number, if the two can be compared, and the settings of another run."""

from dataclasses import dataclass

from explorer.experiment import Experiment, settings_of
from explorer.ladders import Reference
from explorer.store.history import EpochRow

ALL_PICTURES = 40_000
MEANT = 0.0005  #: a smaller difference is none


@dataclass(frozen=True)
class Compared:
    """A sentence's part, and whether ours is the better one; None where that cannot be said."""

    text: str
    better: bool | None = None


def of(experiment: Experiment, row: EpochRow, source: str = "real") -> Compared | None:
    """A run's last validation beside the lecture's at the same epoch; None where the lecture printed nothing.

    Args:
        experiment: what was trained.
        source: the kind of data it was trained on, see :class:`explorer.data.Source`.
    """
    figures = [figure for figure in experiment.rung.figures if figure.metric == experiment.rung.metric]
    if not figures:
        return None
    if unlike := _other_data(experiment, source):
        return Compared(f"not comparable: {', '.join([*unlike, _epochs(row.epoch)])}")
    for figure in figures:
        theirs = _at(figure, row.epoch)
        if theirs is not None:
            return _difference(experiment.rung.metric, row, theirs, figure.source)
    nearest = min(figures, key=lambda figure: abs(figure.epochs - row.epoch))
    return Compared(f"{nearest.source}: {_value(nearest)} after {_epochs(nearest.epochs)}")


def unlike(experiment: Experiment, other: Experiment) -> list[str]:
    """In words, the settings in which one experiment differs from another of its rung, whatever the seed."""
    return [
        f"{setting.label.lower()} {_word(getattr(experiment, setting.name))}"
        for setting in settings_of(experiment.rung)
        if setting.name != "seed"
        and getattr(experiment, setting.name) != getattr(other, setting.name)
        and (not setting.when or getattr(experiment, setting.when[0]) in setting.when[1])
    ]


def _word(value: object) -> str:
    """A setting's value as one would say it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _other_data(experiment: Experiment, source: str) -> list[str]:
    """What makes a run's data others than the lecture's."""
    if source != "real" or experiment.data != "auto":
        return ["other data"]
    found = []
    if not experiment.rung.is_language:
        found += [f"{experiment.images:,} pictures"] if experiment.images < ALL_PICTURES else []
        found += [f"{experiment.size} pixels a side"] if experiment.size != 32 else []
    found += ["line breaks kept"] if experiment.newlines else []
    found += ["every symbol"] if experiment.every_symbol else []
    return found


def _at(figure: Reference, epoch: int) -> float | None:
    """What was printed after an epoch, if it was."""
    if epoch == figure.epochs:
        return figure.value
    place = epoch - (figure.epochs - len(figure.curve) + 1)
    return figure.curve[place] if 0 <= place < len(figure.curve) else None


def _difference(metric: str, row: EpochRow, theirs: float, source: str) -> Compared:
    by_loss = metric == "val_loss"
    apart = (row.val_loss if by_loss else row.accuracy) - theirs
    if abs(apart) < MEANT:
        return Compared(f"as in the {source}")
    size = f"{apart:+.3f}" if by_loss else f"{100 * apart:+.1f} points"
    return Compared(f"{size} to the {source}".replace("-", "−"), (apart < 0) == by_loss)


def _value(figure: Reference) -> str:
    return f"{figure.value:.3f}" if figure.metric == "val_loss" else f"{figure.value:.1%}"


def _epochs(count: int) -> str:
    return f"{count} epoch{'' if count == 1 else 's'}"
