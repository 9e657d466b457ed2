"""What the notes print: every fit's losses, accuracies and times, the text their LSTM wrote, and what they link to."""

from dataclasses import dataclass

from explorer.ladders import Ladder, Reference, Rung

PROMPT = "for thos"  #: what the lecture's ``get_next_n`` begins with

#: ``print(get_next_n('for thos', 400))``, as the notes show it
WRITTEN = (
    'for those immense: theone befarelybe "itself,   there are an temporary future is inter "man religious with or '
    "subject to recult too disdistundress of ultimates give an? regards animstification of beingthat every pilful "
    'ethic, and "metaphysical chasible.39. other the childlike and mirguminary for example!--necessity for the ruleof '
    "first educative in masculinated in all owes out of spirit so is it then coul"
)

Row = tuple[float, ...]  #: training loss, validation loss and, of pictures, accuracy


@dataclass(frozen=True)
class Fit:
    """One call of the notes, and what it printed after each epoch."""

    call: str
    rows: tuple[Row, ...]
    seconds: float = float("nan")  #: ``Wall time``, where they print it


FITS: dict[str, tuple[Fit, ...]] = {
    "stateful": (
        Fit(
            "fit(m, md, 4, opt, F.nll_loss)",
            ((1.88276, 1.85243), (1.70766, 1.70842), (1.62306, 1.6326), (1.57726, 1.59751)),
        ),
        Fit(
            "set_lrs(opt, 1e-4); fit(m, md, 4, opt, F.nll_loss)",
            ((1.49942, 1.56189), (1.49568, 1.55378), (1.49876, 1.55345), (1.49062, 1.54595)),
        ),
    ),
    "gru": (
        Fit(
            "fit(m, md, 6, opt, F.nll_loss)",
            (
                *((1.75981, 1.74155), (1.58811, 1.5903), (1.4957, 1.53097), (1.44033, 1.49259)),
                *((1.41158, 1.47094), (1.38023, 1.46393)),
            ),
        ),
        Fit(
            "set_lrs(opt, 1e-4); fit(m, md, 3, opt, F.nll_loss)",
            ((1.29061, 1.43124), (1.28919, 1.42574), (1.2896, 1.42517)),
        ),
    ),
    "lstm": (
        Fit("fit(m, md, 2, lo.opt, F.nll_loss)", ((1.80825, 1.73351), (1.70815, 1.64764))),
        Fit(
            "fit(m, md, 2**4-1, lo.opt, F.nll_loss, callbacks=cb)",
            (
                *((1.54076, 1.49328), (1.59538, 1.52947), (1.47049, 1.43788), (1.61908, 1.55599)),
                *((1.54383, 1.49159), (1.45576, 1.42396), (1.39128, 1.39265), (1.59309, 1.52709)),
                *((1.56137, 1.51185), (1.524, 1.48156), (1.49401, 1.45195), (1.4472, 1.42273)),
                *((1.4024, 1.38756), (1.35334, 1.36201), (1.32561, 1.35065)),
            ),
        ),
    ),
    "convnet": (
        Fit(
            "learn.fit(1e-1, 4, cycle_len=1)",
            (
                *((1.49958, 1.41854, 0.48878), (1.38663, 1.31699, 0.52909)),
                *((1.3289, 1.26818, 0.54769), (1.2829, 1.23001, 0.56185)),
            ),
            76.0,
        ),
    ),
    "bn": (
        Fit("learn.fit(3e-2, 2)", ((1.54923, 1.37812, 0.50578), (1.33422, 1.2197, 0.56551)), 40.6),
        Fit(
            "learn.fit(1e-1, 4, cycle_len=1)",
            (
                *((1.26706, 1.12597, 0.59944), (1.13483, 1.03298, 0.63434)),
                *((1.04099, 0.97042, 0.65475), (0.9706, 0.9015, 0.68176)),
            ),
            78.0,
        ),
    ),
    "deep-bn": (
        Fit("learn.fit(1e-2, 2)", ((1.52921, 1.34635, 0.51389), (1.29377, 1.17967, 0.58279)), 43.2),
        Fit("learn.fit(1e-2, 2, cycle_len=1)", ((1.11391, 1.05577, 0.62841), (1.04884, 0.98173, 0.65482)), 43.0),
    ),
    "resnet": (
        Fit("learn.fit(1e-2, 2, wds=wd)", ((1.62961, 1.54065, 0.44711), (1.38384, 1.27545, 0.54033)), 46.5),
        Fit(
            "learn.fit(1e-2, 3, cycle_len=1, cycle_mult=2, wds=wd)",
            (
                *((1.18867, 1.10428, 0.60677), (1.14908, 1.06663, 0.61436), (1.02131, 0.99241, 0.64961)),
                *((1.07035, 1.00853, 0.64317), (0.94303, 0.91505, 0.67898), (0.85774, 0.83062, 0.70835)),
                (0.80829, 0.83869, 0.70839),
            ),
            163.0,
        ),
    ),
    "resnet2": (Fit("learn.fit(1e-2, 2, wds=wd)", ((1.69941, 1.51531, 0.46151), (1.45125, 1.29084, 0.54199)), 49.7),),
}


def rows(key: str) -> tuple[Row, ...]:
    """What the notes print of a rung, epoch after epoch over all its fits."""
    return tuple(row for fit in FITS.get(key, ()) for row in fit.rows)


def losses(rung: Rung) -> Reference | None:
    """The notes' validation losses of a rung, in the shape that a chart of losses takes."""
    printed = rows(rung.key)
    if not printed:
        return None
    curve = tuple(row[1] for row in printed)
    return Reference("val_loss", curve[-1], len(curve), "lecture notes", curve)


@dataclass(frozen=True)
class Link:
    """Something the notes point to."""

    title: str
    address: str
    why: str  #: what one reads it for
    rungs: tuple[str, ...] = ()  #: the rungs it explains; none: the whole ladder
    ladder: Ladder = Ladder.LANGUAGE


LINKS = (
    Link(
        "Christopher Olah, Understanding LSTM Networks",
        "https://colah.github.io/posts/2015-08-Understanding-LSTMs/",
        "Gates, drawn: what an LSTM forgets, lets in and tells.",
        ("gru", "gru-cell", "lstm"),
    ),
    Link(
        "Denny Britz, Recurrent Neural Networks Tutorial, Part 1",
        "https://dennybritz.com/posts/wildml/recurrent-neural-networks-tutorial-part-1/",
        "What an RNN is, unrolled, and what it is good for.",
    ),
    Link("Nietzsche's text", "https://s3.amazonaws.com/text-datasets/nietzsche.txt", "What the ladder learns."),
    Link(
        "CIFAR-10",
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        "The data set's own page: who made it, and how it is divided.",
        ladder=Ladder.VISION,
    ),
    Link(
        "cifar.tgz",
        "http://pjreddie.com/media/files/cifar.tgz",
        "The pictures as files, which the notes fetch.",
        ladder=Ladder.VISION,
    ),
    Link(
        "The notes themselves",
        "https://forums.fast.ai/t/deeplearning-lec7notes/8939",
        "Tim Lee's notes of the lecture, and the questions of their readers.",
    ),
    Link(
        "The notes themselves",
        "https://forums.fast.ai/t/deeplearning-lec7notes/8939",
        "Tim Lee's notes of the lecture, and the questions of their readers.",
        ladder=Ladder.VISION,
    ),
)


def links(rung: Rung) -> tuple[Link, ...]:
    """What the notes point to where they come to this rung."""
    return tuple(link for link in LINKS if link.ladder == rung.ladder and (not link.rungs or rung.key in link.rungs))
