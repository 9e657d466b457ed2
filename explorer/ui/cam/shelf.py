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
    """Every photo of the class; a click on its cross takes it away."""

    def away(at: str) -> None:
        if at.isdigit() and int(at) < len(own.photos):
            own.thumbnails.pop(own.photos.pop(int(at)), None)

    photos = "".join(_one(own, at, photo) for at, photo in enumerate(own.photos))
    clickable.show(f'{STYLE}<div class="cam-shelf">{photos}</div>', key, away)


def _one(own: OwnClass, at: int, photo: Photo) -> str:
    name = html.escape(photo.name or f"photo {at + 1}", quote=True)
    return (
        f'<span><img src="{_url(own, photo)}" alt="{name}"><button type="button" data-at="{at}" '
        f'title="Take {name} away" aria-label="Take {name} away">×</button></span>'
    )


def _url(own: OwnClass, photo: Photo) -> str:
    """The thumbnail, encoded once; it is kept with the class, and so no longer than the visitor is here."""
    if photo not in own.thumbnails:
        small = base64.b64encode(to_bytes(thumbnail(photo), "JPEG", quality=80)).decode()
        own.thumbnails[photo] = f"data:image/jpeg;base64,{small}"
    return own.thumbnails[photo]
