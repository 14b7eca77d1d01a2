"""Where places lie: districts and regencies (domain/coordinates.csv), and land as opposed to sea (domain/land.bin).

Both files are derived from public data by tools/coordinates.py and tools/land.py, which say how good they are.
Latitude and longitude in degrees (WGS 84), distances in kilometres as the crow flies.
"""

import csv
import zlib
from functools import cache
from math import asin, cos, radians, sin, sqrt
from pathlib import Path
from typing import TypeAlias

Point: TypeAlias = tuple[float, float]

COORDINATES, LAND = Path(__file__).with_name("coordinates.csv"), Path(__file__).with_name("land.bin")
SOUTH, NORTH, WEST, EAST = -11.2, 6.2, 94.9, 141.1  # around all islands
CELL = 0.02
ROWS, COLUMNS = round((NORTH - SOUTH) / CELL), round((EAST - WEST) / CELL)
EARTH_RADIUS = 6371.0


@cache
def _known() -> dict[str, Point]:
    with COORDINATES.open(encoding="utf-8", newline="") as file:
        return {row["code"]: (float(row["latitude"]), float(row["longitude"])) for row in csv.DictReader(file)}


@cache
def _land() -> bytes:
    return zlib.decompress(LAND.read_bytes())


def whereabouts(region_code: str) -> Point | None:
    """Where a district lies, else its regency; None for a code that is neither. Good to some ten kilometres."""
    return _known().get(region_code) or _known().get(region_code[:5])


def in_indonesia(point: Point) -> bool:
    """Whether a point lies on Indonesian land or within 4 km of it; near the borders neighbours' land counts too."""
    if not (SOUTH <= point[0] < NORTH and WEST <= point[1] < EAST):  # nor is what is no number
        return False
    row = min(int((point[0] - SOUTH) / CELL), ROWS - 1)
    column = min(int((point[1] - WEST) / CELL), COLUMNS - 1)
    at = row * COLUMNS + column
    return bool(_land()[at >> 3] >> (7 - (at & 7)) & 1)


def on_sphere(point: Point) -> tuple[float, float, float]:
    """A point as a direction from the middle of the earth, of length 1."""
    lat, lon = radians(point[0]), radians(point[1])
    return cos(lat) * cos(lon), cos(lat) * sin(lon), sin(lat)


def distance(one: Point, other: Point) -> float:
    """Kilometres between two points (haversine)."""
    lat1, lon1, lat2, lon2 = map(radians, (*one, *other))
    inside = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_RADIUS * asin(sqrt(inside))
