"""What a long day leaves behind in a server: ``python -m tests.endurance --json``.

One server, and visitors who come one after the other: each starts a short run and watches it to its end, reloads pages
and moves a slider, or drops photos on the CAM page. Read whenever all have gone and their sessions are over, first
after a warm-up: memory, threads and open files of the server's process. ``growth``: of the resident memory from the
warm-up to the end, in per cent. It ends by itself after ``--minutes``, with what was done until then.
"""

import argparse
import asyncio
import io
import json
import os
import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from explorer.data import album
from explorer.ui import identity
from tests.load.__main__ import PAGES, memory_mb
from tests.load.viewer import Viewer
from tests.serving import Begin, Server, serve

SHORT = "model=simplenet&images=500&epochs=1&lead_epochs=0&widths=16&data=standin"
FORGETS = 1  # seconds that a session outlives its connection; two minutes on a class's server
AT_ONCE = 12  # photos that one visitor drops, one after the other


@dataclass(frozen=True)
class Day:
    """How much happens."""

    runs: int
    reloads: int
    photos: int

    def share(self, part: int, parts: int) -> "Day":
        """One of equal parts; together they are the whole."""
        return Day(*(n * (part + 1) // parts - n * part // parts for n in (self.runs, self.reloads, self.photos)))


WHOLE, WARM = Day(200, 500, 300), Day(20, 40, 36)
READ = 4  # times in a day that what the server holds is read


@dataclass(frozen=True)
class Held:
    """What the server's process holds while nobody is there."""

    memory_mb: float  #: resident
    own_mb: float  #: of it, what is no file's: what the server itself has made
    threads: int
    files: int


def held(pid: int) -> Held:
    """As the system counts it."""
    process = Path(f"/proc/{pid}")
    return Held(
        memory_mb(pid), memory_mb(pid, "RssAnon"), len(os.listdir(process / "task")), len(os.listdir(process / "fd"))
    )


async def quiet(server: Server) -> Held:
    """When all sessions are over: they go when the next visitor comes."""
    for _ in range(2):
        await asyncio.sleep(FORGETS + 0.5)
        async with Viewer(server.url, "") as late:
            await late.open()
    await asyncio.sleep(FORGETS + 0.5)
    return held(server.pid)


async def run(server: Server, errors: list[str]) -> None:
    """Somebody trains, and looks on to the end."""
    async with Viewer(server.url, "cifar10", SHORT, token=identity.new_token()) as viewer:
        await viewer.open()
        await viewer.press("Train")
        await viewer.watch()
        errors += viewer.errors


async def reload(server: Server, token: str, page: str, dice: random.Random, errors: list[str]) -> None:
    """A browser that was here before opens a page anew, and moves a slider."""
    async with Viewer(server.url, page, token=token) as viewer:
        await viewer.open()
        await viewer.slide(dice.random())
        errors += viewer.errors


async def photos(server: Server, count: int, dice: random.Random, errors: list[str]) -> None:
    """Somebody drops photos, one after the other, and each is explained."""
    async with Viewer(server.url, "cam", token=identity.new_token()) as viewer:
        await viewer.open()
        for number in range(count):
            await viewer.upload("Drop photos here", f"{number}.jpg", picture(dice))
        errors += viewer.errors


def picture(dice: random.Random) -> bytes:
    """A photo that nobody has dropped before."""
    _, photo = dice.choice(album.photos())
    out = io.BytesIO()
    size = (dice.randrange(300, 1200), dice.randrange(300, 1200))
    Image.fromarray(photo.rgb).resize(size).save(out, "JPEG", quality=dice.randrange(60, 95))
    return out.getvalue()


async def pass_through(server: Server, day: Day, until: float, dice: random.Random, errors: list[str]) -> Day:
    """A day, its kinds of visits in turns; what came of it until the time was over."""
    parts = max(day.runs, 1)
    runs = reloads = dropped = waiting = 0
    browsers = [identity.new_token() for _ in range(30)]
    for part in range(parts):
        now = day.share(part, parts)
        for _ in range(now.runs):
            await run(server, errors)
            runs += 1
        for _ in range(now.reloads):
            await reload(server, dice.choice(browsers), dice.choice(PAGES), dice, errors)
            reloads += 1
        waiting += now.photos
        if waiting >= AT_ONCE or part == parts - 1:
            await photos(server, waiting, dice, errors)
            dropped, waiting = dropped + waiting, 0
        if time.monotonic() > until:
            break
    return Day(runs, reloads, dropped)


async def measure(server: Server, day: Day, warm: Day, until: float, read: int = READ) -> dict[str, object]:
    """Warm-up, day, and what the server holds after either."""
    dice, errors = random.Random(0), list[str]()
    await pass_through(server, warm, until, dice, errors)
    before = await quiet(server)
    seen = [before]
    did = Day(0, 0, 0)
    for number in range(read):
        part = await pass_through(server, day.share(number, read), until, dice, errors)
        did = Day(did.runs + part.runs, did.reloads + part.reloads, did.photos + part.photos)
        seen.append(await quiet(server))
        if time.monotonic() > until:
            break
    return {
        "growth": round(100 * (seen[-1].memory_mb / before.memory_mb - 1), 2),
        **{name: [round(getattr(one, name)) for one in seen] for name in Held.__annotations__},
        "runs": did.runs,
        "reloads": did.reloads,
        "photos": did.photos,
        "errors": len(errors),
        "first_errors": errors[:5],
    }


def main() -> None:
    """Measure and print one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=WHOLE.runs)
    parser.add_argument("--reloads", type=int, default=WHOLE.reloads)
    parser.add_argument("--photos", type=int, default=WHOLE.photos)
    parser.add_argument("--minutes", type=float, default=10.0, help="when it ends by itself")
    parser.add_argument("--json", action="store_true", help="one JSON object on one line")
    options = parser.parse_args()
    until = time.monotonic() + 60 * options.minutes - 20
    day = Day(options.runs, options.reloads, options.photos)
    with tempfile.TemporaryDirectory() as home, forgetful(Path(home)) as server:
        result = asyncio.run(measure(server, day, WARM, until))
    print(json.dumps(result) if options.json else "\n".join(f"{k}: {v}" for k, v in result.items()))


def forgetful(home: Path, begin: Begin | None = None):
    """A server whose sessions are soon over."""
    return serve(home, begin=begin, STREAMLIT_SERVER_DISCONNECTED_SESSION_TTL=str(FORGETS))


if __name__ == "__main__":
    main()
