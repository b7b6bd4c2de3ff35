"""What a stored teacher says on audio whose transcripts are known.

Word error rate of its best path, and the share of frames with a probability above 0.99,
from the teacher cache of a recipe (characters as tokens):

    python benchmarks/teacher_says.py exp/teacher_cache_s3 \
        --tokens data/token_list/char/tokens.txt --sets dump/raw/train_sp dump/raw/dev
"""

import argparse
import math
from pathlib import Path

from espnet_plugin.data.tokens import read_token_list
from espnet_plugin.decode.best_path import best_path
from espnet_plugin.distill.store import OutputStore
from espnet_plugin.files import read_pairs
from espnet_plugin.score.wer import count_errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("--tokens", type=Path, required=True)
    parser.add_argument("--sets", type=Path, nargs="+", required=True)
    args = parser.parse_args()
    tokens = read_token_list(args.tokens)
    store = OutputStore(args.cache)
    for folder in args.sets:
        errors = words = sure = frames = 0
        for name, text in read_pairs(folder / "text").items():
            outputs = store.read([name])
            ((path, _),) = best_path(outputs.log_posteriors, outputs.lengths)
            said = "".join(tokens[one] for one in path)
            counts, _ = count_errors(text, said.replace("<space>", " "))
            errors, words = errors + counts.errors, words + len(text.split())
            highest = outputs.log_posteriors.amax(-1)
            sure += int((highest > math.log(0.99)).sum())
            frames += int(outputs.lengths)
        print(
            f"{folder}: {100 * errors / words:.2f} % of {words} words wrong, "
            f"{100 * sure / frames:.1f} % of {frames} frames above 0.99"
        )


if __name__ == "__main__":
    main()
