"""What the teacher's cache cost is paid for once by all that read it."""

from result_folders import make_model, make_shared

from espnet_plugin.results.gather import gather
from espnet_plugin.results.results import make_results

CACHE = {"train_seconds": 20.0, "teacher_flops": 5e14, "audio_seconds": 100.0}


def cost(made_of="d" * 64, **more):
    figures = {"train_seconds": 120.0, "flops": 3e15, "teacher_flops": 5e14}
    told = {"made_of": {"teacher_cache": made_of}} if made_of else {}
    return {
        **figures,
        "audio_seconds": 7300.0,
        "once": {"teacher_cache": CACHE},
        **told,
    }


def family(folder, *made_of):
    for name, layers, digest in zip(("main", "main_2l"), (6, 2), made_of):
        make_shared(folder, name, **cost(digest))
        make_model(
            folder,
            f"encrl_{layers}l",
            "encrl",
            layers,
            shared=f"encrl_{name}",
            **dict.fromkeys(("train_seconds", "flops", "audio_seconds", "epochs"), 0),
        )
    entries = gather(sorted(folder.iterdir()))
    results = make_results(entries)
    (made,) = results.families
    return results, made


def test_two_trainings_of_a_family_pay_for_one_cache(tmp_path):
    results, made = family(tmp_path, "d" * 64, "d" * 64)
    assert made.whole["teacher_flops"] == 5e14
    assert made.whole["train_flops"] == 6e15
    assert made.whole["train_seconds"] == 100 + 100 + 20
    # One model alone pays for all of it.
    for group in results.groups:
        assert group.whole["train_seconds"] == 120
        assert group.whole["teacher_flops"] == 5e14


def test_other_caches_are_paid_for_each(tmp_path):
    _, made = family(tmp_path, "d" * 64, "e" * 64)
    assert made.whole["teacher_flops"] == 1e15


def test_files_of_earlier_versions_are_read_as_before(tmp_path):
    results, made = family(tmp_path, None, None)
    assert made.whole["teacher_flops"] == 1e15
    assert {run.name for run in results.runs.values()} == {
        "encrl_main",
        "encrl_main_2l",
    }
