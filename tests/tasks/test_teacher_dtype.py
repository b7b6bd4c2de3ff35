"""A reference whose products are in half precision (--teacher_dtype)."""

import pytest
import tiny_encrl
import torch
from product_dtypes import product_dtypes

from espnet_plugin.errors import UserError
from espnet_plugin.tensors.precision import run_in

HALF = ("--teacher_dtype", "bfloat16")


@pytest.fixture(scope="module")
def model(tiny_asr_model, tmp_path_factory):
    return tiny_encrl.build(tiny_asr_model, tmp_path_factory.mktemp("half"), *HALF)[0]


def test_its_encoder_alone_is_in_half_precision(model):
    teacher = model.teacher
    seen = product_dtypes(teacher.model, lambda: teacher(*tiny_encrl.batch()))
    assert seen.pop("ctc.ctc_lo") == torch.float32
    assert len(seen) > 10 and set(seen.values()) == {torch.bfloat16}
    assert {p.dtype for p in teacher.model.parameters()} == {torch.float32}


def test_its_outputs_are_the_references_but_for_rounding(
    model, tiny_asr_model, tmp_path
):
    exact = tiny_encrl.build(tiny_asr_model, tmp_path)[0].teacher(*tiny_encrl.batch())
    rounded = model.teacher(*tiny_encrl.batch())
    assert torch.equal(rounded.lengths, exact.lengths)
    for name in ("encoding", "log_posteriors"):
        ours, theirs = getattr(rounded, name), getattr(exact, name)
        assert ours.dtype == torch.float32
        error = (ours - theirs).abs()
        # bfloat16 has 8 bits of precision, and layers add up what it rounds.
        assert 0 < error.mean() < 0.02 * theirs.std(), name
    total = rounded.log_posteriors.exp().sum(-1)
    assert torch.allclose(total, torch.ones_like(total), atol=1e-5)


def test_intermediate_outputs_are_passed_on():
    class Encoder(torch.nn.Linear):
        def forward(self, features, lengths):
            hidden = super().forward(features)
            return (hidden, [(1, hidden)]), lengths, None

    torch.manual_seed(0)
    encoder, features = Encoder(8, 8), torch.randn(2, 5, 8)
    exact = encoder(features, None)[0][0]
    run_in(torch.bfloat16, encoder)
    (output, ((layer, hidden),)), lengths, state = encoder(
        features, torch.tensor([5, 5])
    )
    assert output.dtype == hidden.dtype == torch.float32
    assert torch.equal(output, hidden)
    assert layer == 1 and lengths.tolist() == [5, 5] and state is None
    assert 0 < (output - exact).abs().max() < 0.05


def test_the_student_trains_in_single_precision(model):
    seen = product_dtypes(
        model.encoder,
        lambda: model(*tiny_encrl.batch(), utt_id=["a", "b", "c"])[0].backward(),
    )
    assert set(seen.values()) == {torch.float32}
    gradients = [p.grad for p in model.encoder.parameters() if p.grad is not None]
    assert gradients and all(torch.isfinite(g).all() for g in gradients)


def test_a_cache_of_another_precision_is_refused(tiny_asr_model, tmp_path):
    cache = ("--teacher_cache", str(tmp_path / "cache"))
    tiny_encrl.build(tiny_asr_model, tmp_path / "half", *cache, *HALF)
    tiny_encrl.build(tiny_asr_model, tmp_path / "again", *cache, *HALF)
    with pytest.raises(UserError, match="precision"):
        tiny_encrl.build(tiny_asr_model, tmp_path / "single", *cache)


def test_a_single_precision_cache_is_refused_too(tiny_asr_model, tmp_path):
    cache = ("--teacher_cache", str(tmp_path / "cache"))
    tiny_encrl.build(tiny_asr_model, tmp_path / "single", *cache)
    with pytest.raises(UserError, match="precision"):
        tiny_encrl.build(tiny_asr_model, tmp_path / "half", *cache, *HALF)
