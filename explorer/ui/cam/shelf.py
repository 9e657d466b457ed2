"""The photos of a class of one's own, each with a button that takes it away."""

import base64
import html

from explorer.data.photos import Photo, thumbnail, to_bytes
from explorer.ui import clickable
from explorer.ui.kept import OwnClass

STYLE = """<style>
.cam-shelf { display: flex; flex-wrap: wrap; gap: .4rem; }
.cam-shelf span { position: relative; width: 64px; height: 64px; }
.cam-shelf img { width: 64px; height: 64px; object-fit: cover; border-radius: .4rem; display: block; }
.cam-shelf button { position: absolute; top: 2px; right: 2px; width: 24px; height: 24px; padding: 0; border: 0;
  border-radius: 50%; font-size: .95rem; line-height: 1; color: #FFF; background: rgba(17, 23, 34, .72); }
.cam-shelf button:hover, .cam-shelf button:focus-visible { background: #B3261E; }
</style>"""


def show(own: OwnClass, key: str) -> None:
    """Every photo of the class; a click on its cross takes it away, and a second one no other."""

    def away(at: str) -> None:
        for photo in [photo for photo in own.photos if _named(photo) == at]:
            own.photos.remove(photo)
            own.thumbnails.pop(photo, None)

    photos = "".join(_one(own, number, photo) for number, photo in enumerate(own.photos, 1))
    clickable.show(f'{STYLE}<div class="cam-shelf">{photos}</div>', key, away)


def _named(photo: Photo) -> str:
    """What a cross says: this very photo, of which there may be a copy beside it."""
    return str(id(photo))


def _one(own: OwnClass, number: int, photo: Photo) -> str:
    name = html.escape(photo.name or f"photo {number}", quote=True)
    return (
        f'<span><img src="{_url(own, photo)}" alt="{name}"><button type="button" data-at="{_named(photo)}" '
        f'title="Take {name} away" aria-label="Take {name} away">×</button></span>'
    )


def _url(own: OwnClass, photo: Photo) -> str:
    """The thumbnail, encoded once; it is kept with the class, and so no longer than the visitor is here."""
    if photo not in own.thumbnails:
        small = base64.b64encode(to_bytes(thumbnail(photo), "JPEG", quality=80)).decode()
        own.thumbnails[photo] = f"data:image/jpeg;base64,{small}"
    return own.thumbnails[photo]
