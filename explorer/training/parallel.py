"""Data-parallel training: several processes, each with the whole model and a part of every batch.

    group = join()                                    # in each process that torchrun began
    learner = Shared(model, data, experiment, device, group)
    learner.follow(plan)                              # in all but the first: do what the first does
    for event in learner.steps(plan): ...             # in the first, which decides, validates and records
    learner.dismiss()

Every process draws the same batches from the same generator and takes its own part of each: a language batch, (time,
column), is cut between columns, whose hidden states stay where they are; pictures are cut along the batch. Gradients
are averaged over all, so that a step is that of the whole batch, whatever their number; clipping sees the average.
BatchNorm needs a decision, for its statistics are of a batch: ``SYNC`` takes them over all parts, which is what one
process does; ``SHARD`` over each part alone, which costs no exchange and is another network.
"""

import functools
import os
from collections.abc import Sequence
from dataclasses import replace
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from explorer.data import Batch, Data
from explorer.errors import ExplorerError, SettingsError, out_of_memory
from explorer.experiment import Norm
from explorer.models.batchnorm import BnLayer
from explorer.models.char_rnn import State
from explorer.training.internals import in_parallel
from explorer.training.learner import Learner, Step
from explorer.training.schedules import MOMENTUM, Plan

if TYPE_CHECKING:
    from explorer.experiment import Experiment

T = TypeVar("T")


class Statistics(StrEnum):
    """Over what BatchNorm takes its statistics."""

    SYNC = "sync"  #: the whole batch
    SHARD = "shard"  #: each process its own part


class Word(IntEnum):
    """What the first process tells the others to do next."""

    TRAIN = 0  #: the next event of the plan: a step or a validation
    CAPTURE = 1
    RESTORE = 2
    END = 3


class Lost(ExplorerError):
    """Another process of the group has ended."""


class Group:
    """The processes that train one model together. The first, of rank 0, leads."""

    def __init__(self) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.leads = self.rank == 0
        self.part = 1 / self.size  #: of the present batch that is this process's
        self._words: Any = dist.new_group(backend="gloo")  # on the host: no step waits for the device

    def leave(self) -> None:
        """In good order, all at their end: a process that ends with the group's threads at work may be aborted."""
        dist.destroy_process_group()

    def say(self, word: Word) -> None:
        """Tell the others what is next; they wait for it."""
        if self.leads:
            self._pass_on(torch.tensor([word]))

    def hear(self) -> Word:
        """What is next."""
        word = torch.empty(1, dtype=torch.long)
        self._pass_on(word)
        return Word(int(word))

    def _pass_on(self, word: Tensor) -> None:
        dist.broadcast(word, 0, self._words)

    def from_first(self, thing: T) -> T:
        """What the first process has there, in all of them."""
        things = [thing]
        dist.broadcast_object_list(things, 0, self._words)
        return things[0]

    def gather(self, thing: T) -> list[T]:
        """What each has there, by rank, in all of them."""
        things: list[Any] = [None] * self.size
        dist.all_gather_object(things, thing, self._words)
        return things

    def share(self, batch: Batch, axis: int) -> Batch:
        """This process's part of a batch; all of one that is too small to be cut. ``axis``: along which ``x`` is."""
        whole = batch.y.shape[-1]
        if whole < self.size:
            self.part = 1 / self.size  # the same step everywhere
            return batch
        x, y = (self.mine(tensor, at) for tensor, at in ((batch.x, axis), (batch.y, -1)))
        self.part = y.shape[-1] / whole
        return Batch(x, y, batch.start)

    def mine(self, tensor: Tensor, axis: int) -> Tensor:
        """This process's part of a tensor."""
        return tensor.tensor_split(self.size, axis)[self.rank]

    def sum(self, tensor: Tensor) -> Tensor:
        """Over all processes, with gradients."""
        return _Sum.apply(tensor)  # type: ignore[no-any-return]  # torch's stub has no types


class _Sum(torch.autograd.Function):
    """A sum over all processes: what changes in one changes the sum in every one."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Sum.forward(ctx, gradients[0])


def join() -> Group:
    """Meet the other processes that torchrun began: over NCCL on CUDA, a device each; else over gloo on the CPU.

    Raises:
        SettingsError: there are fewer devices than processes on this machine.
    """
    wanted, own = os.environ.get("EXPLORER_DEVICE", ""), f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    cuda = torch.cuda.is_available() and wanted.partition(":")[0] in ("", "cuda")
    os.environ["EXPLORER_DEVICE"] = own if cuda else "cpu"
    if cuda:
        there, here = torch.cuda.device_count(), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        if here > there:
            gpus = "is one GPU" if there == 1 else f"are {there} GPUs"
            raise SettingsError(
                f"{here} processes were begun on this machine and each needs a GPU of its own, but there {gpus}. "
                f"Take --nproc-per-node={there}, or set EXPLORER_DEVICE=cpu."
            )
        torch.cuda.set_device(own)
    dist.init_process_group("nccl" if cuda else "gloo")
    return Group()


def check(experiment: "Experiment", size: int) -> None:
    """That every process gets as much of each batch.

    Raises:
        SettingsError: they do not; says which batch sizes would.
    """
    batch = experiment.batch_size
    if over := batch % size:
        fitting = " or ".join(str(other) for other in (batch - over, batch - over + size) if other)
        raise SettingsError(
            f"A batch of {batch} cannot be cut into {size} equal parts. Take --batch-size {fitting}, or another number "
            "of processes."
        )


class Shared(Learner):
    """A learner in each process of a group. The first is driven like any other; the others follow it.

    Raises:
        SettingsError: a batch cannot be cut so, or this BatchNorm cannot be taken over all processes here.
    """

    def __init__(
        self,
        model: nn.Module,
        data: Data,
        experiment: "Experiment",
        device: torch.device,
        group: Group,
        statistics: Statistics = Statistics.SYNC,
    ) -> None:
        check(experiment, group.size)
        own_masks = experiment.replace(seed=(experiment.seed + group.rank) % 2**31)
        super().__init__(model, data, own_masks, device)
        self.generator.manual_seed(experiment.seed)  # the batches are the same in all, the dropout masks are not
        self.epoch_began = self.generator.get_state()
        self.group = group
        self.axis = 1 if self.recurrent else 0
        self.company = f"{group.size} processes"
        if has_statistics(self.model):
            self.company += f", BatchNorm over {_WORDS[statistics]}"
            if statistics == Statistics.SYNC:
                synchronise(self.model, group, device)
        self.passing = in_parallel(self.model, [device] if device.type == "cuda" else None)

    def follow(self, plan: Plan) -> None:
        """Do what the first process does, until it dismisses this one."""
        events = self.steps(plan)
        while (word := self.group.hear()) != Word.END:
            if word == Word.CAPTURE:
                self.capture()
            elif word == Word.RESTORE:
                self.restore({})
                events = self.steps(plan)
            else:
                next(events, None)

    def dismiss(self) -> None:
        """The others need not wait any more: this process is done."""
        self.group.say(Word.END)

    def train_batch(self, batch: Batch, lr: float, momentum: float = MOMENTUM) -> Step:
        """One optimiser step, the same in every process; its loss is that of the whole batch.

        Raises:
            Lost: another process has ended.
        """
        try:
            self.group.say(Word.TRAIN)
            step = super().train_batch(self.group.share(batch, self.axis), lr, momentum)
            return replace(step, loss=self.group.sum(step.loss) / self.group.size)
        except RuntimeError as error:
            if out_of_memory(error) or not any(word in str(error) for word in _LOST):
                raise
            raise Lost(
                "Another process of this run has ended. torchrun --max-restarts=3 would begin them all again, from the "
                "run's bookmark.",
                str(error),
            ) from error

    def loss(self, batch: Batch) -> Tensor:
        """Weighted, so that the average over all processes is the whole batch's mean."""
        return super().loss(batch) * (self.group.part * self.group.size)

    def evaluate(self) -> tuple[float, float]:
        """The first process validates, with its bare model; the others hear what came out."""
        self.group.say(Word.TRAIN)
        return self.group.from_first(super().evaluate() if self.group.leads else (0.0, 0.0))

    def capture(self) -> dict[str, Any]:
        """As one process would have it: the hidden states of all columns. Only the first gets anything."""
        self.group.say(Word.CAPTURE)
        drawn, cudnn = self.masks.get_state()
        parts = self.group.gather((_on_host(self.state), (drawn.cpu(), _on_host(cudnn))))
        if not self.group.leads:
            return {}
        states, masks = zip(*parts, strict=True)
        return {**super().capture(), "state": _together(states), "masks of all": list(masks)}

    def restore(self, captured: dict[str, Any]) -> None:
        """Go to what the first process gives, of one process or of any number; each takes its own part."""
        self.group.say(Word.RESTORE)
        captured = self.group.from_first(captured)
        masks = captured.get("masks of all", [captured["masks"]])
        if self.group.rank < len(masks):  # of more processes than there were the new ones keep their own
            captured = {**captured, "masks": masks[self.group.rank]}
        else:
            captured = {**captured, "masks": self.masks.get_state()}
        super().restore({**captured, "state": self._own(captured["state"])})

    def _own(self, state: State) -> State:
        """This process's columns."""
        if isinstance(state, tuple):
            h, c = (self.group.mine(part, _COLUMNS).contiguous() for part in state)
            return h, c
        return None if state is None else self.group.mine(state, _COLUMNS).contiguous()


_COLUMNS = -2  # the axis of a hidden state, (…, batch, hidden), that is the batch
_LOST = ("gloo", "NCCL", "Connection closed", "Connection reset")  # in what torch says then
_WORDS = {Statistics.SYNC: "the whole batch", Statistics.SHARD: "each one's part"}


def _on_host(state: State) -> State:
    if isinstance(state, tuple):
        return state[0].cpu(), state[1].cpu()
    return None if state is None else state.cpu()


def _together(states: Sequence[Any]) -> State:
    """The columns of all processes side by side."""
    if isinstance(states[0], tuple):
        h, c = (torch.cat(part, _COLUMNS) for part in zip(*states, strict=True))
        return h, c
    return None if states[0] is None else torch.cat([*states], _COLUMNS)


# -- BatchNorm -----------------------------------------------------------------------------------------


def has_statistics(model: nn.Module) -> bool:
    """Whether a model normalises by a batch's statistics."""
    return any(isinstance(module, BnLayer) and module.norm != Norm.NONE for module in model.modules())


def synchronise(model: nn.Module, group: Group, device: torch.device) -> None:
    """Let every BatchNorm of a model take its statistics over all processes.

    Raises:
        SettingsError: PyTorch's own can do so on GPUs only.
    """
    for module in model.modules():
        if not isinstance(module, BnLayer) or module.norm == Norm.NONE:
            continue
        if module.norm == Norm.TORCH and device.type != "cuda":
            raise SettingsError(
                "PyTorch's BatchNorm is synchronised on GPUs only. Take --norm running, which is the same by hand, or "
                "--batchnorm shard."
            )
        if module.norm == Norm.TORCH:
            module.bn = nn.SyncBatchNorm.convert_sync_batchnorm(module.bn)  # type: ignore[no-untyped-call]  # torch's stub has no types
        else:
            module.statistics = functools.partial(statistics_of_all, module, group)  # type: ignore[method-assign]


def statistics_of_all(layer: BnLayer, group: Group, rows: Tensor) -> tuple[Tensor, Tensor]:
    """``BnLayer.statistics`` with every sum over all processes."""
    n = round(len(rows) / group.part)
    mean = group.sum(rows.sum(0)) / n
    variance = group.sum((rows - mean.detach()).square().sum(0)) / n
    return layer.remember(mean, variance, n)
