"""Check Kaldi folders in one pass: tables, audio, and comparisons between sets."""

import logging
import sqlite3
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import groupby, islice
from pathlib import Path
from typing import Collection, Iterator, Sequence

from espnet_plugin.data.audio import INTEGER_PEAK
from espnet_plugin.data.missing_audio import why_missing
from espnet_plugin.doctor.audio import Heard, Job, hear
from espnet_plugin.doctor.between import compare_sets, compare_tables
from espnet_plugin.doctor.offsets import find_offsets
from espnet_plugin.doctor.outliers import find_outliers
from espnet_plugin.doctor.sets import CheckOptions, DataSet
from espnet_plugin.doctor.store import Store
from espnet_plugin.doctor.tables import read_tables
from espnet_plugin.errors import UserError
from espnet_plugin.progress import progress

__all__ = ["checked"]

# Number of files given to the processes at a time, so that memory does not grow with
# the set.
_WINDOW = 4096


@contextmanager
def checked(
    folders: Sequence[Path],
    options: CheckOptions,
    unlabelled: Collection[Path] = (),
    valid: Collection[Path] = (),
) -> Iterator[tuple[Store, list[DataSet]]]:
    """Check folders; yield the findings, which stay on disk until the generator ends.

    Args:
        folders: Kaldi folders, the training set first.
        options: What is checked.
        unlabelled: Sets that need no transcripts.
        valid: Development sets, used for validation during training.

    Raises:
        UserError: If no folder is given, or the findings cannot be stored.
    """
    if not folders:
        raise UserError(
            "no folder is given: give the Kaldi folders to check, the training set "
            "first"
        )
    with tempfile.TemporaryDirectory(prefix="check_data.") as work:
        try:
            store = Store(Path(work) / "store.db", options.ignored)
            try:
                yield store, _check_all(store, folders, options, unlabelled, valid)
            finally:
                store.close()
        except sqlite3.OperationalError as error:
            raise UserError(
                f"the findings cannot be stored in {work}: {error}: free some space "
                "there, or set TMPDIR to a folder on another disk"
            ) from error


def _check_all(
    store: Store,
    folders: Sequence[Path],
    options: CheckOptions,
    unlabelled: Collection[Path],
    valid: Collection[Path],
) -> list[DataSet]:
    """Store all findings; return the sets that were read, each once."""
    sets: list[DataSet] = []
    first: dict[Path, Path] = {}
    bare, development = (
        {path.resolve() for path in paths} for paths in (unlabelled, valid)
    )
    for folder in folders:
        same = first.setdefault(folder.resolve(), folder)
        if len(first) == len(sets):
            what = f"it is {'given twice' if same == folder else same}"
            store.report("same-set", folder, 0, "", what)
            continue
        labelled = folder.resolve() not in bare
        facts = read_tables(store, len(sets), folder, labelled, options.symbols)
        sets.append(DataSet(folder, labelled, facts, folder.resolve() in development))
    store.flush()
    compare_tables(store, sets)
    _hear_all(store, sets, options)
    find_outliers(store, sets, options)
    compare_sets(store, sets)
    find_offsets(store, sets)
    store.flush()
    return sets


def _hear_all(store: Store, sets: list[DataSet], options: CheckOptions) -> None:
    """Read every audio file once, even if several lines name it."""
    if options.audio == "none":
        return
    store.db.execute("create index wav_path on wav(value)")
    (total,) = next(store.rows("select count(distinct value) from wav"))
    jobs = _jobs(store, sets, options)
    with ProcessPoolExecutor(options.nj) as pool:

        def heard() -> Iterator[tuple[Job, list, Heard]]:
            while window := list(islice(jobs, _WINDOW)):
                only = [job for job, _ in window]
                if options.nj == 1:
                    found = map(hear, only)
                else:
                    found = pool.map(hear, only, chunksize=16)
                for (job, places), one in zip(window, found):
                    yield job, places, one

        for n, (job, places, one) in enumerate(progress(heard(), total, "files")):
            _keep(store, sets, n, job, places, one)
    _check_rates(store, sets, options)


# Set, line of wav.scp, name; line of segments (0: none), utterance.
_Place = tuple[int, int, str, int, str]


def _jobs(
    store: Store, sets: list[DataSet], options: CheckOptions
) -> Iterator[tuple[Job, list[_Place]]]:
    """Yield every file with the utterances in it."""
    reader = store.db.cursor()
    reader.execute(
        "select w.value, w.s, w.line, w.id, coalesce(g.line, 0), coalesce(g.id, w.id),"
        " g.t0, g.t1 from wav w left join seg g on g.s = w.s and g.value = w.id"
        " and g.t1 != 0 where w.value != '' order by w.value, w.s, w.line, g.line"
    )
    segmented = [one.base == "segments" for one in sets]
    for path, rows in groupby(reader, key=lambda row: row[0]):
        places, spans = [], []
        for _, s, line, name, seg_line, utt, t0, t1 in rows:
            if segmented[s] and t0 is None:
                continue  # a recording without utterances
            places.append((s, line, name, seg_line, utt))
            spans.append((0.0, -1.0) if t0 is None else (t0, t1))
        if not places:
            continue
        if all(span == (0.0, -1.0) for span in spans):
            whole = Job(path, (), options.audio == "full", options.run_pipes)
            yield whole, places
        else:
            yield Job(
                path, tuple(spans), options.audio == "full", options.run_pipes
            ), places


def _keep(
    store: Store, sets: list[DataSet], n: int, job: Job, places: list, one: Heard
) -> None:
    if one.problem is not None:
        kind, reason = one.problem
        for s, line, name in dict.fromkeys(place[:3] for place in places):
            folder = sets[s].folder
            hint = why_missing(job.path, folder) if one.absent else ""
            store.report(kind, folder / "wav.scp", line, name, reason + hint)
        return
    first = sets[places[0][0]].folder / "wav.scp", places[0][1], places[0][2]
    if one.channels > 1:
        store.report("channels", *first, f"{job.path} has {one.channels} channels")
    if one.peak > INTEGER_PEAK:
        store.report("scale", *first, f"{job.path} reaches {one.peak:.0f}")
    elif one.peak > 1.01:
        store.report("overshoot", *first, f"{job.path} reaches {one.peak:.2f}")
    elif one.clipped > 1e-4 and one.clipped * one.seconds * one.rate >= 10:
        what = f"{job.path}: {100 * one.clipped:.2f} % of its samples at full scale"
        store.report("clipped", *first, what)
    figures = one.seconds, one.rate, one.channels, one.peak, one.rms, one.clipped
    others = one.offset, one.signature, one.digest
    store.add("media", [(job.path, n, *figures, *others)])
    parts = one.parts if job.spans else one.parts * len(places)
    for (s, line, name, seg_line, utt), part in zip(places, parts):
        table = "segments" if seg_line else "wav.scp"
        at = seg_line or line
        if part.problem is not None:
            kind, reason = part.problem
            where = f"{reason} ({job.path})"
            store.report(kind, sets[s].folder / table, at, utt, where)
            continue
        store.add(
            "utt",
            [(s, utt, at, part.seconds, part.peak, part.rms, None, None, None)],
        )


def _check_rates(store: Store, sets: list[DataSet], options: CheckOptions) -> None:
    counts = dict(store.rows("select rate, count(*) from media group by rate"))
    if not counts:
        return
    wanted = options.fs or max(counts, key=lambda rate: (counts[rate], rate))
    said = "is required" if options.fs else "is the rate of most files"
    rows = store.rows(
        "select w.s, w.line, w.id, m.path, m.rate from media m join wav w"
        " on w.value = m.path where m.rate != ?",
        wanted,
    )
    for s, line, name, path, rate in rows:
        what = f"{path} has {rate} Hz; {wanted} Hz {said}"
        store.report("wrong-rate", sets[s].folder / "wav.scp", line, name, what)
    rates = ", ".join(map(str, sorted(counts)))
    logging.info("%d audio files read, %s Hz", sum(counts.values()), rates)
