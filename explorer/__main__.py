"""The terminal: the same experiments, learner and data as the pages.

python -m explorer train gru --preset lecture
python -m explorer sweep gru --over lr=1e-4:1e-1:log:8 --over bptt=8,16,32 --seeds 3
python -m explorer evaluate gru --json
python -m explorer sample lstm --prompt "for thos" --length 400
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from explorer import commands, ladders
from explorer.errors import ExplorerError, explain, out_of_memory
from explorer.experiment import SETTINGS
from explorer.models.sampling import Sampling
from explorer.terminal import sweep, together, train
from explorer.terminal.words import INTERRUPTED, let_go_of_output, say


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status (0 well, 1 a problem said in one sentence, 130 interrupted)."""
    _print_whatever_comes()
    try:
        try:
            options = _parser().parse_args(arguments)
            return options.command(options) or 0
        finally:
            if sys.stdout:  # None where it is closed
                sys.stdout.flush()  # here, where it can still be said that it does not work
    except ExplorerError as error:
        return say(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read has read enough
        let_go_of_output()
        return 1
    except OSError as error:
        let_go_of_output()
        return say(f"{error.filename or 'Standard output'} cannot be used: {error.strerror or error}.")
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        return say(explain(error))


def _print_whatever_comes() -> None:
    """Characters that the terminal's encoding lacks are printed as their numbers."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _as_typed(argument: str) -> str:
    """What was typed, where the locale is not UTF-8 or some bytes are none; such bytes become \ufffd."""
    return os.fsencode(argument).decode("utf-8", errors="replace")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m explorer", description=__doc__.splitlines()[0])
    names = parser.add_subparsers(required=True, metavar="COMMAND")
    keys = [rung.key for ladder in ladders.LADDERS.values() for rung in ladder]

    fit = names.add_parser("train", help="train a model, printing loss and time per epoch")
    fit.add_argument("key", metavar="KEY", help=f"{', '.join(keys)}, dogscats, dogscats-resnet34")
    fit.add_argument("--preset", help="a named set of settings (default: lecture)")
    fit.add_argument("--save", type=Path, metavar="FILE", help="write the weights here, with the history beside them")
    fit.add_argument(
        "--ship", action="store_true", help="write the weights into weights/, in half precision where that is safe"
    )
    fit.add_argument("--start", type=Path, metavar="FILE", help="go on from these weights")
    fit.add_argument("--no-record", action="store_true", help="leave the run out of the runs kept on this machine")
    fit.add_argument("--json", action="store_true", help="one JSON object a line for each epoch")
    fit.add_argument(
        "--batchnorm", metavar="sync|shard", help="over what BatchNorm takes its statistics under torchrun (sync: all)"
    )
    _add_settings(fit)
    fit.set_defaults(command=together.fit)

    resume = names.add_parser("resume", help="go on with a run that was stopped, killed or cut off, bit for bit")
    resume.add_argument("run", metavar="RUN", help="its id, as runs lists it")
    resume.add_argument("--save", type=Path, metavar="FILE", help="write the weights here too")
    resume.add_argument("--json", action="store_true", help="one JSON object a line for each epoch")
    resume.set_defaults(command=train.resume, ship=False)

    several = names.add_parser("sweep", help="train a model at every combination of some settings' values")
    several.add_argument("key", metavar="KEY", nargs="?")
    several.add_argument(
        "--over",
        action="append",
        default=[],
        metavar="AXIS",
        help="name=a,b,c or name=low:high:log:count (or lin); again for each axis",
    )
    several.add_argument("--seeds", type=int, default=1, metavar="N", help="run every combination with N seeds (1)")
    several.add_argument("--resume", metavar="SWEEP", help="go on with a sweep where it stopped")
    several.add_argument(
        "--jobs", type=int, metavar="N", help="cells at once, a process each (1; with EXPLORER_ENGINE all its workers)"
    )
    several.add_argument("--dry-run", action="store_true", help="say how many cells, and how long; begin none")
    several.add_argument("--preset", help="a named set of settings (default: lecture)")
    several.add_argument("--json", action="store_true", help="one JSON object a line for each cell")
    _add_settings(several)
    several.set_defaults(command=sweep.sweep)

    evaluate = names.add_parser("evaluate", help="validate weights: the shipped ones, or a file")
    evaluate.add_argument("key", metavar="KEY")
    evaluate.add_argument("--weights", type=Path, metavar="FILE")
    evaluate.add_argument("--json", action="store_true", help="one JSON object on one line")
    evaluate.set_defaults(command=commands.evaluate)

    wanted = Sampling()
    sample = names.add_parser("sample", help="text from a language model")
    sample.add_argument("key", metavar="KEY")
    sample.add_argument("--weights", type=Path, metavar="FILE")
    sample.add_argument("--prompt", type=_as_typed, default=wanted.prompt)
    sample.add_argument("--length", type=int, default=wanted.length)
    sample.add_argument("--temperature", type=float, default=wanted.temperature)
    sample.add_argument("--top-k", type=int, default=wanted.top_k)
    sample.add_argument("--seed", type=int, default=wanted.seed)
    sample.set_defaults(command=commands.sample)

    find = names.add_parser("lr-find", help="sweep the learning rate and suggest one")
    find.add_argument("key", metavar="KEY")
    find.add_argument("--preset")
    find.add_argument("--from", dest="low", type=float, default=1e-5)
    find.add_argument("--to", dest="high", type=float, default=10.0)
    find.add_argument("--steps", type=int, default=100)
    find.add_argument("--json", action="store_true")
    _add_settings(find)
    find.set_defaults(command=commands.lr_find)

    cam = names.add_parser("cam", help="which pixels decide: cat or dog, for any photos")
    cam.add_argument("photos", nargs="+", type=Path, metavar="PHOTO")
    cam.add_argument("--json", action="store_true")
    cam.set_defaults(command=commands.cam)

    runs = names.add_parser("runs", help="the runs recorded on this machine")
    runs.add_argument("--json", action="store_true")
    runs.add_argument("--limit", type=int, default=200, metavar="N", help="how many, the newest first (200)")
    runs.set_defaults(command=commands.runs)

    back_up = names.add_parser("backup", help="copy runs, weights, own texts and the secret, while servers run")
    back_up.add_argument("folder", type=Path, metavar="FOLDER", help="a new folder")
    back_up.set_defaults(command=commands.back_up)

    fetch = names.add_parser("fetch", help="download the lecture's pictures and photos")
    fetch.add_argument("what", nargs="*", choices=["cifar10", "dogscats", []], help="default: all")
    fetch.set_defaults(command=commands.fetch)
    return parser


def _add_settings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("settings (over the preset's)")
    for setting in SETTINGS.values():
        text = setting.help.replace("%", "%%")
        if setting.options:
            text += f" One of: {', '.join(setting.options)}."
        group.add_argument(f"--{setting.name.replace('_', '-')}", dest=setting.name, metavar="VALUE", help=text)


if __name__ == "__main__":
    sys.exit(main())
