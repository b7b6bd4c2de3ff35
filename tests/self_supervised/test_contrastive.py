"""The contrastive loss against loops over frames and candidates."""

import math

import pytest
import torch

from espnet_plugin.self_supervised.contrastive import (
    candidate_logits,
    chance_accuracy,
    contrastive_accuracy,
    draw_distractors,
    info_nce,
    masked_slots,
)

MASK = torch.tensor(
    [
        [0, 1, 1, 0, 1, 1, 1, 0],
        [1, 1, 0, 0, 0, 0, 0, 0],
        [0, 0, 0, 1, 0, 0, 0, 0],  # nothing to compare with
        [0, 0, 0, 0, 0, 0, 0, 0],
    ]
).bool()


def drawn(seed=0, number=6):
    slots = masked_slots(MASK)
    generator = torch.Generator().manual_seed(seed)
    return slots, draw_distractors(slots.counts, 5, number, generator)


def slow_loss(encodings, features, mask, distractors, temperature):
    """Frame by frame, as Eq. 3 is written; and the accuracy in the same way."""

    def cosine(a, b):
        dot = sum(x * y for x, y in zip(a, b))
        norms = [math.sqrt(sum(x * x for x in v)) for v in (a, b)]
        return dot / (norms[0] * norms[1])

    losses, correct = [], []
    for i in range(len(mask)):
        places = [t for t in range(mask.shape[1]) if mask[i, t]]
        if len(places) < 2:
            continue
        for slot, t in enumerate(places):
            context = encodings[i, t].tolist()
            others = [places[k] for k in distractors[i, slot].tolist()]
            scores = [
                cosine(context, features[i, k].tolist()) / temperature
                for k in [t] + others
            ]
            total = sum(math.exp(score) for score in scores)
            losses.append(-math.log(math.exp(scores[0]) / total))
            correct.append(scores[0] > max(scores[1:]))
    return sum(losses) / len(losses), sum(correct) / len(correct)


def test_masked_frames_are_found_in_order():
    slots = masked_slots(MASK)
    assert slots.counts.tolist() == [5, 2, 1, 0]
    assert slots.positions[0].tolist() == [1, 2, 4, 5, 6]
    assert slots.positions[1, :2].tolist() == [0, 1]
    assert slots.present.sum(1).tolist() == [5, 2, 1, 0]
    assert slots.usable.sum(1).tolist() == [5, 2, 0, 0]
    frames = torch.randn(4, 8, 3)
    assert torch.equal(slots.take(frames)[0], frames[0, MASK[0]])


@pytest.mark.parametrize("seed", range(20))
def test_distractors_are_other_masked_frames_of_the_utterance(seed):
    slots, distractors = drawn(seed, number=9)
    for i, count in enumerate(slots.counts.tolist()):
        for slot in range(count if count > 1 else 0):
            chosen = distractors[i, slot].tolist()
            assert slot not in chosen
            assert all(0 <= k < count for k in chosen)


def test_distractors_are_uniform():
    distractors = draw_distractors(torch.tensor([5]), 5, 40000)
    for slot in range(5):
        share = torch.bincount(distractors[0, slot], minlength=5) / 40000
        others = [k for k in range(5) if k != slot]
        assert share[slot] == 0 and torch.allclose(
            share[others], torch.tensor(0.25), atol=0.01
        )


@pytest.mark.parametrize("temperature", [0.1, 0.5])
@pytest.mark.parametrize("number", [1, 6])
def test_loss_and_accuracy_against_loops(temperature, number):
    torch.manual_seed(number)
    encodings, features = torch.randn(4, 8, 3).double(), torch.randn(4, 8, 3).double()
    slots, distractors = drawn(1, number)
    logits = candidate_logits(
        slots.take(encodings), slots.take(features), distractors, temperature
    )
    assert logits.shape == (4, 5, 1 + number)
    loss, accuracy = slow_loss(encodings, features, MASK, distractors, temperature)
    assert info_nce(logits, slots.usable).item() == pytest.approx(loss, rel=1e-5)
    same = torch.zeros_like(distractors, dtype=torch.bool)
    found = contrastive_accuracy(logits, same, slots.usable)
    assert found.item() == pytest.approx(accuracy)


def test_candidates_quantised_alike_share_the_accuracy():
    logits = torch.tensor([[[3.0, 3.0, 1.0, 3.0]], [[2.0, 1.0, 1.0, 4.0]]])
    usable = torch.ones(2, 1, dtype=torch.bool)
    same = torch.tensor([[[True, False, True]], [[False] * 3]])
    assert contrastive_accuracy(logits, same, usable).item() == pytest.approx(1 / 6)
    # One code for everything: as good as guessing.
    alike = torch.ones(2, 1, 3, dtype=torch.bool)
    flat = torch.zeros(2, 1, 4)
    assert contrastive_accuracy(flat, alike, usable).item() == pytest.approx(1 / 4)


def test_chance_is_one_over_the_different_candidates():
    distractors = torch.tensor([[[1, 2, 1, 1], [0, 2, 3, 4]]])
    usable = torch.ones(1, 2, dtype=torch.bool)
    expected = (1 / 3 + 1 / 5) / 2
    assert chance_accuracy(distractors, usable).item() == pytest.approx(expected)


def test_noise_is_no_better_than_chance():
    torch.manual_seed(0)
    mask = torch.ones(40, 30, dtype=torch.bool)
    slots = masked_slots(mask)
    distractors = draw_distractors(slots.counts, 30, 20)
    logits = candidate_logits(
        torch.randn(40, 30, 8), torch.randn(40, 30, 8), distractors, 0.1
    )
    same = torch.zeros_like(distractors, dtype=torch.bool)
    found = contrastive_accuracy(logits, same, slots.usable).item()
    chance = chance_accuracy(distractors, slots.usable).item()
    assert chance > 1 / 21  # drawn with replacement from 29
    assert found == pytest.approx(chance, abs=4 * (chance / 1200) ** 0.5)
