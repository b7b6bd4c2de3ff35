"""What ESPnet needs to join a model's tokens into words."""

import argparse
from pathlib import Path
from typing import Union

from espnet_plugin.errors import UserError

__all__ = ["check_bpemodel"]


def check_bpemodel(args: argparse.Namespace, config_file: Union[str, Path]) -> None:
    """Check that the configuration of a BPE model names its SentencePiece model.

    Args:
        args: Training arguments of the model.
        config_file: The configuration, for messages.

    Raises:
        UserError: If it does not.
    """
    if getattr(args, "token_type", None) == "bpe" and not args.bpemodel:
        raise UserError(
            f"{config_file}: token_type is bpe, but bpemodel is not set: enter the "
            "path of the SentencePiece model with which the tokens were made"
        )
