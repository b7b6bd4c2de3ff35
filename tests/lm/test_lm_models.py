"""Language models cut and factored, against slow ways and ESPnet's own programs."""

from dataclasses import replace

import pytest
import torch
import yaml
from espnet2.bin import lm_calc_perplexity
from espnet2.tasks.lm import LMTask
from tiny_lm import CONF, SENTENCES, TOKENS, build_tiny_lm, write_text

from espnet_plugin import host
from espnet_plugin.errors import UserError
from espnet_plugin.lm.compress import cut_parts, factored_state
from espnet_plugin.lm.importance import (
    first_order,
    input_moments,
    magnitude,
    singular_first_order,
)
from espnet_plugin.lm.load import LanguageModel, build_lm, check_same_tokens, load_lm
from espnet_plugin.lm.make import merged_model, write_plain
from espnet_plugin.lm.model import CompactTransformerLM, LowRankLinear, block_layers
from espnet_plugin.lm.perplexity import text_figures
from espnet_plugin.lm.speed import ms_per_token
from espnet_plugin.lm.text import batches, read_sentences, read_text

STEP = 1e-6


@pytest.fixture
def dense(tmp_path):
    return load_lm(build_tiny_lm(tmp_path / "lm_dense"))


@pytest.fixture
def text(tmp_path, dense):
    return read_sentences(write_text(tmp_path / "text"), dense.args)


def as_model(loaded, shape, state):
    """Make a model of new sizes and weights, as its configuration describes it."""
    name, conf = shape.to_conf(loaded.config["lm_conf"])
    config = {**loaded.config, "lm": name, "lm_conf": conf}
    model = build_lm(config, "test")
    model.load_state_dict(state)
    return LanguageModel(model.eval(), config, shape, loaded.checkpoint)


def summed_loss(model, text):
    (batch,) = batches(text)
    with torch.no_grad():
        return model.nll(batch.tokens, batch.lengths)[0].sum().item()


def logits(loaded, text):
    (batch,) = batches(text)
    with torch.no_grad():
        return loaded.model.lm(batch.tokens, None)[0]


def slope(model, text, weight, piece):
    """Return how the summed loss changes when a part of a matrix is scaled."""
    values = []
    for sign in 1, -1:
        before = weight.data.clone()
        weight.data[piece] *= 1 + sign * STEP
        values.append(summed_loss(model, text))
        weight.data = before
    return (values[0] - values[1]) / (2 * STEP)


def test_first_order_importance_is_the_finite_difference(dense, text):
    model = dense.model.double()
    found = first_order(model, batches(text))
    total = sum(len(one.tokens) + 1 for one in text)
    for number, block in enumerate(model.lm.encoder.encoders):
        out, last = block.self_attn.linear_out.weight, block.feed_forward.w_2.weight
        for head in range(2):
            columns = slice(None), slice(4 * head, 4 * head + 4)
            wanted = abs(slope(model, text, out, columns)) / total
            assert found.heads[number][head].item() == pytest.approx(
                wanted, rel=1e-5, abs=1e-9
            )
        for unit in range(12):
            wanted = abs(slope(model, text, last, (slice(None), unit))) / total
            assert found.units[number][unit].item() == pytest.approx(
                wanted, rel=1e-5, abs=1e-9
            )
    assert max(found.units[0]) > 1e-5  # and not all of them zero


def test_importance_of_several_batches_is_the_sum_of_their_sizes(dense, text):
    found = first_order(dense.model, batches(text, 2))
    total, wanted = 0, 0.0
    for batch in batches(text, 2):
        one = first_order(dense.model, [batch])
        tokens = int(batch.lengths.sum()) + 2
        wanted, total = wanted + one.units[1] * tokens, total + tokens
    torch.testing.assert_close(found.units[1], wanted / total)


def test_importance_of_singular_values_is_the_finite_difference(dense, text):
    model = dense.model.double()
    found = singular_first_order(model, batches(text))
    total = sum(len(one.tokens) + 1 for one in text)
    layer = model.lm.encoder.encoders[1].feed_forward.w_1
    left, values, right = torch.linalg.svd(layer.weight.detach(), full_matrices=False)
    for index in (0, 3, 7):
        component = values[index] * torch.outer(left[:, index], right[index])
        losses = []
        for sign in 1, -1:
            layer.weight.data += sign * STEP * component
            losses.append(summed_loss(model, text))
            layer.weight.data -= sign * STEP * component
        wanted = abs(losses[0] - losses[1]) / (2 * STEP) / total
        assert found[1, "w_1"][index].item() == pytest.approx(wanted, rel=1e-4)


def test_moments_are_those_of_sentence_after_sentence(dense, text):
    found = input_moments(dense.model, batches(text, 4))
    layer = dense.model.lm.encoder.encoders[1].feed_forward.w_2
    seen = []
    handle = layer.register_forward_pre_hook(lambda _, x: seen.append(x[0][0].double()))
    for batch in batches(text, 1):  # without any padding
        summed_loss_of = dense.model.nll(batch.tokens, batch.lengths)
        assert summed_loss_of[0].size(0) == 1
    handle.remove()
    inputs = torch.cat(seen).detach()
    assert len(inputs) == sum(len(one.tokens) + 1 for one in text)
    torch.testing.assert_close(found[1, "w_2"], inputs.T @ inputs / len(inputs))


@pytest.mark.parametrize("criterion", ["magnitude", "first_order"])
def test_cutting_what_writes_nothing_changes_nothing(dense, text, criterion):
    """Other heads and units in each block, and the order of the rest is kept."""
    with torch.no_grad():
        for number, block in enumerate(dense.model.lm.encoder.encoders):
            block.feed_forward.w_2.weight[:, number : number + 5] = 0.0
            block.self_attn.linear_out.weight[:, 4 * number : 4 * number + 4] = 0.0
    target = replace(dense.shape, heads=1, units=7)
    small = as_model(dense, target, cut_parts(dense, target, criterion, text))
    assert isinstance(small.model.lm, CompactTransformerLM)
    torch.testing.assert_close(logits(small, text), logits(dense, text))
    before = sum(p.numel() for p in dense.model.parameters())
    after = sum(p.numel() for p in small.model.parameters())
    # A head of width 4 and 5 units in 2 blocks, with the biases of what they read by.
    assert before - after == 2 * (4 * 4 * 8 + 3 * 4 + 5 * 2 * 8 + 5)


def test_magnitude_by_hand(dense):
    found = magnitude(dense.model)
    block = dense.model.lm.encoder.encoders[1]
    unit = block.feed_forward.w_1.weight[3].norm() * (
        block.feed_forward.w_2.weight[:, 3].norm()
    )
    torch.testing.assert_close(found.units[1][3], unit.detach())
    head = block.self_attn.linear_v.weight[4:].norm() * (
        block.self_attn.linear_out.weight[:, 4:].norm()
    )
    torch.testing.assert_close(found.heads[1][1], head.detach())


def test_cutting_units_alone_gives_espnets_own_class(dense, text):
    target = dense.shape.cut(0.8, "units")
    small = as_model(dense, target, cut_parts(dense, target, "first_order", text))
    assert small.config["lm"] == "transformer"
    assert small.model.lm.encoder.encoders[0].feed_forward.w_1.out_features < 12


@pytest.mark.parametrize("criterion", ["magnitude", "activations", "first_order"])
def test_full_rank_changes_nothing(dense, text, criterion):
    ranks = {name: min(size) for name, size in dense.shape.matrices().items()}
    target = replace(dense.shape, ranks=ranks)
    state = factored_state(dense, target, criterion, text)
    small = as_model(dense, target, state)
    assert all(isinstance(m, LowRankLinear) for _, _, m in block_layers(small.model.lm))
    torch.testing.assert_close(
        logits(small, text), logits(dense, text), atol=1e-4, rtol=1e-4
    )


@pytest.fixture(params=["cut", "factors", "both"])
def compact(request, tmp_path, dense, text):
    """A small model as a folder that only the launcher loads."""
    target, state = dense.shape, dict(dense.model.state_dict())
    loaded = dense
    if request.param != "factors":
        target = target.cut(0.5)
        state = cut_parts(loaded, target, "magnitude", text)
        loaded = as_model(loaded, target, state)
    if request.param != "cut":
        target = target.factored(0.6)
        state = factored_state(loaded, target, "activations", text)
        loaded = as_model(loaded, target, state)
    folder = tmp_path / "lm_small"
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(loaded.config))
    torch.save(loaded.model.state_dict(), folder / "valid.loss.ave.pth")
    return load_lm(folder)


def test_the_plain_model_beside_it_is_the_same_function(compact, text, tmp_path):
    """Loaded by stock ESPnet, of its own class."""
    write_plain(compact, tmp_path / "plain")
    model, args = LMTask.build_model_from_file(
        tmp_path / "plain/config.yaml", tmp_path / "plain/model.pth", "cpu"
    )
    assert args.lm == "transformer"
    assert type(model.lm).__name__ == "TransformerLM"
    plain = replace(compact, model=model.eval())
    torch.testing.assert_close(
        logits(plain, text), logits(compact, text), atol=1e-5, rtol=1e-4
    )
    assert args.lm_conf["head"] == CONF["head"]


def test_token_after_token_as_the_beam_search_scores(compact, text):
    """The hypotheses' states, against the whole sentence at once."""
    lm = compact.model.lm
    sentence = torch.cat([torch.tensor([compact.model.sos]), text[2].tokens])
    whole = lm(sentence[None], None)[0][0].log_softmax(dim=-1)
    states = [None, None]
    for length in range(1, len(sentence) + 1):
        prefix = torch.stack([sentence[:length]] * 2)
        scores, states = lm.batch_score(prefix, states, None)
        torch.testing.assert_close(scores[1], whole[length - 1], atol=1e-5, rtol=1e-4)
    assert ms_per_token(compact.model, tokens=3, runs=1) > 0


def test_merging_removes_the_factors(compact):
    merged = merged_model(compact)
    assert not merged.shape.ranks
    assert merged.shape.matrices() == compact.shape.matrices()


def test_perplexity_is_that_of_espnet(compact, text, tmp_path):
    """``espnet2.bin.lm_calc_perplexity``, sentence by sentence and in all."""
    host.register_lm()
    folder = compact.checkpoint.parent
    lm_calc_perplexity.main(
        ["--output_dir", str(tmp_path / "ppl"), "--num_workers", "0"]
        + ["--train_config", str(folder / "config.yaml")]
        + ["--model_file", str(compact.checkpoint)]
        + ["--data_path_and_name_and_type", f"{tmp_path}/text,text,text"]
    )
    figures = text_figures(compact.model, text, size=4)
    stock = float((tmp_path / "ppl/ppl").read_text())
    assert figures.perplexity == pytest.approx(stock, rel=1e-5)
    table = dict(
        line.split() for line in (tmp_path / "ppl/utt2ppl").read_text().splitlines()
    )
    for name, nll, tokens in zip(figures.names, figures.nll, figures.tokens):
        assert tokens == len(SENTENCES[name]) + 1
        own = torch.tensor(nll / tokens).exp().item()
        assert own == pytest.approx(float(table[name]), rel=1e-4)


def test_another_token_list_is_refused():
    other = [*TOKENS[:3], "B", "A", *TOKENS[5:]]
    with pytest.raises(
        UserError, match="token 3 is 'A' in the first and 'B' in the second"
    ):
        check_same_tokens(TOKENS, other, "exp/lm", "exp/asr")
    with pytest.raises(UserError, match="12 tokens and 11.*--asr_exp"):
        check_same_tokens(TOKENS, TOKENS[:-1], "exp/lm", "exp/asr")
    check_same_tokens(TOKENS, tuple(TOKENS), "exp/lm", "exp/asr")


def test_a_recurrent_language_model_is_refused(tmp_path):
    folder = build_tiny_lm(tmp_path / "rnn", "seq_rnn", {"unit": 4, "nlayers": 1})
    with pytest.raises(UserError, match=r"config.yaml: lm seq_rnn: .*recurrent"):
        load_lm(folder)


def test_what_is_no_language_model_is_refused(tmp_path, tiny_asr_model):
    with pytest.raises(UserError, match="not the configuration of a trained language"):
        load_lm(tiny_asr_model.config)
    with pytest.raises(UserError, match="is missing"):
        load_lm(tmp_path / "nothing.yaml")


def test_a_missing_tensor_is_refused(tmp_path):
    """ESPnet would leave it at its random values."""
    folder = build_tiny_lm(tmp_path / "lm")
    path = folder / "valid.loss.ave.pth"
    state = torch.load(path)
    del state["lm.encoder.encoders.1.feed_forward.w_1.weight"]
    torch.save(state, path)
    with pytest.raises(UserError, match="1 missing .*encoders.1.feed_forward.w_1"):
        load_lm(folder)


@pytest.mark.parametrize(
    "conf, message",
    [
        (dict(ranks={"w_1": 0}), "rank 0 of a matrix of 12 x 8: must be from 1 to 8"),
        (dict(ranks={"w_2": 9}), "rank 9 of a matrix of 8 x 12"),
        (dict(ranks={"w_3": 2}), "ranks: w_3: choose from linear_q"),
        (dict(head=3), "head 3: att_unit 8 is not a multiple"),
        (dict(head=3, head_width=3), "3 heads of width 3"),
        (dict(head=0, head_width=4), "0 heads of width 4"),
    ],
)
def test_sizes_out_of_range(conf, message):
    with pytest.raises(UserError, match=message):
        CompactTransformerLM(12, **{**CONF, **conf})


def test_text_without_words_is_refused(tmp_path):
    (tmp_path / "text").write_text("u1\nu2 \n")
    with pytest.raises(UserError, match="contains no text"):
        read_text(tmp_path / "text")
    (tmp_path / "text").write_text("u1\nu2 A\n")
    assert read_text(tmp_path / "text") == {"u2": "A"}
