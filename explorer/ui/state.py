"""What a session remembers, typed: one object for each page or section of a page, whole under one session key.

Reading and changing: ``here = state.training(Page.CIFAR10)``, then ``here.experiment``, ``here.job = job.id``.
Widgets: ``key=here.key("train")`` names one, ``here.value("log", False)`` is what the visitor set it to.
Another page: a dataclass below that derives from :class:`Place`, a line in ``_KINDS``, and an accessor.
From page to page: verbs: ``state.open(page, experiment)``. What holds on every page: ``state.session()`` (``kept.py``).
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import streamlit as st

from explorer.ladders import Page
from explorer.ui.kept import MOST_PHOTOS, OwnClass, Played, Session

if TYPE_CHECKING:
    import numpy as np

    from explorer.cam.explain import Explanation
    from explorer.cam.truth import Deletion
    from explorer.data.photos import Photo, Refusal
    from explorer.experiment import Experiment
    from explorer.runs.own_classes import Trained
    from explorer.ui.cam.answer import PhotoAnswer
    from explorer.ui.cam.photos import ShownPhoto
    from explorer.ui.plot import Drawn

T = TypeVar("T")
P = TypeVar("P", bound="Place")
Stamp = tuple[Hashable, ...]  #: what a chart was made of; begins with the run's id


@dataclass
class Place:
    """A page or a section of one, and what each of them may have: a job, charts, steps that were done."""

    name: str  #: begins the key of every widget there
    job: str | None = None  #: the id of the job shown
    charts: dict[str, tuple[Stamp, "Drawn"]] = field(default_factory=dict)  #: as last drawn
    did: set[str] = field(default_factory=set)  #: words for the steps of "Try this"
    ticked: set[str] = field(default_factory=set)  #: ids of the steps that were done once

    def key(self, *words: object) -> str:
        """The key of a widget of this place."""
        return key(self.name, *words)

    def value(self, word: str, default: T) -> T:
        """What the widget of that word is set to; the default before it was drawn."""
        return widget(self.key(word), default)

    def set(self, word: str, value: object) -> None:
        """Set the widget of that word, before it is drawn."""
        set_widget(self.key(word), value)


@dataclass
class Home(Place):
    """The lecture as a map."""

    go: str | None = None  #: the address a card leads to, until the page is run again as a whole

    def go_to(self, query: str) -> None:
        """A card was chosen; a callback cannot change the page itself."""
        self.go = query

    def pop_go(self) -> str | None:
        """The address that was chosen, once."""
        query, self.go = self.go, None
        return query


@dataclass
class Training(Place):
    """A page that trains: its experiment, and what it last heard of links and of its run."""

    experiment: "Experiment | None" = None  #: what the controls show; None before the page was ever drawn
    generation: int = 0  #: grows when the experiment is set from outside its widgets, which then are other ones
    default: str = ""  #: the rung where no link names one
    address: Mapping[str, str] | None = None  #: what the address last asked for
    looked: "tuple[str, Experiment] | None" = None  #: the run that was shown and the settings beside it
    played: Played = field(default_factory=Played)  #: whose weights play
    trying: float | None = None  #: the rate that was taken from the LR finder, until a run begins or another is set

    def put(self, experiment: "Experiment") -> None:
        """Set the experiment from outside its widgets (a preset, a suggestion, a claim)."""
        self.experiment = experiment
        self.generation += 1


@dataclass
class CharRnn(Training):
    """The character RNNs' page."""

    written: Any = None  #: the text on the page, a ``ui.char_rnn.writing.Written``


@dataclass
class Cifar10(Training):
    """The CIFAR-10 page."""

    draw: int = 0  #: the seed of the pictures shown


@dataclass
class LrFinder(Place):
    """The LR finder."""

    wanted: list[str] = field(default_factory=list)  #: the rungs that another page asks for
    go: Page | None = None  #: where a rate that was taken leads
    picked: "tuple[str, float] | None" = None  #: a curve's name, and the rate clicked on it


@dataclass
class Cam(Place):
    """The class activation maps: the photos in the row, and what was last said about one."""

    draw: int = 1  #: the seed of the small pictures shown
    own: "list[ShownPhoto]" = field(default_factory=list)  #: brought by the visitor, the newest last
    count: int = 0  #: photos that were ever brought
    chosen: str = ""  #: the key of the photo looked at
    refused: "tuple[Refusal, ...]" = ()  #: what came last and is no photo
    generations: dict[str, int] = field(default_factory=dict)  #: of the widgets for files, by name: see uploads
    pictures: dict[Stamp, bytes] = field(default_factory=dict)  #: encoded for the browser, the newest last
    switch: str = ""  #: the network to change to when the page is next drawn
    answer: "PhotoAnswer | None" = None
    deletion: "tuple[tuple[Hashable, ...], Deletion] | None" = None  #: and the answer that it belongs to

    def number(self) -> str:
        """A key for the next photo that is brought."""
        self.count += 1
        return f"own-{self.count - 1}"

    def bring(self, photos: "Sequence[ShownPhoto]", most: int | None = None) -> None:
        """Put photos into the row and look at the last; of ``most``, the oldest make room."""
        came = {shown.key for shown in photos}
        row = [*(shown for shown in self.own if shown.key not in came), *photos]
        self.own = row if most is None else row[-most:]
        if photos:
            self.chosen = photos[-1].key


@dataclass
class CamClasses(Place):
    """Classes of one's own, and the classifier that was trained on them or came from a file."""

    classes: list[OwnClass] = field(default_factory=list)
    count: int = 0  #: classes that were ever made
    refused: "tuple[Refusal, ...]" = ()  #: what came last and is no photo
    trained: "Trained | None" = None
    adopted: str = ""  #: the stamp of the trained classifier that the page has last changed to by itself
    test: "Photo | None" = None  #: what the classifier is tried on, beside it
    tried: "tuple[Stamp, Explanation] | None" = None  #: what it said about that, and which of both
    test_refused: "tuple[Refusal, ...]" = ()  #: what came last to be tried and is no photo
    unreadable: str = ""  #: why the file that came last is no classifier
    ready: str = ""  #: the key of the ready-made set that was chosen
    told: "tuple[str, list[np.ndarray]] | None" = None  #: a classifier's stamp, and its answers about that set's photos

    def add(self, name: str, photos: "Iterable[Photo]" = ()) -> None:
        """One more class, with as many photos as one takes."""
        self.classes.append(OwnClass(self.count, name, list(photos)[:MOST_PHOTOS]))
        self.count += 1

    def start_with(self, **classes: "Iterable[Photo]") -> None:
        """These classes and no others; without any, the page begins anew."""
        self.classes, self.refused, self.ready = [], (), ""
        for name, photos in classes.items():
            self.add(name, photos)


@dataclass
class Runs(Place):
    """The record of runs."""

    chosen: tuple[str, ...] = ()  #: ids of the runs laid over each other, and of sweeps
    sweep: str = ""  #: the sweep whose cells the table lists, where it is not all runs
    address: Mapping[str, str] | None = None  #: what the address last said


@dataclass
class Race(Place):
    """The race inside the network."""

    start: bool = False  #: whether another page wants it started


@dataclass
class Desk(Place):
    """The teacher's page."""

    opened: bool = False  #: whether the token has been shown


DESK = "desk"  #: its name, which is no page of everybody's menu
CLASSES, FITS, RACE = "cam.classes", "cam.fits", f"{Page.BATCHNORM}.race"  # sections of their pages
_KINDS: dict[str, type[Place]] = {
    Page.HOME: Home,
    RACE: Race,
    Page.CHAR_RNN: CharRnn,
    Page.CIFAR10: Cifar10,
    Page.LR_FINDER: LrFinder,
    Page.CAM: Cam,
    Page.RUNS: Runs,
    CLASSES: CamClasses,
    DESK: Desk,
}


def place(name: str) -> Place:
    """The page or section of that name; one without memories of its own kind has a job, charts and steps."""
    return _kept(_KINDS.get(name, Place), name)


def home() -> Home:
    """The lecture as a map."""
    return _kept(Home, Page.HOME)


def training(page: str) -> Training:
    """One of the pages that train."""
    return _kept(CharRnn if page == Page.CHAR_RNN else Cifar10, page)


def char_rnn() -> CharRnn:
    """The character RNNs' page."""
    return _kept(CharRnn, Page.CHAR_RNN)


def cifar10() -> Cifar10:
    """The CIFAR-10 page."""
    return _kept(Cifar10, Page.CIFAR10)


def lr_finder() -> LrFinder:
    """The LR finder."""
    return _kept(LrFinder, Page.LR_FINDER)


def cam() -> Cam:
    """The class activation maps."""
    return _kept(Cam, Page.CAM)


def cam_classes() -> CamClasses:
    """Classes of one's own, on the same page."""
    return _kept(CamClasses, CLASSES)


def runs() -> Runs:
    """The record of runs."""
    return _kept(Runs, Page.RUNS)


def race() -> Race:
    """The race inside the network."""
    return _kept(Race, RACE)


def desk() -> Desk:
    """The teacher's page."""
    return _kept(Desk, DESK)


def session() -> Session:
    """What holds on every page."""
    return _found("session", Session)


def _kept(kind: type[P], name: str) -> P:
    return _found(str(name), lambda: kind(str(name)))


def _found(named: str, make: Callable[[], T]) -> T:
    found: T | None = st.session_state.get(named)  # looked up once: a page asks for this dozens of times
    if found is None:
        st.session_state[named] = found = make()
    return found


# -- widgets -------------------------------------------------------------------------------------------
def key(*words: object) -> str:
    """The key of a widget, of the words that tell it from all others."""
    return ".".join(map(str, words))


def widget(named: str, default: T) -> T:
    """What the widget of that key is set to; the default before it was drawn."""
    found: T = st.session_state.get(named, default)
    return found


def set_widget(named: str, value: object) -> None:
    """Set the widget of that key, before it is drawn."""
    st.session_state[named] = value


def drawn(named: str) -> bool:
    """Whether the widget of that key is set to something already."""
    return named in st.session_state


def trigger(named: str, name: str) -> object:
    """What a component's trigger of that name was pulled with; None unless that is why the page runs."""
    return getattr(st.session_state[named], name)


def teacher() -> bool:
    """Whether the projector view is on; a link may ask for it before its switch was ever drawn."""
    return widget("teacher", False) if drawn("teacher") else st.query_params.get("teacher") == "1"


# -- from page to page ---------------------------------------------------------------------------------
def show(page: str, experiment: "Experiment", run: str | None = None) -> None:
    """Have a training page show an experiment and a run, or none, from when it is next drawn."""
    here = training(page)
    here.put(experiment)
    here.job = run


def open(page: str, experiment: "Experiment | None" = None, run: str | None = None, **query: str) -> NoReturn:
    """Go to a page; a training page shows the experiment and the run, if any. Its address says so, and ``query``."""
    if experiment is not None:
        show(page, experiment, run)
        query = {**experiment.to_query(), **({"run": run} if run else {}), **query}
    session().replaced = None
    st.switch_page(Page(page).script, query_params=query)


def try_rate(experiment: "Experiment", rate: float) -> Page:
    """Put a rate into the controls of the page that trains the experiment's rung, to be tried there; which it is."""
    page = experiment.rung.page
    show(page, experiment.replace(lr=rate, lead_lr=rate))
    training(page).trying = rate
    return page


def find_rate(model: str) -> NoReturn:
    """Go to the LR finder with one rung chosen."""
    lr_finder().wanted = [model]
    open(Page.LR_FINDER)


def start_race(preset: str, claim: str) -> NoReturn:
    """Go to a race, by the key of its preset, and start it; the claim that it tests goes along."""
    race().start = True
    open(Page.BATCHNORM, race=preset, claim=claim)
