"""What a session keeps that is no page: what holds on all of them, and a class of one's own."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from explorer.data.photos import Photo

MOST_PHOTOS = 60  #: of a class of one's own; more teach little and cost time


@dataclass
class Played:
    """Which weights a training page plays, where there is a choice."""

    cycle: tuple[str, int | None] | None = None  #: the run, and the cycle at whose end they were kept; None: the latest
    own: str = ""  #: the rung for which the visitor's own weights are played instead
    moved: bool = False  #: whether either was changed, and nothing written by what is played since
    refused: str = ""  #: why the file that came last was not taken
    loads: int = 0  #: files that were ever brought


@dataclass
class Session:
    """What holds on every page."""

    owner: str = ""  #: whose runs are this visitor's
    forgotten: bool = False  #: the browser keeps no cookies: the owner ends with the session
    hidden: str = ""  #: the settings a teacher's link hides, between commas
    told: set[str] = field(default_factory=set)  #: sentences about links, each said once
    page: str = ""  #: the page on screen
    said: dict[str, str | None] = field(default_factory=dict)  #: what its controls last wrote, by the parameter
    words: set[str] = field(default_factory=set)  #: the parameters that controls have ever written
    now: set[str] = field(default_factory=set)  #: those of controls on screen
    left: dict[str, str] = field(default_factory=dict)  #: what the address said when the page was last drawn
    replaced: dict[str, str] | None = None  #: what it said before, unless a link led on from there
    replaced_at: float = 0.0  #: when, by the monotonic clock


@dataclass(eq=False)
class OwnClass:
    """A class that a visitor makes."""

    id: int
    name: str
    photos: "list[Photo]"
    thumbnails: "dict[Photo, str]" = field(default_factory=dict)  #: as addresses that hold the picture
