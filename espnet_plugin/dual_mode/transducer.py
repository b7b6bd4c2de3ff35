"""The loss of a transducer (by torchaudio), and greedy search."""

from typing import NamedTuple, Optional

import torch
from torch import nn
from torchaudio.functional import rnnt_loss

__all__ = ["GreedySearch", "SearchState", "TransducerLoss"]


class TransducerLoss(nn.Module):
    """Negative log-probability of the text over all alignments, by torchaudio.

    - [0] Sequence Transduction with Recurrent Neural Networks, 2012,
      https://arxiv.org/abs/1211.3711, section 2.4.

    Args:
        blank: Number of the blank token.
    """

    def __init__(self, blank: int = 0):
        super().__init__()
        self.blank = blank

    def forward(
        self,
        logits: torch.Tensor,
        targets: torch.Tensor,
        lengths: torch.Tensor,
        target_lengths: torch.Tensor,
    ) -> torch.Tensor:
        """Compute the mean over the batch, in nats per utterance.

        Args:
            logits: Outputs of the joint network, ``(batch, frames, tokens + 1,
                vocabulary)``, before the softmax; ``frames`` and ``tokens`` are the
                largest of the lengths.
            targets: ``(batch, tokens)``.
            lengths: Valid frames ``(batch,)``.
            target_lengths: Valid tokens ``(batch,)``.
        """
        return rnnt_loss(
            logits.float().contiguous(),
            # Padding is ignored, but must be a valid token.
            targets.clamp(min=0).int().contiguous(),
            lengths.int(),
            target_lengths.int(),
            blank=self.blank,
            reduction="mean",
        )


class SearchState(NamedTuple):
    """The state of a greedy search; it does not grow with the utterance.

    Attributes:
        prediction: Output of the prediction network for the last token, ``(width,)``.
        memory: Recurrent state of the prediction network.
    """

    prediction: torch.Tensor
    memory: tuple


class GreedySearch:
    """The best token at each node of the lattice, frame by frame.

    - [0] Sequence Transduction with Recurrent Neural Networks, 2012,
      https://arxiv.org/abs/1211.3711.

    Args:
        decoder: ESPnet's ``TransducerDecoder``, in eval mode.
        joint_network: ESPnet's ``JointNetwork``, in eval mode.
        blank: Number of the blank token.
        most_tokens: Largest number of tokens in one frame, so that a search always
            ends.
    """

    def __init__(
        self,
        decoder: nn.Module,
        joint_network: nn.Module,
        blank: int = 0,
        most_tokens: int = 5,
    ):
        self._decoder, self._joint = decoder, joint_network
        self._blank, self._most = blank, most_tokens

    @torch.no_grad()
    def start(self) -> SearchState:
        """Return the state before the first frame."""
        device = next(self._decoder.parameters()).device
        self._decoder.set_device(device)
        return self._predict(self._blank, self._decoder.init_state(1), device)

    @torch.no_grad()
    def advance(
        self, frames: torch.Tensor, state: Optional[SearchState] = None
    ) -> tuple[list[int], float, SearchState]:
        """Decode frames.

        Args:
            frames: Encoder frames, ``(frames, width)``, any number.
            state: State that the last call returned; None at the beginning.

        Returns:
            New tokens, the log-probability of their alignment, and the next state.
        """
        state = self.start() if state is None else state
        tokens: list[int] = []
        total = 0.0
        for frame in frames:
            for _ in range(self._most):
                log_probs = self._joint(frame, state.prediction).log_softmax(-1)
                best = int(log_probs.argmax())
                total += float(log_probs[best])
                if best == self._blank:
                    break
                tokens.append(best)
                state = self._predict(best, state.memory, frame.device)
        return tokens, total, state

    def tokens_of(self, encoding: torch.Tensor, lengths: torch.Tensor) -> list:
        """Return the list of tokens of each utterance.

        Args:
            encoding: Encoder frames, ``(batch, frames, width)``.
            lengths: Valid frames ``(batch,)``.
        """
        rows = zip(encoding, lengths.tolist())
        return [self.advance(frames[:length])[0] for frames, length in rows]

    def _predict(self, token: int, memory: tuple, device) -> SearchState:
        embedded = self._decoder.embed(torch.tensor([[token]], device=device))
        prediction, memory = self._decoder.rnn_forward(embedded, memory)
        return SearchState(prediction[0, 0], memory)
