"""Check that the tokens and statistics of an experiment are still its own."""

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
    """Return the token list of a recipe that a model was trained with, if it exists.

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
    """Check that a token list is the one of a trained model.

    Args:
        tokens: The tokens of the model.
        path: The token list, one token per line.
        experiment: Folder of the model, for messages.

    Raises:
        UserError: If the list cannot be read or differs; it names the first difference.
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
                f"({len(theirs)} tokens). Stage 5 of that recipe seems to have run "
                "again after the training: restore the old list (and bpe.model), or "
                "name it with --recipe_token_list"
            )


def check_bpe(tokens: Sequence[str], path: Path) -> None:
    """Check that a trained model has all tokens that a BPE model produces.

    Args:
        tokens: The tokens of the trained model.
        path: The BPE model of sentencepiece.

    Raises:
        UserError: If the BPE model cannot be read or produces other tokens; it names
            some of these.
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
            f"BPE model {path} produces {len(unknown)} tokens that the trained model "
            f"does not have, e.g. {', '.join(unknown[:4])}. It seems to have been "
            "trained again after the model: restore the old bpe.model"
        )


def check_statistics(config: dict[str, Any], stats: Path, checkpoint: Path) -> None:
    """Check that statistics are those that a checkpoint normalises features with.

    The student reads them from the file and the reference from its checkpoint, so a
    difference would otherwise go unnoticed. Means may differ by 0.01 standard
    deviations.

    Args:
        config: Configuration of the experiment.
        stats: Its ``feats_stats.npz``.
        checkpoint: Its checkpoint. Without ``normalize.mean`` in it, nothing is
            checked.

    Raises:
        UserError: If the file cannot be read, or the number of features or the means
            differ.
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
            f"statistics {stats} cannot be read ({str(error).splitlines()[0]}): "
            "restore the feats_stats.npz of the training"
        ) from error
    mean = torch.from_numpy(np.asarray(total / count, dtype=np.float32)).reshape(-1)
    spread = np.sqrt(np.maximum(square / count - (total / count) ** 2, _EPS))
    used = used.reshape(-1).float()
    advice = (
        "restore the feats_stats.npz of the training, or run stages 10 and 11 of that "
        "recipe again"
    )
    if mean.shape != used.shape:
        raise UserError(
            f"statistics {stats} are for a different front end: {len(mean)} features, "
            f"but the model in {checkpoint} has {len(used)}: {advice}"
        )
    # Relative to the standard deviation of each feature.
    scale = torch.from_numpy(np.asarray(spread, dtype=np.float32)).reshape(-1)
    worst = float(((mean - used).abs() / scale.clamp(min=1e-6)).max())
    if worst > 1e-2:
        raise UserError(
            f"statistics {stats} are not those of {checkpoint}: a mean differs by "
            f"{worst:.2f} standard deviations. They seem to have been computed again "
            f"after the training, perhaps with a different front end: {advice}"
        )
