#!/usr/bin/env python3
"""What lists of many utterances cost before the first step of a training.

    python benchmarks/lists.py --utterances 10000 100000 1000000

For each number: processor seconds and peak memory of reading the lists that ESPnet and
this plugin load completely, each in its own process. The lists are synthetic, their
lengths those of speech (uniform, 1 to 17 s); no audio is needed.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def write_lists(folder: Path, utterances: int) -> None:
    """Write a dump folder's tables and a cache's index."""
    rng = random.Random(0)
    lengths = [rng.randint(16000, 17 * 16000) for _ in range(utterances)]
    names = [f"{i // 50:06d}-{i // 10:07d}-{i:09d}" for i in range(utterances)]
    words = "THE LETTERS THAT SOMEBODY SAID IN THIS UTTERANCE AND MORE " * 3
    with (
        open(folder / "wav.scp", "w") as wav,
        open(folder / "text", "w") as text,
        open(folder / "utt2spk", "w") as speakers,
        open(folder / "speech_shape", "w") as shapes,
        open(folder / "index.tsv", "w") as index,
    ):
        start = 0
        for name, length in zip(names, lengths):
            wav.write(f"{name} /corpora/LibriSpeech/train/{name[:6]}/{name}.flac\n")
            text.write(f"{name} {words}\n")
            speakers.write(f"{name} {name[:6]}\n")
            shapes.write(f"{name} {length}\n")
            index.write(f"{name}\t{length // 640}\t{start}\t1234567890\n")
            start += length // 640


def batches(folder: Path) -> int:
    """ESPnet's batches: the shape file, sorted, filled up to batch_bins."""
    from espnet2.samplers.build_batch_sampler import build_batch_sampler

    sampler = build_batch_sampler(
        type="numel",
        shape_files=[str(folder / "speech_shape")],
        fold_lengths=[],
        batch_size=1,
        batch_bins=16000000,
        sort_in_batch="descending",
        sort_batch="descending",
        drop_last=False,
        min_batch_size=2,
    )
    return len(sampler)


def dataset(folder: Path) -> int:
    """ESPnet's dataset: wav.scp and transcripts as dictionaries."""
    from espnet2.train.dataset import ESPnetDataset

    made = ESPnetDataset(
        [
            (str(folder / "wav.scp"), "speech", "sound"),
            (str(folder / "text"), "text", "text"),
        ],
        preprocess=None,
    )
    return sum(len(loader) for loader in made.loader_dict.values())


def stage_2_check(folder: Path) -> int:
    """Whether stage 2 has anything to do: its tables, and a digest of them."""
    from espnet_plugin.data.formatted_set import tables_digest
    from espnet_plugin.data.kaldi import read_data_dir
    from espnet_plugin.data.utterance import FormatOptions

    data = read_data_dir(folder)
    needed = dict.fromkeys(data.text, 1)
    return len(tables_digest(data, FormatOptions(), True, needed, {}))


def cache_index(folder: Path) -> int:
    """The index of the reference's stored outputs."""
    from espnet_plugin.distill.store_format import read_index

    return len(read_index(folder))


KINDS = {f.__name__: f for f in (batches, dataset, stage_2_check, cache_index)}


def _measure(kind: str, folder: Path) -> dict:
    # Imports are not what is measured: an empty list brings them in.
    with tempfile.TemporaryDirectory() as temporary:
        write_lists(Path(temporary), 100)
        KINDS[kind](Path(temporary))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    KINDS[kind](folder)
    seconds = time.process_time() - start
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": round(seconds, 2), "megabytes": round((after - before) / 1024)}


def main() -> None:
    """Measure and print one line a kind and number."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--utterances", type=int, nargs="+", default=[10**4, 10**5])
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(_measure(args.child[0], Path(args.child[1]))))
        return
    for number in args.utterances:
        with tempfile.TemporaryDirectory() as folder:
            write_lists(Path(folder), number)
            for kind in args.kinds:
                out = subprocess.run(
                    [sys.executable, __file__, "--child", kind, folder],
                    check=True,
                    stdout=subprocess.PIPE,
                    text=True,
                ).stdout
                print(
                    json.dumps({"utterances": number, "kind": kind, **json.loads(out)})
                )
                sys.stdout.flush()


if __name__ == "__main__":
    main()
