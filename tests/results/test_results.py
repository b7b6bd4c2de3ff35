"""Gathering hand-made experiment folders into results.json."""

import json

import pytest
from gathered_results import gathered, merged, updated
from result_folders import REFERENCES, RTF, make_model, make_shared

from espnet_plugin.errors import UserError
from espnet_plugin.files import write_json
from espnet_plugin.results.merge import merged_results
from espnet_plugin.results.pairs import compare_all
from espnet_plugin.results.read_score import ScoreChoice
from espnet_plugin.score.wer import score_texts


def test_row_holds_what_the_files_say(tmp_path):
    folder = make_model(tmp_path, "s6", wrong=2, valid_seconds=7)
    row = gathered([folder])["rows"][0]
    expected = {
        "method": "scratch",
        "variant": "",
        "layers": 6,
        "seed": 1,
        "params": 6000,
        "test_words": 20,
        "train_seconds": 60.0,
        "train_flops": 2e15,
        "teacher_flops": 0,
        "audio_seconds": 3600.0,
        "epochs": 5,
        "valid_seconds": 7,
        "encoder_rtf": 0.01,
        "rtf_load": 0.25,
        "rtf_threads": 1,
        "params_nonzero": 6000,
        "file_bytes": 4321,
        "macs_per_audio_second": 1e8,
        "macs_audio_seconds": 10.0,
        "peak_memory_mb": 12.5,
        "wer_ci95_speakers": None,
        "shared": None,
        "decoding": "best_path",
        "dir": "asr_s6",
        "test_errors_by_unit": "1 1 0 0 0",
        "test_words_by_unit": "4 4 4 4 4",
        "test_char_errors_by_unit": "2 2 0 0 0",
        "test_chars_by_unit": "7 7 7 7 7",
        "curve_epochs": None,
        "missing": [],
    }
    assert {key: row[key] for key in expected} == expected
    assert row["test_wer"] == row["dev_wer"] == pytest.approx(10.0)
    assert row["wer_ci95"][0] <= 10.0 <= row["wer_ci95"][1]
    assert row["dev_wer_ci95"] == row["wer_ci95"]  # the same utterances
    assert row["dev_errors_by_unit"] == "1 1 0 0 0"
    # Of 5 times "a b c d", 7 characters, " d" was lost twice.
    assert row["test_cer"] == pytest.approx(100 * 4 / 35)


def test_rows_are_sorted_reference_first_then_method_then_larger_first(tmp_path):
    folders = [
        make_model(tmp_path, "a", "scratch", 2),
        make_model(tmp_path, "b", "scratch", 6),
        make_model(tmp_path, "c", "encrl", 6, seed=2),
        make_model(tmp_path, "d", "encrl", 6, seed=1),
        make_model(tmp_path, "e", "layer_copy", 6),
        make_model(tmp_path, "f", "reference", 12),
    ]
    content = merged(None, folders)
    assert [row["dir"][-1] for row in content["rows"]] == list("fdcbae")


def test_missing_files_are_null_and_named(tmp_path, caplog):
    folder = make_model(tmp_path, "x", sets=("dev",))
    (folder / "rtf.json").unlink()
    write_json(folder / "cost.json", {"train_seconds": 1, "flops": 1, "epochs": 1})
    row = gathered([folder])["rows"][0]
    assert row["test_wer"] is None and row["wer_ci95"] is None
    assert row["encoder_rtf"] is None and row["audio_seconds"] is None
    assert row["dev_wer"] == pytest.approx(5.0)
    assert row["missing"] == [
        "decode_best_path/test/score.json",
        "rtf.json",
        "cost.json: teacher_flops",
        "cost.json: audio_seconds",
    ]
    assert "asr_x lacks decode_best_path/test/score.json" in caplog.text


def test_folder_without_meta_is_left_out_and_named(tmp_path, caplog):
    (tmp_path / "asr_running").mkdir()
    (tmp_path / "asr_stats_raw").mkdir()
    found = gathered([tmp_path / "asr_running", tmp_path / "asr_stats_raw"])
    assert not found["rows"] and not found["shared"]
    assert found["skipped"] == ["asr_running"]
    assert "asr_running has no config.yaml" in caplog.text
    # Begun by this plugin and not finished: no experiment of somebody else.
    (tmp_path / "asr_running" / "config.yaml").touch()
    write_json(tmp_path / "asr_running" / "request.json", {})
    assert gathered([tmp_path / "asr_running"])["skipped"] == ["asr_running"]
    assert "asr_running has no meta.json" in caplog.text
    with pytest.raises(UserError, match="none of the folders is a finished exp"):
        updated(tmp_path / "r.json", [tmp_path / "asr_running"], "mini")
    assert not (tmp_path / "r.json").exists()


def test_rtf_json_of_an_earlier_version_gives_a_row(tmp_path):
    folder = make_model(tmp_path, "old")
    write_json(folder / "rtf.json", {"encoder_rtf": 0.01})
    row = gathered([folder])["rows"][0]
    assert row["encoder_rtf"] == 0.01 and row["params_nonzero"] is None
    assert row["rtf_load"] is None and row["params"] == 6000
    assert row["missing"] == [
        "rtf.json: params_nonzero, file_bytes, macs_per_audio_second, peak_memory_mb"
    ]


def test_what_is_no_number_is_null_and_named(tmp_path):
    folder = make_model(tmp_path, "nan")
    score = json.loads((folder / "decode_best_path/test/score.json").read_text())
    score.update(cer=float("nan"), cer_ci95=[float("nan"), 1.0])
    (folder / "decode_best_path/test/score.json").write_text(json.dumps(score))
    (folder / "rtf.json").write_text(json.dumps({**RTF, "encoder_rtf": float("inf")}))
    (folder / "cost.json").write_text('{"flops": NaN, "epochs": 3}')
    content = updated(tmp_path / "results.json", [folder], "mini")
    row = content["rows"][0]
    assert row["test_wer"] == pytest.approx(5.0)
    assert row["test_cer"] is row["cer_ci95"] is row["encoder_rtf"] is None
    assert row["train_flops"] is None and row["epochs"] == 3
    assert row["missing"] == [
        "decode_best_path/test/score.json: a finite number for cer, cer_ci95",
        "rtf.json: a finite number for encoder_rtf",
        "cost.json: a finite number for flops",
        "cost.json: train_seconds",
        "cost.json: teacher_flops",
        "cost.json: audio_seconds",
    ]
    assert "NaN" not in (tmp_path / "results.json").read_text()


def test_an_empty_test_set_is_no_score(tmp_path):
    folder = make_model(tmp_path, "empty")
    path = folder / "decode_best_path/test/score.json"
    write_json(path, {"utterances": 0, "words": 0, "wer": 0.0, "per_utterance": []})
    row = gathered([folder])["rows"][0]
    assert row["test_wer"] is None and row["test_set"] is None
    assert row["missing"] == ["a score on the set 'test', which is empty"]


def test_bad_folders_are_refused(tmp_path):
    with pytest.raises(UserError, match="is not a folder"):
        gathered([tmp_path / "nothing"])
    write_json(tmp_path / "asr_a" / "meta.json", {"method": "scratch", "layers": 6})
    with pytest.raises(UserError, match="meta.json lacks seed"):
        gathered([tmp_path / "asr_a"])
    write_json(tmp_path / "encrl_a" / "meta.json", {"method": "encrl_pretrain"})
    with pytest.raises(UserError, match="serves"):
        gathered([tmp_path / "encrl_a"])
    twins = [make_model(tmp_path, "one"), make_model(tmp_path, "two")]
    with pytest.raises(
        UserError, match="asr_one and .*asr_two both describe '[a-z ]*6' with seed 1:"
    ):
        gathered(twins)
    # The same folder twice is no mistake.
    assert len(gathered([twins[0], f"{twins[0]}/"])["rows"]) == 1


def test_rows_of_folders_that_are_not_given_are_kept_and_marked(tmp_path, caplog):
    file = tmp_path / "results.json"
    mine = [
        make_model(tmp_path / "mine", f"e{seed}", "encrl", seed=seed, shared="main")
        for seed in (1, 2)
    ]
    content = updated(file, [*mine, make_shared(tmp_path / "mine")], "mini")
    assert not any("kept" in row for row in content["rows"] + content["shared"])
    assert "kept" not in caplog.text
    theirs = make_model(tmp_path / "theirs", "e1", "encrl", wrong=3)
    content = updated(file, [theirs])
    assert [row.get("kept", False) for row in content["rows"]] == [False, True]
    assert content["shared"][0]["kept"]
    assert content["aggregates"][0]["kept"] == ["asr_e2", "encrl_main"]
    assert "because their folders are not given: asr_e2, encrl_main;" in caplog.text
    # Drawn again, it says so still; read again, it is not old any more.
    assert updated(file, [])["rows"] == content["rows"]
    again = updated(file, [theirs, mine[1], tmp_path / "mine/encrl_main"])
    assert not any("kept" in row for row in again["rows"] + again["shared"])


def test_the_development_set_may_be_what_is_scored(tmp_path):
    file, model = tmp_path / "trials.json", make_model(tmp_path, "a")
    content = updated(file, [model], "mini", ScoreChoice("best_path", "dev"))
    assert content["on_dev"] and content["rows"][0]["test_wer"] is not None
    assert content["rows"][0]["test_wer"] == content["rows"][0]["dev_wer"]
    assert updated(file, [])["on_dev"]  # drawn again
    other = updated(
        tmp_path / "r.json", [model], "mini", ScoreChoice("best_path", "test")
    )
    assert not other["on_dev"]


@pytest.mark.parametrize(
    "choice, said",
    [
        (ScoreChoice("best-path"), "--decoding best-path: .* there are best_path"),
        (ScoreChoice("best_path", "tset"), "--test_set tset: .* there are dev, test"),
    ],
)
def test_a_misspelt_decoding_or_set_keeps_the_table(tmp_path, choice, said):
    file, model = tmp_path / "r.json", make_model(tmp_path, "a")
    before = updated(file, [model], "mini")
    with pytest.raises(UserError, match=said):
        updated(file, [model], "mini", choice)
    assert updated(file, []) == before
    # With the prefix of the folder it is the same decoding.
    again = updated(file, [model], "mini", ScoreChoice("decode_best_path"))
    assert again["rows"][0]["test_wer"] == before["rows"][0]["test_wer"]


@pytest.mark.parametrize("epochs", [None, [{"cpu_seconds": 1}, {"cpu_seconds": 2}]])
def test_processor_time_is_known_of_all_parts_or_not_at_all(tmp_path, epochs):
    known = {"cpu_seconds": 3.0}
    if epochs is not None:
        known["per_epoch"] = epochs
    folder = make_model(tmp_path, "a", **known)
    row = gathered([folder])["rows"][0]
    assert row["cpu_seconds"] == 3.0 and "cpu_without_cache" not in row
    # Not of an epoch: the sum is none.
    partly = {**known, "per_epoch": [{"cpu_seconds": 3.0}, {"train_seconds": 4.0}]}
    row = gathered([make_model(tmp_path, "b", layers=4, **partly)])["rows"][0]
    assert row["cpu_seconds"] is None
    # Files of earlier versions say nothing of the pass over the teacher.
    once = {"teacher_cache": {"train_seconds": 9.0}}
    cached = make_shared(tmp_path, **known, once=once)
    entry = gathered([cached])["shared"][0]
    assert entry["cpu_seconds"] == 3.0 and entry["cpu_without_cache"]
    once["teacher_cache"]["cpu_seconds"] = 1.0
    entry = gathered([make_shared(tmp_path, **known, once=once)])["shared"][0]
    assert "cpu_without_cache" not in entry


def test_table_grows_job_by_job(tmp_path):
    file = tmp_path / "results.json"
    updated(file, [make_model(tmp_path, "a", layers=6)], "mini")
    updated(file, [make_model(tmp_path, "b", layers=4)])
    content = updated(file, [make_model(tmp_path, "a", layers=6, wrong=3)])
    assert json.loads(file.read_text()) == content
    assert [row["layers"] for row in content["rows"]] == [6, 4]
    assert content["rows"][0]["test_wer"] == pytest.approx(15.0)
    with pytest.raises(UserError, match="for the corpus 'mini', not 'other'"):
        updated(file, [], "other")
    with pytest.raises(UserError, match="--corpus"):
        updated(tmp_path / "new.json", [tmp_path / "asr_a"])
    with pytest.raises(UserError, match="no experiment folder is given"):
        updated(tmp_path / "new.json", [], "mini")


def test_seeds_are_joined_with_mean_range_and_pooled_interval(tmp_path):
    folders = [
        make_model(tmp_path, f"s{seed}", seed=seed, wrong=wrong)
        for seed, wrong in ((1, 1), (2, 2), (3, 5))
    ]
    one = merged(None, folders)["aggregates"][0]
    assert one["seeds"] == [1, 2, 3] and one["scored"] == 3
    assert one["test_wer_mean"] == pytest.approx((5 + 10 + 25) / 3)
    assert (one["test_wer_min"], one["test_wer_max"]) == pytest.approx((5, 25))
    # Errors an utterance: 3, 2, 1, 1, 1 in three seeds of four words.
    low, high = one["wer_ci95"]
    assert 8.3 < low < one["test_wer_mean"] < high < 25.1


def test_speakers_of_the_score_stay_the_unit(tmp_path):
    folder = make_model(tmp_path, "s")
    speakers = {utt: "xy"[i % 2] for i, utt in enumerate(REFERENCES)}
    score = score_texts(REFERENCES, REFERENCES, speakers, "speaker", 50)
    write_json(folder / "decode_best_path" / "test" / "score.json", score.to_dict())
    row = gathered([folder])["rows"][0]
    assert row["bootstrap_unit"] == "speaker"
    assert row["test_words_by_unit"] == "12 8"


def test_interval_over_speakers_where_there_are_several(tmp_path):
    folder = make_model(tmp_path, "s")
    speakers = {utt: "xy"[i % 2] for i, utt in enumerate(REFERENCES)}
    wrong = {utt: "a b" if s == "x" else "a b c d" for utt, s in speakers.items()}
    score = score_texts(REFERENCES, wrong, speakers, resamples=50)
    write_json(folder / "decode_best_path" / "test" / "score.json", score.to_dict())
    row = gathered([folder])["rows"][0]
    assert row["bootstrap_unit"] == "utterance"
    assert row["test_errors_by_speaker"] == "6 0"
    assert row["test_words_by_speaker"] == "12 8"
    # Two speakers, one all right and one half wrong: both extremes are drawn.
    assert row["wer_ci95_speakers"] == [0.0, 50.0]
    one = merged(None, [folder])["aggregates"][0]
    assert one["wer_ci95_speakers"] == [0.0, 50.0]


def test_other_test_sets_are_refused_unless_allowed(tmp_path):
    folders = [make_model(tmp_path, "a"), make_model(tmp_path, "b", layers=4)]
    fewer = {utt: REFERENCES[utt] for utt in list(REFERENCES)[:3]}
    score = score_texts(fewer, fewer, resamples=50)
    write_json(folders[1] / "decode_best_path/test/score.json", score.to_dict())
    with pytest.raises(UserError, match="5 and 3 utterances, 3 names in common"):
        merged(None, folders)
    content = merged(None, folders, intersection=True)
    assert sorted(s["utterances"] for s in content["test_sets"].values()) == [3, 5]
    # A replaced row takes its test set with it.
    content = merged(content, [make_model(tmp_path, "b", layers=4)])
    assert [s["utterances"] for s in content["test_sets"].values()] == [5]


def test_a_width_of_its_own_is_a_size_of_its_own(tmp_path):
    shapes = [(6, None), (4, None), (4, 72), (4, 48)]
    folders = [
        make_model(
            tmp_path, f"{method}_{n}_{width}_{seed}", method, n, seed, width=width
        )
        for method in ("encrl", "scratch")
        for n, width in reversed(shapes)
        for seed in (1, 2)
    ]
    results_json = tmp_path / "results.json"
    content = updated(results_json, folders, "mini")
    rows = [row for row in content["rows"] if row["method"] == "encrl"]
    assert [(row["layers"], row.get("width")) for row in rows[::2]] == shapes
    # Files without such sizes stay as they were.
    assert all(("width" in row) == (row.get("width") is not None) for row in rows)
    assert [one["seeds"] for one in content["aggregates"]] == [[1, 2]] * 8
    assert [f["layers"] for f in content["families"]] == [[6, 4, "4x72", "4x48"]] * 2
    # Read again, and drawn again without a folder.
    again = merged_results(results_json, [])
    assert again.to_dict() == content
    labels = [group.label for group in again.groups if group.method == "scratch"]
    assert labels == ["scratch 6", "scratch 4", "scratch 4x72", "scratch 4x48"]
    compared = merged_results(results_json, []).with_comparisons(compare_all(again))
    pairs = {(c.first.label, c.second.label) for c in compared.comparisons}
    assert {pair for pair in pairs if pair[1] == "encrl 4x72"} == {
        ("scratch 4x72", "encrl 4x72")
    }


def test_an_emptied_file_has_no_rows_to_keep(tmp_path):
    """As a power cut leaves it; what is damaged otherwise is refused."""
    folder, path = make_model(tmp_path, "s6", wrong=2), tmp_path / "results.json"
    first = updated(path, [folder], "mini")
    path.write_bytes(b"")
    assert updated(path, [folder], "mini") == first
    path.write_bytes(b"{")
    with pytest.raises(UserError, match="is not JSON"):
        updated(path, [folder], "mini")
