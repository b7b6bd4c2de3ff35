"""Two ranks with uneven batches do what one process does with the joined batch."""

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from espnet_plugin.distill.objectives import EncoderOutputs, WeightedObjectives
from espnet_plugin.tensors.ranks import gather_rows, sum_over_ranks

DIM, VOCABULARY = 6, 5
LENGTHS = ([7, 2, 5], [3, 1])  # of the two ranks
CONFIGURATIONS = (
    {"clip": {}},
    {"clip": {"normalize": False, "temperature": 1.0}},
    {"clip": {"learnable_temperature": True, "projection": True}},
    {"mse": {}},
    {"kl": {"blank_weight": 0.3}},
    {"clip": {}, "mse": {"weight": 2.0}},
)


class Student(torch.nn.Module):
    """An encoder and a CTC layer, as small as they can be."""

    def __init__(self, conf):
        super().__init__()
        torch.manual_seed(4)
        self.encoder = torch.nn.Linear(DIM, DIM)
        self.ctc = torch.nn.Linear(DIM, VOCABULARY)
        self.objectives = WeightedObjectives(conf, student_dim=DIM)

    def outputs(self, features, lengths):
        encoding = self.encoder(features)
        return EncoderOutputs(encoding, self.ctc(encoding).log_softmax(-1), lengths)

    def forward(self, features, lengths, teacher):
        return self.objectives(self.outputs(features, lengths), teacher)[0]


def batch(lengths, first):
    """Return features, lengths and the teacher's outputs; NaN on padding."""
    shape = (len(lengths), max(lengths))
    features = torch.full((*shape, DIM), 9.0)
    teacher = EncoderOutputs(
        torch.full((*shape, DIM), torch.nan),
        torch.full((*shape, VOCABULARY), torch.nan),
        torch.tensor(lengths),
    )
    for row, length in enumerate(lengths):
        generator = torch.Generator().manual_seed(first + row)
        features[row, :length] = torch.randn(length, DIM, generator=generator)
        teacher.encoding[row, :length] = torch.randn(length, DIM, generator=generator)
        teacher.log_posteriors[row, :length] = torch.randn(
            length, VOCABULARY, generator=generator
        ).log_softmax(-1)
    return features, torch.tensor(lengths), teacher


def gradients(model):
    return {
        name: None if p.grad is None else p.grad.clone()
        for name, p in model.named_parameters()
    }


def work(rank, folder):
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    results = []
    for conf in CONFIGURATIONS:
        model = Student(conf)
        features, lengths, teacher = batch(LENGTHS[rank], first=3 * rank)
        loss = model(features, lengths, teacher)
        # From here as espnet2.train.trainer.Trainer.train_one_epoch.
        weight = torch.tensor(len(lengths))
        loss = loss * weight.type(loss.dtype)
        average = loss.detach().clone()
        dist.all_reduce(weight)
        loss = loss / weight * dist.get_world_size()
        loss.backward()
        for parameter in model.parameters():
            if parameter.grad is not None:
                # What DistributedDataParallel does; importing it takes half a minute.
                dist.all_reduce(parameter.grad)
                parameter.grad /= dist.get_world_size()
        dist.all_reduce(average)
        results.append((average / weight, gradients(model)))
    rows, position = gather_rows(torch.full((rank + 1, 2), float(rank)))
    total = sum_over_ranks(torch.tensor([1.0 + rank]))
    torch.save((results, rows, position, total), f"{folder}/{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    mp.spawn(work, args=(str(folder),), nprocs=2)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.mark.parametrize("index", range(len(CONFIGURATIONS)), ids=lambda i: f"conf{i}")
def test_two_ranks_equal_one(ranks, index):
    features, lengths, teacher = batch([*LENGTHS[0], *LENGTHS[1]], first=0)
    model = Student(CONFIGURATIONS[index])
    loss = model(features, lengths, teacher)
    loss.backward()
    expected = gradients(model)
    assert any(g is not None and g.abs().max() > 1e-4 for g in expected.values())
    for results, *_ in ranks:
        their_loss, theirs = results[index]
        torch.testing.assert_close(their_loss, loss.detach(), rtol=1e-5, atol=1e-6)
        for name, gradient in expected.items():
            if gradient is None:
                assert theirs[name] is None or not theirs[name].any()
            else:
                torch.testing.assert_close(
                    theirs[name],
                    gradient,
                    rtol=1e-4,
                    atol=1e-6,
                )


def test_uneven_rows_are_joined_in_the_order_of_ranks(ranks):
    for rank, (_, rows, position, total) in enumerate(ranks):
        assert rows[:, 0].tolist() == [0.0, 1.0, 1.0]
        assert position == rank
        assert total.tolist() == [3.0]


def test_one_process_needs_no_ranks():
    rows = torch.ones(3, 2)
    assert gather_rows(rows) == (rows, 0)
    assert sum_over_ranks(rows) is rows
