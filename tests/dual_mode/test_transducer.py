"""The transducer's loss against all alignments, its search against ESPnet's."""

from functools import lru_cache

import pytest
import torch
from espnet2.asr.decoder.transducer_decoder import TransducerDecoder
from espnet2.asr.transducer.beam_search_transducer import BeamSearchTransducer
from espnet2.asr_transducer.joint_network import JointNetwork

from espnet_plugin.dual_mode.transducer import GreedySearch, TransducerLoss

TOKENS = 5


def brute_force(log_probs, target):
    """Sum over every path through the lattice of one utterance.

    Args:
        log_probs: ``(frames, tokens + 1, vocabulary)``.
        target: Tokens.
    """
    frames = len(log_probs)

    @lru_cache(None)
    def paths(t, u):
        """All paths from node (t, u) to the end, as their log-probabilities."""
        found = []
        blank = float(log_probs[t, u, 0])
        if t + 1 < frames:
            found += [blank + rest for rest in paths(t + 1, u)]
        elif u == len(target):
            found.append(blank)
        if u < len(target):
            step = float(log_probs[t, u, target[u]])
            found += [step + rest for rest in paths(t, u + 1)]
        return tuple(found)

    return torch.tensor(paths(0, 0), dtype=torch.float64).logsumexp(0)


def test_the_loss_is_the_sum_over_all_alignments():
    torch.manual_seed(0)
    logits = torch.randn(2, 4, 4, TOKENS, requires_grad=True)
    targets = torch.tensor([[1, 4, 2], [3, 3, -1]])
    lengths, counts = torch.tensor([4, 3]), torch.tensor([3, 2])
    loss = TransducerLoss()(logits, targets, lengths, counts)
    log_probs = logits.detach().double().log_softmax(-1)
    each = [
        -brute_force(log_probs[b, :t, : u + 1], targets[b, :u].tolist())
        for b, (t, u) in enumerate(zip(lengths.tolist(), counts.tolist()))
    ]
    assert loss.item() == pytest.approx(float(sum(each) / 2), rel=1e-5)
    loss.backward()
    assert not logits.grad[1, 3:].any() and not logits.grad[1, :, 3:].any()


@pytest.fixture(scope="module", params=["lstm", "gru"])
def parts(request):
    torch.manual_seed(1)
    decoder = TransducerDecoder(TOKENS, request.param, hidden_size=6)
    joint = JointNetwork(TOKENS, 4, 6, joint_space_size=8)
    with torch.no_grad():  # else one token wins everywhere
        joint.lin_out.weight.mul_(4)
        joint.lin_out.bias[0] += 1
    return decoder.eval(), joint.eval()


def test_the_search_finds_what_espnets_greedy_search_does(parts):
    torch.manual_seed(2)
    frames = 3 * torch.randn(30, 4)
    # ESPnet's takes at most one token a frame.
    stock = BeamSearchTransducer(*parts, beam_size=1, search_type="default")
    with torch.no_grad():
        expected = stock(frames)[0].yseq[1:]
    tokens, score, _ = GreedySearch(*parts, most_tokens=1).advance(frames)
    assert tokens == [int(token) for token in expected] and len(set(tokens)) > 2
    assert score < 0


def test_frames_may_come_in_any_portions(parts):
    torch.manual_seed(3)
    frames = 3 * torch.randn(17, 4)
    search = GreedySearch(*parts)
    whole, score, _ = search.advance(frames)
    tokens, total, state = [], 0.0, None
    for portion in frames.split([1, 0, 5, 2, 9]):
        more, part, state = search.advance(portion, state)
        tokens, total = tokens + more, total + part
    assert tokens == whole and total == pytest.approx(score, rel=1e-5)


def test_a_frame_yields_a_limited_number_of_tokens(parts):
    decoder, joint = parts
    frames = torch.randn(3, 4)

    class Never(torch.nn.Module):
        def forward(self, frame, prediction):
            return torch.tensor([0.0, 9.0, 0.0, 0.0, 0.0])

    assert GreedySearch(decoder, Never(), most_tokens=4).advance(frames)[0] == [1] * 12
