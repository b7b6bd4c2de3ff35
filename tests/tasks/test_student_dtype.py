"""A student whose products are in half precision (--student_dtype)."""

import tiny_encrl
import torch
from product_dtypes import product_dtypes

HALF = ("--student_dtype", "bfloat16")
NAMES = ["a", "b", "c"]


def _gradients(model):
    torch.manual_seed(0)
    loss = model(*tiny_encrl.batch(), utt_id=NAMES)[0]
    loss.backward()
    return loss.detach(), {
        name: parameter.grad
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }


def test_its_encoder_alone_is_in_half_precision(tiny_asr_model, tmp_path):
    model = tiny_encrl.build(tiny_asr_model, tmp_path, *HALF)[0]
    theirs = {}
    ours = product_dtypes(
        model,
        lambda: theirs.update(product_dtypes(model.teacher.model, lambda: _run(model))),
    )
    for name in "ctc.ctc_lo", *(n for n in ours if n.startswith("objectives.")):
        assert ours.pop(name) == torch.float32, name
    assert len(ours) > 10 and set(ours.values()) == {torch.bfloat16}
    assert set(theirs.values()) == {torch.float32}
    # What ESPnet's optimiser and checkpoints see.
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def _run(model):
    model(*tiny_encrl.batch(), utt_id=NAMES)


def test_it_learns_the_same_but_for_rounding(tiny_asr_model, tmp_path):
    exact, rounded = (
        tiny_encrl.build(
            tiny_asr_model, tmp_path / name, "--student_exits", "1", *options
        )[0]
        for name, options in (("exact", ()), ("half", HALF))
    )
    rounded.load_state_dict(exact.state_dict())
    for model in exact, rounded:
        model.eval()  # without dropout and SpecAugment
    loss, gradients = _gradients(exact)
    half_loss, half = _gradients(rounded)
    assert half.keys() == gradients.keys()
    assert 0 < abs(half_loss - loss) < 0.02 * loss
    flat, half_flat = (
        torch.cat([one[name].flatten() for name in gradients])
        for one in (gradients, half)
    )
    assert half_flat.dtype == torch.float32
    assert torch.cosine_similarity(flat, half_flat, dim=0) > 0.99
