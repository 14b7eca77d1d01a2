"""Finding a face among millions: exact search over all vectors, in a process of its own.

Flat float16 and nothing cleverer: graph indexes lose a tenth to two thirds of true duplicates (docs/faces.md). It is a
cache: the database holds the vectors, sealed, and a new process is fed from there.
"""

import faiss
import numpy as np

# Parts are filled one after the other: a single one would be copied to twice its size whenever it grows.
PART = 65_536
NEAREST = 10

faiss.omp_set_num_threads(1)


class VectorIndex:
    """Vectors by engine; those of two engines are never compared."""

    def __init__(self) -> None:
        self._parts: dict[str, list[faiss.IndexScalarQuantizer]] = {}
        self._ids: dict[str, list[np.ndarray]] = {}

    def count(self, engine: str) -> int:
        """How many vectors of an engine are here."""
        return sum(len(ids) for ids in self._ids.get(engine, []))

    def add(self, engine: str, ids: list[int], vectors: bytes) -> int:
        """Add vectors (float32, little-endian, one after the other); gives how many there are now."""
        rows = np.frombuffer(vectors, "<f4").reshape(len(ids), -1)
        parts, known = self._parts.setdefault(engine, []), self._ids.setdefault(engine, [])
        at = 0
        while at < len(ids):
            if not parts or parts[-1].ntotal >= PART:
                kind = faiss.ScalarQuantizer.QT_fp16
                parts.append(faiss.IndexScalarQuantizer(rows.shape[1], kind, faiss.METRIC_INNER_PRODUCT))
                known.append(np.empty(0, "i8"))
            end = at + PART - parts[-1].ntotal
            parts[-1].add(rows[at:end])
            known[-1] = np.concatenate([known[-1], np.array(ids[at:end], "i8")])
            at = end
        return self.count(engine)

    def search(self, engine: str, vector: bytes, threshold: float) -> list[tuple[int, float]]:
        """Ids and similarities of the nearest vectors, at most ten, that are at least this alike."""
        row = np.frombuffer(vector, "<f4").reshape(1, -1)
        found: list[tuple[int, float]] = []
        for part, ids in zip(self._parts.get(engine, []), self._ids.get(engine, []), strict=True):
            scores, places = part.search(row, min(NEAREST, part.ntotal))
            found += [
                (int(ids[place]), float(score))
                for score, place in zip(scores[0], places[0], strict=True)
                if score >= threshold
            ]
        return sorted(found, key=lambda hit: -hit[1])[:NEAREST]
