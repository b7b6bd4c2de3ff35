"""Find recordings whose samples do not swing around zero (a DC offset)."""

import numpy as np

from espnet_plugin.data.audio import SILENCE_PEAK
from espnet_plugin.doctor.sets import DataSet
from espnet_plugin.doctor.store import Store

__all__ = ["find_offsets"]

# An offset is large if it is this share of the standard deviation of the samples,
_LARGE = 0.5
# and at least this much of full scale: nearly silent files often have one of a bit.
_LEAST = 0.001
# Range of the middle 90 % of a set's offsets that is reported, as a share of the
# standard deviation, and the smallest set for which it is computed.
_RANGE, _FEWEST = 0.3, 10


def find_offsets(store: Store, sets: list[DataSet]) -> None:
    """Report large offsets, and sets whose recordings have very different ones."""
    for s, one in enumerate(sets):
        # Recordings of which a set with segments uses nothing are not part of it.
        used = "select value from seg where s=?"
        used = f" and w.id in ({used})" if one.base == "segments" else ""
        rows = store.rows(
            "select w.rowid, m.offset, m.rms from wav w join media m on m.path ="
            f" w.value where w.s=? and m.rms > 0{used} order by w.line",
            *([s, s] if used else [s]),
        )
        kind = [("row", "i8"), ("offset", "f8"), ("rms", "f8")]
        table = np.fromiter((tuple(row) for row in rows), dtype=kind)
        offset = table["offset"]
        deviation = np.sqrt(np.maximum(table["rms"] ** 2 - offset**2, 1e-12))
        share = offset / deviation
        # Silence is reported as such.
        share[deviation < SILENCE_PEAK] = 0.0
        large = (np.abs(share) > _LARGE) & (np.abs(offset) >= _LEAST)
        file = one.folder / "wav.scp"
        for n in np.flatnonzero(large):
            query = "select line, id, value from wav where rowid=?"
            line, name, path = next(store.rows(query, int(table["row"][n])))
            what = (
                f"the mean of {path} is {offset[n]:.3f}, {abs(share[n]):.1f} times the "
                "standard deviation of its samples"
            )
            store.report("offset", file, line, name, what)
        rest = share[~large & (np.abs(offset) >= _LEAST)]
        if len(rest) < _FEWEST or 2 * len(rest) < len(share):
            continue
        low, high = np.percentile(rest, (5, 95))
        if high - low > _RANGE:
            what = (
                f"the means of its recordings are between {low:.2f} and {high:.2f} "
                "times the standard deviation of their samples (9 of 10 recordings)"
            )
            store.report("offset", file, 0, "", what)
