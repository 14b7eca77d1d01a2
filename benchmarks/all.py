"""All benchmarks, one after the other, and the pages that are made of what they measured. Run by `make bench`.

Writes docs/benchmarks.json (what each printed last, and when), docs/benchmarks.md (peers side by side, every claim,
also those that fall short), docs/benchmarks.svg and docs/scale.md (what a country needs). ONLY="turns draw" runs some
and leaves the others' figures as they were; SHORT=1 takes smaller sizes, which the page then says.

    python -m benchmarks.all --write      # only the pages, from docs/benchmarks.json
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks import scale
from domain import clock

DOCS = Path(__file__).parents[1] / "docs"
RESULTS = DOCS / "benchmarks.json"
PAGES = Path(__file__).parent / "pages"


# Sizes that may be set from outside; the page says which were.
SIZES = (
    "ROUNDS", "CARDS", "LINES", "PEOPLE", "SEATS", "PAYOUTS", "POSTINGS", "TRIES", "FAULTS", "SEED", "TALKERS",
    "DATABASES", "HARDNESS", "SIDE_BY_SIDE",
)  # fmt: skip


@dataclass(frozen=True)
class Benchmark:
    """A module, what it is about, and the sizes of a short run."""

    name: str
    about: str
    short: Mapping[str, str] = field(default_factory=dict)


BENCHMARKS = (
    Benchmark("turns", "Webhook to durable reply", {"ROUNDS": "1"}),
    Benchmark("catalogue", "Pages and search among trainings"),
    Benchmark("cards", "ID cards read", {"CARDS": "60"}),
    Benchmark("faces", "Faces recognised"),
    Benchmark("notices", "Notices created, drained, paced"),
    Benchmark("lists", "Lists imported and looked up", {"LINES": "1000000"}),
    Benchmark("draw", "A draw at the size of the country", {"PEOPLE": "1000000", "SEATS": "26000"}),
    Benchmark("payouts", "A wave's transfers and proofs", {"PAYOUTS": "20000", "POSTINGS": "1000000"}),
    Benchmark("figures", "The programme in figures", {"PEOPLE": "200000"}),
    Benchmark("oracle", "Whether time tells known numbers", {"TRIES": "1000"}),
    Benchmark("chaos", "A wave while everything fails", {"FAULTS": "40"}),
)


async def run(benchmark: Benchmark, sizes: Mapping[str, str]) -> dict[str, Any] | None:
    """Run one, letting it be seen; gives its last line, None where it came to none."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"benchmarks.{benchmark.name}", stdout=asyncio.subprocess.PIPE, limit=2**24,
        env={**os.environ, **sizes},
    )  # fmt: skip
    assert process.stdout is not None
    last = ""
    async for line in process.stdout:
        text = line.decode()
        print(text, end="", flush=True)
        last = text if text.startswith("{") else last
    return json.loads(last) if await process.wait() == 0 and last else None


def pages(results: Mapping[str, dict[str, Any]]) -> dict[str, str]:
    """The pages by their names in docs/."""
    jinja = Environment(loader=FileSystemLoader(PAGES), undefined=StrictUndefined, keep_trailing_newline=True)
    jinja.filters["short"] = _number
    parts = [{"about": each.about, "name": each.name, **_laid_out(results[each.name])} for each in _run(results)]
    claims = [claim for part in parts for claim in part["claims"]]
    measured = jinja.get_template("benchmarks.md").render(
        parts=parts, total=len(claims), held=sum(claim["holds"] for claim in claims)
    )
    return {"benchmarks.md": measured, "scale.md": jinja.get_template("scale.md").render(scale.needs(results))}


def _run(results: Mapping[str, dict[str, Any]]) -> list[Benchmark]:
    return [each for each in BENCHMARKS if each.name in results]


def _laid_out(found: dict[str, Any]) -> dict[str, Any]:
    """What was measured: things with the same columns side by side, and what stands alone."""
    figures = found["figures"]
    rows = {name: value for name, value in figures.items() if isinstance(value, dict) and value}
    if any(isinstance(cell, dict | list) for row in rows.values() for cell in row.values()):
        rows = {}
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    alone = {name: value for name, value in figures.items() if isinstance(value, int | float | str)}
    return {**found, "rows": rows, "columns": columns, "alone": alone}


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def chart(figures: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Messages a CPU-second of each server of bench-turns, at 64 senders."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    mpl.rcParams["svg.hashsalt"] = "gelombang"
    many = {name.rpartition(",")[0]: row for name, row in figures.items() if name.endswith(", 64")}
    names = sorted(many, key=lambda name: many[name]["per_cpu_second"])
    drawn, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
    values = [many[name]["per_cpu_second"] for name in names]
    colours = ["#0b6b4f" if name.startswith("gelombang") else "#b9c4c0" for name in names]
    axes.barh(names, values, color=colours)
    for at, value in enumerate(values):
        axes.text(value, at, f" {value:,.0f}", va="center")
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.set_xticks([])
    axes.set_xlim(0, max(values) * 1.15)
    axes.set_title("Messages in a second of CPU time, webhook to durable reply", loc="left", fontsize=11)
    drawn.savefig(path, metadata={"Date": None})
    plt.close(drawn)


def write(results: Mapping[str, dict[str, Any]]) -> None:
    """The pages, from what was measured; not before everything that they compute from was."""
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    if missing := [name for name in scale.NEEDED if name not in results]:
        print(f"no pages yet: {', '.join(missing)} not measured")
        return
    for name, text in pages(results).items():
        (DOCS / name).write_text(text)
    chart(results["turns"]["figures"], DOCS / "benchmarks.svg")


def measured() -> dict[str, dict[str, Any]]:
    """What stands in docs/benchmarks.json."""
    found: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return found


async def main() -> None:
    """Run what is asked for and write."""
    if "--write" in sys.argv:
        write(measured())
        return
    asked = os.environ.get("ONLY", "").split() or [each.name for each in BENCHMARKS]
    if unknown := set(asked) - {each.name for each in BENCHMARKS}:
        sys.exit(f"no such benchmark: {', '.join(sorted(unknown))}")
    for at, name in enumerate(asked, 1):
        benchmark = next(each for each in BENCHMARKS if each.name == name)
        sizes = dict(benchmark.short) if os.environ.get("SHORT") else {}
        sizes |= {each: os.environ[each] for each in SIZES if each in os.environ}
        print(f"\n== {at} of {len(asked)}: {name}", flush=True)
        found = await run(benchmark, sizes)
        if found is None:
            print(f"{name} came to nothing; what the page says of it stays as it was")
            continue
        kept = {key: found[key] for key in ("machine", "figures", "claims")}
        day = clock.day_of(clock.now()).isoformat()
        write({**measured(), name: {"day": day, "sizes": sizes, **kept}})  # another run may have written meanwhile


if __name__ == "__main__":
    asyncio.run(main())
