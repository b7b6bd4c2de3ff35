"""The comparisons that the dual-mode recipe asks its report for."""

import pytest

from espnet_plugin.bin import dual_mode_pairs as command
from espnet_plugin.bin import report
from espnet_plugin.files import read_json, write_json
from espnet_plugin.report.dual_pairs import dual_mode_pairs

# Utterances of ten words, and how many of them each row gets wrong.
ROWS = {
    ("streaming_alone", "streaming"): ("streaming_alone", "streaming", (4, 4, 4)),
    ("streaming_longer", "streaming"): (
        "streaming_alone",
        "longer streaming",
        (4,) * 3,
    ),
    ("dense_dense", "streaming"): ("dual_mode", "dense streaming", (3, 4, 4)),
    ("pruned_after_50", "streaming"): ("pruned_after", "50 % streaming", (5, 5, 6)),
    ("pruned_after_30", "streaming"): ("pruned_after", "30 % streaming", (5, 5, 6)),
    ("full_alone", "full"): ("full_alone", "full", (2, 1, 1)),
    ("self_pruned_50", "full"): ("dual_mode", "self-pruned 50 % full", (2, 2, 1)),
    ("self_pruned_50", "streaming"): (
        *("dual_mode", "self-pruned 50 % streaming", (3, 4, 3)),
    ),
    ("fixed_masks_50", "streaming"): ("dual_mode", "fixed streaming", (3, 4, 4)),
    ("blocks_50", "streaming"): ("dual_mode", "blocks streaming", (3, 4, 4)),
    ("pretrained_50", "full"): ("dual_mode", "pre-trained 50 % full", (1, 1, 1)),
}


def write_row(exp, row, mode, seed=1, layers=4, scored=True):
    method, variant, errors = ROWS[row, mode]
    folder = exp / f"asr_{row}_s{seed}_{mode}"
    folder.mkdir(parents=True)
    meta = dict(method=method, variant=variant, layers=layers, seed=seed, params=9)
    write_json(folder / "meta.json", meta)
    (folder / "config.yaml").touch()
    if scored:
        utterances = [
            dict(utt=f"u{i}", spk="s", errors=e, words=10) for i, e in enumerate(errors)
        ]
        score = dict(
            wer=100 * sum(errors) / 30, words=30, per_utterance=utterances, utterances=3
        )
        (folder / "decode_best_path/test").mkdir(parents=True)
        write_json(folder / "decode_best_path/test/score.json", score)


def test_every_pair_whose_rows_exist(tmp_path):
    for row, mode in ROWS:
        write_row(tmp_path, row, mode)
    write_row(tmp_path, "self_pruned_50", "streaming", seed=2)
    half = "dual_mode self-pruned 50 % streaming 4"
    longer = "streaming_alone longer streaming 4"
    half_full = "dual_mode self-pruned 50 % full 4"
    assert dual_mode_pairs(tmp_path) == [
        ("streaming_alone streaming 4", half),
        ("pruned_after 50 % streaming 4", half),
        ("streaming_alone streaming 4", "dual_mode fixed streaming 4"),
        ("pruned_after 50 % streaming 4", "dual_mode fixed streaming 4"),
        ("streaming_alone streaming 4", longer),
        (longer, "pruned_after 30 % streaming 4"),
        (longer, "pruned_after 50 % streaming 4"),
        (longer, half),
        ("streaming_alone streaming 4", "dual_mode dense streaming 4"),
        ("dual_mode dense streaming 4", half),
        ("full_alone full 4", half_full),
        ("full_alone full 4", "dual_mode pre-trained 50 % full 4"),
        (half_full, "dual_mode pre-trained 50 % full 4"),
        (half, "dual_mode fixed streaming 4"),
        (half, "dual_mode blocks streaming 4"),
    ]


def test_both_pretrainings_are_compared(tmp_path, monkeypatch):
    row = ("dual_mode", "pre-trained (BEST-RQ) 50 % full", (1, 1, 1))
    monkeypatch.setitem(ROWS, ("pretrained_best_rq_50", "full"), row)
    for one in ("self_pruned_50", "pretrained_50", "pretrained_best_rq_50"):
        write_row(tmp_path, one, "full")
    pretrained = "dual_mode pre-trained 50 % full 4"
    best_rq = "dual_mode pre-trained (BEST-RQ) 50 % full 4"
    half = "dual_mode self-pruned 50 % full 4"
    assert dual_mode_pairs(tmp_path) == [
        (half, pretrained),
        (half, best_rq),
        (pretrained, best_rq),
    ]


def test_what_is_missing_or_of_another_depth_is_not_compared(tmp_path):
    write_row(tmp_path, "streaming_alone", "streaming", scored=False)
    write_row(tmp_path, "pruned_after_50", "streaming", layers=6)
    write_row(tmp_path, "self_pruned_50", "streaming")
    assert dual_mode_pairs(tmp_path) == []
    assert dual_mode_pairs(tmp_path, decoding="transducer") == []
    write_row(tmp_path, "self_pruned_50", "streaming", seed=2, layers=6)
    (pair,) = dual_mode_pairs(tmp_path)
    assert [name.split()[-1] for name in pair] == ["6", "6"]


def test_the_report_takes_them_as_they_are_printed(tmp_path, capsys):
    for row, mode in ROWS:
        write_row(tmp_path, row, mode)
    assert command.main([str(tmp_path)]) == 0
    options = capsys.readouterr().out.splitlines()
    output = ["--results_json", str(tmp_path / "results.json"), "--corpus", "tiny"]
    folders = [str(path) for path in sorted(tmp_path.glob("asr_*"))]
    assert report.main([*folders, *output, *options]) == 0
    made = read_json(tmp_path / "results.json")["comparisons"]
    assert len(made) == 15
    assert made[0]["first"] == "streaming_alone streaming 4"
    # 10 errors instead of 12 of 30 words.
    assert made[0]["difference"] == pytest.approx(100 * (10 - 12) / 30)


def test_a_folder_that_is_not_there(tmp_path, capsys):
    assert command.main([str(tmp_path / "none")]) == 2
