"""Whether an experiment, its tokens and its statistics still belong together."""

from itertools import zip_longest
from pathlib import Path
from typing import Any, Optional, Sequence

import numpy as np
import sentencepiece
import torch

from espnet_plugin.checkpoints.checkpoint import read_checkpoint
from espnet_plugin.errors import UserError

__all__ = ["check_bpe", "check_statistics", "compare_tokens", "find_token_list"]

# GlobalMVN's floor of the variance (espnet2/layers/global_mvn.py).
_EPS = 1.0e-20


def find_token_list(recipe: Path, config: dict[str, Any]) -> Optional[Path]:
    """Return the list that the recipe made its model's tokens from, if it is there.

    ``asr.sh`` writes it beside ``bpe.model``, or into
    ``data/[<language>_]token_list/<token type>/tokens.txt``.
    """
    bpemodel = config.get("bpemodel")
    if isinstance(bpemodel, str) and bpemodel not in ("", "none"):
        path = recipe / Path(bpemodel).with_name("tokens.txt")
        return path if path.is_file() else None
    kind = config.get("token_type")
    found = sorted(recipe.glob(f"data/*token_list/{kind}/tokens.txt"))
    return found[0] if len(found) == 1 else None


def compare_tokens(tokens: Sequence[str], path: Path, experiment: Path) -> None:
    """Refuse a token list that is not the trained model's.

    Raises:
        UserError: Naming the first difference.
    """
    try:
        theirs = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"token list {path} cannot be read: {error}") from error
    pairs = zip_longest(tokens, (line.rstrip() for line in theirs))
    for index, (ours, other) in enumerate(pairs):
        if ours != other:
            raise UserError(
                f"the token lists differ: token {index} is {ours!r} in "
                f"{experiment}/config.yaml ({len(tokens)} tokens), {other!r} in {path} "
                f"({len(theirs)}). Stage 5 ran again after the training: bring the old "
                "list (and bpe.model) back, or name it with --recipe_token_list"
            )


def check_bpe(tokens: Sequence[str], path: Path) -> None:
    """Refuse a BPE model that makes tokens which the trained model does not know.

    Raises:
        UserError: Naming the first of them.
    """
    try:
        model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (OSError, RuntimeError) as error:
        raise UserError(f"BPE model {path} cannot be read: {error}") from error
    pieces = [
        model.id_to_piece(i)
        for i in range(model.get_piece_size())
        if not (model.is_control(i) or model.is_unknown(i))
    ]
    unknown = sorted(set(pieces) - set(tokens))
    if unknown:
        raise UserError(
            f"BPE model {path} makes {len(unknown)} tokens that the trained model does "
            f"not have, e.g. {', '.join(unknown[:4])}: it was trained again after the "
            "model; bring the old bpe.model back"
        )


def check_statistics(config: dict[str, Any], stats: Path, checkpoint: Path) -> None:
    """Refuse statistics that are not those the checkpoint normalises by.

    A student reads them from the file, its reference from its checkpoint, so that a
    difference would pass unseen.

    Args:
        config: The experiment's configuration.
        stats: Its ``feats_stats.npz``.
        checkpoint: Its checkpoint.

    Raises:
        UserError: If they have another width or other values.
    """
    state = read_checkpoint(checkpoint)
    used = state.get("normalize.mean")
    if config.get("normalize") != "global_mvn" or used is None:
        return
    try:
        with np.load(stats, allow_pickle=False) as content:
            count, total = content["count"], content["sum"]
            square = content["sum_square"]
    except Exception as error:  # zip, header and pickle errors are of many types
        raise UserError(
            f"statistics {stats} cannot be read ({str(error).splitlines()[0]}): bring "
            "the feats_stats.npz of the training back"
        ) from error
    mean = torch.from_numpy(np.asarray(total / count, dtype=np.float32)).reshape(-1)
    spread = np.sqrt(np.maximum(square / count - (total / count) ** 2, _EPS))
    used = used.reshape(-1).float()
    advice = (
        "bring the feats_stats.npz of the training back, or run stages 10 and 11 of "
        "that recipe again"
    )
    if mean.shape != used.shape:
        raise UserError(
            f"statistics {stats} are for a different front end: {len(mean)} features, "
            f"the model in {checkpoint} has {len(used)}; {advice}"
        )
    # In units of the features' own spread, which is what a wrong mean would matter by.
    scale = torch.from_numpy(np.asarray(spread, dtype=np.float32)).reshape(-1)
    worst = float(((mean - used).abs() / scale.clamp(min=1e-6)).max())
    if worst > 1e-2:
        raise UserError(
            f"statistics {stats} are not those of {checkpoint}: a mean differs by "
            f"{worst:.2f} standard deviations, so they were made again after the "
            f"training, perhaps with a different front end; {advice}"
        )
