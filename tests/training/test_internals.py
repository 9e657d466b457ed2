"""Torch's private parts are still where explorer/training/internals.py looks for them."""

import pytest
import torch

from explorer.training.internals import take_step


def test_training_does_not_wait_for_a_compiler_it_never_uses(programs) -> None:
    code = (
        "import sys, torch; from explorer.training.optimisers import make_optimiser\n"
        "from explorer.training.internals import take_step\n"
        "from explorer.experiment import Experiment\n"
        "p = torch.nn.Linear(2, 1)\n"
        "for name in ('adam', 'adamw', 'sgd', 'nesterov'):\n"
        "    o = make_optimiser(p, Experiment.of('gru', optimiser=name), torch.device('cpu'))\n"
        "    p(torch.ones(2)).sum().backward(); take_step(o); o.zero_grad(); o.load_state_dict(o.state_dict())\n"
        "assert 'torch._dynamo' not in sys.modules\n"
    )
    done = programs.run("-c", code)
    assert done.returncode == 0, done.stderr


def test_several_processes_do_not_wait_for_it_either_and_a_version_that_asks_it_more_gets_it(
    programs, tmp_path
) -> None:
    code = (
        "import sys, torch, torch.distributed as dist; from types import SimpleNamespace as Some\n"
        "from explorer.training.internals import in_parallel\n"
        "from torch.nn.parallel import DistributedDataParallel as Parallel\n"
        "dist.init_process_group('gloo', init_method='file://' + sys.argv[1], rank=0, world_size=1)\n"
        "for net in (torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)):\n"
        "    in_parallel(net, None)(torch.ones(3, 2)).sum().backward()\n"
        "    assert net.weight.grad.tolist() == [[3, 3]]\n"
        "assert 'torch._dynamo' not in sys.modules and '_dynamo' not in vars(torch)\n"
        "real = Some(more=1, utils=Some(get_optimize_ddp_mode=lambda: 'ddp_optimizer'))\n"
        "begin, asked = Parallel.__init__, []\n"
        "torch.__getattr__ = lambda name: asked.append(name) or real\n"
        "Parallel.__init__ = lambda *words, **how: torch._dynamo.more and begin(*words, **how)\n"
        "assert isinstance(in_parallel(torch.nn.Linear(2, 1), None), Parallel) and {*asked} == {'_dynamo'}\n"
    )
    done = programs.run("-c", code, str(tmp_path / "meeting"))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD])
def test_a_step_is_the_optimisers_own_with_its_hooks(kind):
    ours, theirs = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    called = []
    first, second = kind([ours], lr=0.1), kind([theirs], lr=0.1)
    first.register_step_pre_hook(lambda *_: called.append("before"))
    first.register_step_post_hook(lambda *_: called.append("after"))
    for _ in range(3):
        ours.grad = theirs.grad = torch.full((3,), 0.5)
        take_step(first)
        second.step()
    assert torch.equal(ours, theirs) and called == ["before", "after"] * 3
