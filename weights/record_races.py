"""Run the race of each claim on the whole data and keep it: what *Inside the network* shows before any click.

EXPLORER_DATA=../shared/data python -m weights.record_races [KEY …]
"""

import sys
import time

from explorer import devices
from explorer.lecture.races import BY_KEY
from explorer.lecture.recorded import RACES
from explorer.runs import race_file
from explorer.runs.race import Race


def main(keys: list[str]) -> None:
    """Each race with its claim's own settings, seed 0, validated on all 10,000 pictures."""
    for key in keys or list(BY_KEY):
        began = time.perf_counter()
        race = Race(BY_KEY[key].experiments)
        if race.data.source.kind != "real":
            sys.exit(f"{key} would be raced on {race.data.source.name}, not on the lecture's data")
        for _, epoch_ended in race.run():
            if epoch_ended:
                race.drain()
        race.drain()
        view = race.view(finished=True)
        path = RACES / f"{key}.npz"
        race_file.write(view, devices.describe(), path)
        seconds, size = time.perf_counter() - began, path.stat().st_size
        print(f"{key}: {seconds:.0f} s, {size:,} bytes. {BY_KEY[key].verdict(view).text}")


if __name__ == "__main__":
    main(sys.argv[1:])
