"""What one visitor may learn from, and take of a server with a sweep: its cells, their weights, each one's time."""

from collections import Counter

from explorer import limits
from explorer.data import text
from explorer.errors import DataError, SettingsError
from explorer.experiment import Experiment
from explorer.runs import estimate
from explorer.runs.sweeps import Plan, alike
from explorer.runs.train import CYCLES
from explorer.store.store import Store
from explorer.training import memory
from explorer.training.schedules import cycle_ends


def check(plan: Plan, store: Store, owner: str) -> None:
    """That ``owner`` may begin a sweep from a page.

    Raises:
        SettingsError: it is more than the limits say, or a cell would not fit into memory; says what to do instead.
        DataError: a text cannot be used, or is another visitor's own.
    """
    allowed, experiments = limits.now(), [cell.experiment for cell in plan.cells]
    if (count := len(experiments)) > (most := allowed.sweep_cells):
        raise SettingsError(
            f"These axes make {count:,} cells; on this server a sweep from a page has {most:,} at most. "
            "Take fewer values or seeds."
        )
    for experiment in {alike(experiment) for experiment in experiments}:
        ask(experiment, owner)
        memory.ask(experiment)
    if (room := allowed.disk_mb) and (size := weights(experiments) / 1e6) > room:
        raise SettingsError(
            f"The weights of these cells would take about {size:,.0f} MB, and one visitor keeps {room:,} MB here: the "
            "first cells' would be gone before the last has run. Take fewer cells or a smaller network."
        )
    longest = max(estimate.each(experiments, store), default=0.0)
    if allowed.run_minutes and longest > 60 * allowed.run_minutes:
        raise SettingsError(
            f"One of these cells would take about {longest / 60:,.0f} minutes, and a run ends after "
            f"{allowed.run_minutes:,} here. Take fewer epochs or a smaller network."
        )


def ask(experiment: Experiment, owner: str) -> None:
    """That ``owner`` may learn from an experiment's data.

    Raises:
        DataError: it is a text that another visitor brought.
    """
    if not text.may_see(experiment.data, owner):
        raise DataError("This text is another visitor's own, which only they see. Choose another one.")


def weights(experiments: list[Experiment]) -> int:
    """Bytes of the weights that cells leave: of the best epoch, the last step, and the ends of cycles."""
    total = 0
    for experiment, count in Counter(each.replace(seed=0, lr=1e-3) for each in experiments).items():
        total += count * memory.of_weights(experiment) * (2 + min(CYCLES, len(cycle_ends(experiment))))
    return total
