"""A bookmark: everything that decides how a run goes on, as plain data in a file.

Weights, the optimiser's averages, every random state the run owns, the hidden state, the place in the epoch, and how
far the recorded curve goes with it. A run continued from one equals an uninterrupted run bit for bit, on the same kind
of device with as many threads and the same torch.
"""

import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from explorer.data import Source, SourceKind
from explorer.errors import OtherDataError, WeightsError
from explorer.experiment import Experiment

if TYPE_CHECKING:
    from explorer.training.learner import Learner

FORMAT = "explorer-bookmark-1"


@dataclass(frozen=True)
class Bookmark:
    """Where a run stands between two steps."""

    experiment: Experiment
    learner: dict[str, Any]  #: :meth:`Learner.capture`
    source: Source
    device: str  #: its type: "cpu", "cuda"
    marks: int  #: of the history, by then
    run_seconds: float  #: spent running, pauses left out
    live: dict[str, float]  #: live settings changed by then
    torch: str = ""  #: its version

    @classmethod
    def of(
        cls, learner: "Learner", experiment: Experiment, marks: int, run_seconds: float, live: dict[str, float]
    ) -> "Bookmark":
        """Where the learner stands; only between two steps, in the thread that trains."""
        import torch

        state, kind, version = learner.capture(), learner.device.type, str(torch.__version__)
        return cls(experiment, state, learner.data.source, kind, marks, run_seconds, live, version)

    @property
    def step(self) -> int:
        """Optimiser steps done."""
        return int(self.learner["place"][0])

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return int(self.learner["place"][1])

    def put_back(self, learner: "Learner") -> None:
        """Make a fresh learner of the same experiment stand there.

        Raises:
            OtherDataError: it has other data, or another kind of device, than the run had.
            WeightsError: it is another model.
        """
        here = learner.data.source
        if (here.name, here.checksum) != (self.source.name, self.source.checksum):
            raise OtherDataError(
                f"This run learnt from other data ({self.source.name}) than what is here ({here.name}). It can only be "
                "continued on the same; put them back, or start a new run."
            )
        if learner.device.type != self.device:
            raise OtherDataError(
                f"This run was on {self.device.upper()}, and here is {learner.device.type.upper()}. "
                f"Continue it where it was: set EXPLORER_DEVICE={self.device}, or start a new run from its weights."
            )
        try:
            learner.restore(self.learner)
        except (RuntimeError, KeyError, ValueError, TypeError) as error:
            raise WeightsError(
                "This run's bookmark does not fit its settings. Start the run again.", repr(error)
            ) from error

    def to_bytes(self) -> bytes:
        """As a file's content."""
        import torch

        words = {name: value for name, value in vars(self).items() if name not in ("experiment", "source")}
        plain = {
            "format": FORMAT,
            "experiment": self.experiment.to_json(),
            "source": json.dumps(asdict(self.source)),
            **words,
        }
        out = io.BytesIO()
        torch.save(plain, out)
        return out.getvalue()


def read(path: Path) -> Bookmark:
    """The bookmark in a file. It is data only: nothing in it is run.

    Raises:
        WeightsError: missing, damaged, or not one of ours.
    """
    import pickle

    import torch

    if not path.exists():
        raise WeightsError("This run left nothing to continue from. Start it again, or go on from its weights.")
    try:
        plain = torch.load(path, map_location="cpu", weights_only=True)
        if plain.pop("format") != FORMAT:
            raise ValueError("another format")
        experiment, source = Experiment.from_json(plain.pop("experiment")), json.loads(plain.pop("source"))
        source = Source(**source | {"kind": SourceKind(source["kind"])})
        return Bookmark(experiment, source=source, **plain)
    except (
        OSError,
        RuntimeError,
        pickle.UnpicklingError,
        EOFError,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
    ) as error:
        raise WeightsError(
            "What this run left to continue from is damaged. Start it again, or go on from its weights.", repr(error)
        ) from error
