"""The text of recognised tokens, as ESPnet writes it."""

from typing import Any, Optional, Sequence

from espnet_plugin.export.facts import ModelFacts

__all__ = ["TokenText"]


class TokenText:
    """Base class of loaded models: from tokens to text.

    Attributes:
        facts: What is written beside the export; here only its tokens are needed.
        tokenizer: ESPnet's tokenizer; None: tokens are words.
    """

    facts: ModelFacts
    tokenizer: Optional[Any]

    def text(self, token_ids: Sequence[int]) -> str:
        """Return the text of tokens, as ESPnet writes it."""
        tokens = [self.facts.tokens[number] for number in token_ids]
        if self.tokenizer is None:
            return " ".join(tokens)
        return self.tokenizer.tokens2text(tokens)
