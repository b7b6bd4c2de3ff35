"""The number of updates against the batches that ESPnet makes."""

import argparse

import pytest
import torch
from espnet2.tasks.asr import ASRTask
from espnet2.train.distributed_utils import DistributedOption

from espnet_plugin.errors import UserError
from espnet_plugin.tasks.schedule import complete_schedule, updates_per_epoch


@pytest.fixture(scope="module")
def parse(tiny_asr_model, tmp_path_factory):
    """Return ESPnet's own arguments for the tiny model's six utterances."""
    data = tiny_asr_model.data_dir
    tokens = tmp_path_factory.mktemp("tokens") / "tokens.txt"
    tokens.write_text("".join(f"{t}\n" for t in tiny_asr_model.token_list))

    def parse_options(*more):
        return ASRTask.get_parser().parse_args(
            ["--token_list", str(tokens), "--token_type", "char"]
            + ["--train_data_path_and_name_and_type"]
            + [f"{data}/wav.scp,speech,sound"]
            + ["--train_data_path_and_name_and_type", f"{data}/text,text,text"]
            + ["--train_shape_file", f"{data}/utt2num_samples"]
            + ["--num_workers", "0", "--output_dir", str(tokens.parent), *more]
        )

    return parse_options


@pytest.mark.parametrize(
    "options",
    [
        ["--batch_type", "numel", "--batch_bins", "40000"],
        ["--batch_type", "numel", "--batch_bins", "20000", "--min_batch_size", "2"],
        ["--batch_type", "length", "--batch_bins", "30000"],
        ["--batch_type", "folded", "--batch_size", "4", "--fold_length", "9000"],
        ["--batch_type", "sorted", "--batch_size", "2"],
        ["--batch_type", "sorted", "--batch_size", "4", "--drop_last_iter", "true"],
        ["--batch_type", "unsorted", "--batch_size", "4"],
        ["--batch_type", "sorted", "--batch_size", "1", "--num_iters_per_epoch", "5"],
    ],
    ids=" ".join,
)
def test_equals_what_espnet_builds(parse, options):
    args = parse(*options)
    factory = ASRTask.build_iter_factory(args, DistributedOption(), mode="train")
    # The first epoch; as every other one.
    expected = sum(1 for _ in factory.build_iter(1, shuffle=False))
    assert expected > 0
    assert updates_per_epoch(args) == expected


@pytest.mark.parametrize("accum_grad, expected", [(1, 6), (2, 3), (4, 1), (6, 1)])
def test_what_is_left_over_updates_nothing(parse, accum_grad, expected):
    options = ["--batch_type", "sorted", "--batch_size", "1"]
    args = parse(*options, "--accum_grad", str(accum_grad))
    assert updates_per_epoch(args) == expected


def test_other_iterators_have_no_fixed_length(parse):
    with pytest.raises(UserError, match="iterator_type chunk.*total_steps"):
        updates_per_epoch(parse("--iterator_type", "chunk"))


class TestFillSchedule:
    @pytest.fixture
    def args(self, parse):
        return parse(
            *["--batch_type", "sorted", "--batch_size", "2", "--max_epoch", "5"],
            *["--scheduler", "onecyclelr", "--scheduler_conf", "max_lr=0.1"],
        )

    def test_the_schedule_ends_with_the_training(self, args):
        before = dict(args.scheduler_conf)
        conf = complete_schedule(args)
        assert conf["total_steps"] == 5 * 3 + 1
        assert args.scheduler_conf == before
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, **conf)
        for _ in range(5 * 3):
            optimizer.step()
            schedule.step()  # one too many raises
        low = 0.1 / 25 / 1e4
        assert schedule.get_last_lr()[0] == pytest.approx(low, rel=1e-3)

    @pytest.mark.parametrize("given", [{"total_steps": 7}, {"steps_per_epoch": 7}])
    def test_what_is_given_stays(self, args, given):
        args.scheduler_conf.update(given)
        assert complete_schedule(args) == {"max_lr": 0.1, **given}

    def test_a_rise_of_no_length_is_refused(self, args):
        args.max_epoch = 1
        args.scheduler_conf["pct_start"] = 0.25
        with pytest.raises(UserError, match="3 updates: too few.*pct_start 0.25"):
            complete_schedule(args)

    def test_other_schedules_are_left_alone(self):
        args = argparse.Namespace(scheduler="warmuplr", scheduler_conf={})
        assert complete_schedule(args) == {}
