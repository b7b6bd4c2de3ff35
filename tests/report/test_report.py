"""The command on hand-made folders: this plugin's and any other of ESPnet's."""

import json
from html.parser import HTMLParser

import pytest
import yaml
from result_folders import REFERENCES, make_model, make_shared, write_trn

from espnet_plugin.bin import report
from espnet_plugin.files import write_json
from espnet_plugin.report.published import PUBLISHED_HEADING
from espnet_plugin.results import model_folder
from espnet_plugin.results.row import Size

CONFIG = {
    "token_list": ["<blank>", "a"],
    "encoder": "conformer",
    "encoder_conf": {"num_blocks": 6},
    "ctc_conf": {},
    "model_conf": {"ctc_weight": 0.3},
    "seed": 7,
}
EPOCH = (
    "INFO: {0}epoch results: [train] loss=3, time=2 minutes and 3 seconds, "
    "total_count=9, [valid] cer_ctc=0.{0}, cer=nan, loss={0}.5, time=1 second\n"
)
VOID = {"meta", "img", "br"}


@pytest.fixture(autouse=True)
def no_espnet(monkeypatch):
    """Counting parameters takes ESPnet; here the folders hold no model to load."""
    size = Size(params=123_000, params_nonzero=123_000, file_bytes=500_000)
    monkeypatch.setattr(model_folder, "count_sizes", lambda folder, name: size)


def make_espnet(exp, name, wrong=1, sets=("test", "org/dev"), utterances=5):
    """What asr.sh leaves: one utterance in ``wrong`` first ones lost a word."""
    folder = exp / name
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    (folder / "valid.acc.ave_10best.pth").write_bytes(b"0" * 100)
    (folder / "train.log").write_text(EPOCH.format(1) + EPOCH.format(2))
    names = {utt: (f"s{i % 2}", utt) for i, utt in enumerate(REFERENCES)}
    names = dict(list(names.items())[:utterances])
    references = {key: REFERENCES[utt] for utt, key in names.items()}
    hypotheses = {
        key: "a b c" if i < wrong else "a b c d" for i, key in enumerate(references)
    }
    for one in sets:
        decoded = folder / "decode_asr_model_valid.acc.ave" / one
        write_trn(decoded / "score_wer", references, hypotheses)
        (decoded / "text").write_text(
            "".join(f"{utt} {hypotheses[key]}\n" for utt, key in names.items())
        )
    return folder


class Checker(HTMLParser):
    """Every element is closed in order, and nothing is fetched from elsewhere."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.images = [], "", 0

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            assert name[:2] != "on" and name != "style"
            if name == "src":
                assert tag == "img" and value.startswith("data:image/")
            if name == "href":
                assert tag == "a" and value.startswith("#")
        self.images += tag == "img"
        assert tag not in ("link", "iframe", "object", "base", "form")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def run(tmp_path, *options):
    options = [str(option) for option in options]
    return report.main([*options, "--output_dir", str(tmp_path / "out")])


def read_rows(tmp_path):
    return json.loads((tmp_path / "out/results.json").read_text())["rows"]


def test_any_espnet_folder_beside_ours(tmp_path, capsys):
    exp = tmp_path / "an4" / "asr1" / "exp"
    theirs = make_espnet(exp, "asr_train_e_branchformer", wrong=2)
    ours = make_model(exp, "scratch", wrong=5)
    assert run(tmp_path, theirs, ours) == 0
    content = json.loads((tmp_path / "out/results.json").read_text())
    assert content["corpus"] == "an4"
    row = next(row for row in content["rows"] if row["method"] == "espnet")
    expected = {
        "variant": "asr_train_e_branchformer",
        "layers": 6,
        "seed": 7,
        "params": 123_000,
        "file_bytes": 500_000,
        "checkpoint": "valid.acc.ave_10best.pth",
        "test_wer": pytest.approx(10.0),
        "dev_wer": pytest.approx(10.0),
        "test_words": 20,
        "test_errors_by_unit": "1 1 0 0 0",
        "test_errors_by_speaker": "1 1",
        "decoding": "asr_model_valid.acc.ave",
        "train_seconds": 246.0,
        "epochs": 2,
        "train_flops": None,
        "encoder_rtf": None,
        "dev_cer_by_epoch": "10 20",
        "dev_loss_by_epoch": "1.5 2.5",
        "missing": ["rtf.json", "cost.json"],
    }
    assert {key: row[key] for key in expected} == expected
    assert row["wer_ci95"][0] < 10 < row["wer_ci95"][1]
    printed = capsys.readouterr().out
    assert "| espnet" in printed
    for name in ("results.json", "RESULTS.md", "report.html", "plots/wer_params.png"):
        assert str(tmp_path / "out" / name) in printed
        assert (tmp_path / "out" / name).is_file()
    for name in ("wer_params", "wer_cost", "wer_rtf", "learning_curves"):
        assert (tmp_path / "out/plots" / f"{name}.svg").is_file()
    text = (tmp_path / "out/RESULTS.md").read_text()
    assert "![wer_rtf](plots/wer_rtf.png)" in text


def test_page_is_whole_and_escaped(tmp_path):
    folder = make_model(tmp_path, "odd", variant="<b>&'\"")
    other = make_model(tmp_path, "plain", "encrl", wrong=0)
    (folder / "rtf.json").unlink()
    assert run(tmp_path, folder, other, "--corpus", "<script>x</script>") == 0
    page = (tmp_path / "out/report.html").read_text()
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == [] and checker.images == 3
    assert "<script>x</script>: report" in checker.text
    assert "<b>&'\"" in checker.text and "no difference shown" in checker.text
    assert "asr_odd: rtf.json" in checker.text
    section = page.index(' class="published">')
    heading = page.index(f"<h2>{PUBLISHED_HEADING}")
    assert heading > section > page.index("<h2>Pictures")


def test_score_json_goes_before_transcripts(tmp_path):
    folder = make_espnet(tmp_path, "asr", wrong=5)
    source = make_model(tmp_path, "source", wrong=1) / "decode_best_path/test"
    target = folder / "decode_asr_model_valid.acc.ave/test/score.json"
    target.write_text((source / "score.json").read_text())
    assert run(tmp_path, folder) == 0
    assert read_rows(tmp_path)[0]["test_wer"] == pytest.approx(5.0)


def test_one_of_several_sets_or_decodings_is_asked_for(tmp_path, caplog):
    folder = make_espnet(tmp_path, "asr", sets=("clean", "other", "org/dev"))
    assert run(tmp_path, folder) == 2
    assert "several sets (clean, other): name one with --test_set" in caplog.text
    assert run(tmp_path, folder, "--test_set", "other") == 0
    (folder / "decode_asr_model_valid.acc.ave").rename(folder / "inference")
    again = make_espnet(tmp_path / "x", "asr") / "decode_asr_model_valid.acc.ave"
    again.rename(folder / "decode_beam")
    assert run(tmp_path, folder) == 2
    assert "several decodings (decode_beam, inference)" in caplog.text
    assert run(tmp_path, folder, "--decoding", "beam") == 0
    assert read_rows(tmp_path)[0]["decoding"] == "beam"


def test_missing_scores_and_an_empty_set_are_noted(tmp_path):
    none = make_espnet(tmp_path, "asr_none", sets=())
    empty = make_espnet(tmp_path, "asr_empty", utterances=0)
    other = make_espnet(tmp_path, "asr_other", sets=("clean",))
    good = make_espnet(tmp_path, "asr_good")
    assert run(tmp_path, none, empty, other, good, "--test_set", "test") == 0
    missing = {row["dir"]: row["missing"] for row in read_rows(tmp_path)}
    assert "decode_*/test/score_wer (scored: nothing)" in missing["asr_none"]
    assert "a score on the set 'test', which is empty" in missing["asr_empty"]
    assert (
        "decode_asr_model_valid.acc.ave/test/score_wer "
        "(scored: decode_asr_model_valid.acc.ave/clean)"
    ) in missing["asr_other"]
    rates = {row["dir"]: row["test_wer"] for row in read_rows(tmp_path)}
    assert rates["asr_none"] is rates["asr_empty"] is rates["asr_other"] is None
    assert rates["asr_good"] == pytest.approx(5.0)
    assert "Not there yet" in (tmp_path / "out/RESULTS.md").read_text()


def test_without_any_score_there_are_tables_and_no_plots(tmp_path, caplog):
    assert run(tmp_path, make_espnet(tmp_path, "asr_none", sets=())) == 0
    assert "no row has a test score" in caplog.text
    assert not (tmp_path / "out/plots").exists()


def test_bad_folders(tmp_path, caplog):
    empty = tmp_path / "no_experiment"
    empty.mkdir()
    assert run(tmp_path, empty) == 2
    assert "no_experiment has no config.yaml" in caplog.text
    assert "none of the folders is a finished experiment" in caplog.text
    assert run(tmp_path, tmp_path / "nothing") == 2
    assert "nothing is not a folder" in caplog.text
    assert not list((tmp_path / "out").glob("*"))
    twins = [make_espnet(tmp_path / one, "asr") for one in "ab"]
    assert run(tmp_path, *twins) == 2
    assert f"{twins[0]} and {twins[1]} both describe" in caplog.text
    (twins[0] / "config.yaml").write_text("batch_size: 3\n")
    assert run(tmp_path, twins[0]) == 2
    assert "lacks token_list, encoder" in caplog.text
    assert run(tmp_path) == 2
    assert "no experiment folder is given" in caplog.text


def test_other_test_sets(tmp_path, caplog, capsys):
    folders = [make_espnet(tmp_path, "one"), make_espnet(tmp_path, "two", utterances=4)]
    pair = ("--compare", "espnet one 6", "espnet two 6")
    assert run(tmp_path, *folders, *pair) == 2
    assert "5 and 4 utterances, 4 names in common" in caplog.text
    assert run(tmp_path, *folders, *pair, "--intersection") == 0
    assert "are compared on the 4 utterances" in caplog.text
    assert "no difference shown between espnet one 6 and espnet two 6 at 16 words" in (
        capsys.readouterr().out
    )
    text = (tmp_path / "out/RESULTS.md").read_text()
    assert "NOT ALL ROWS ARE SCORED ON THE SAME TEST SET" in text
    assert "no difference shown at 16 words (4 common utterances)" in text


def test_named_rows_are_compared(tmp_path, caplog, capsys):
    folders = [make_model(tmp_path, "a"), make_model(tmp_path, "b", "encrl", 4)]
    assert run(tmp_path, *folders, "--compare", "scratch 6", "asr_b") == 0
    sentence = "no difference shown between scratch 6 and encrl 4 at 20 words"
    assert sentence in capsys.readouterr().out
    content = json.loads((tmp_path / "out/results.json").read_text())
    assert content["comparisons"][0]["sentence"].startswith(sentence)
    assert run(tmp_path, *folders, "--compare", "scratch 6", "encrl 6") == 2
    assert "there is no such row; choose from 'encrl 4', 'scratch 6'" in caplog.text


def test_a_method_that_does_not_exist_is_refused_before_anything_is_written(
    tmp_path, caplog
):
    folders = [make_espnet(tmp_path, name) for name in ("asr_a", "asr_b")]
    assert run(tmp_path, *folders, "--rivals", "scratsh") == 2
    assert "--rivals 'scratsh': there is no such method" in caplog.text
    assert not list((tmp_path / "out").glob("*"))
    assert run(tmp_path, folders[0], "--rivals", "scratch") == 2
    assert "leave the option out" in caplog.text
    assert run(tmp_path, *folders, "--compare", "espnet asr_a 6", "encrl 6") == 2
    assert "there is no such row" in caplog.text
    assert not list((tmp_path / "out").glob("*"))


def test_without_the_sets_scores_are_not_compared_with_the_data(tmp_path, caplog):
    folder = make_espnet(tmp_path, "asr_a")
    dump = tmp_path / "dump"
    assert run(tmp_path, folder, "--dump_dir", dump) == 0
    assert f"--dump_dir {dump} does not exist" in caplog.text
    assert len(read_rows(tmp_path)) == 1


def test_a_number_that_is_none_in_results_json_is_refused(tmp_path, caplog):
    folder = make_model(tmp_path, "a")
    file = tmp_path / "out/results.json"
    write_json(file, {"corpus": "x", "rows": [], "shared": []})
    bad = {"method": "b", "layers": 1, "seed": 1, "train_seconds": float("nan")}
    file.write_text(json.dumps({"corpus": "x", "rows": [bad]}))
    assert run(tmp_path, folder) == 2
    assert "holds NaN or Infinity" in caplog.text


def test_options_of_stage_9(tmp_path, capsys):
    folders = [make_shared(tmp_path), make_model(tmp_path, "a", "encrl", shared="main")]
    options = ["--results_json", str(tmp_path / "results.json"), "--corpus", "mini"]
    options += ["--markdown", str(tmp_path / "doc" / "RESULTS.md")]
    options += ["--plot_dir", str(tmp_path / "doc" / "plots")]
    options += ["--decoding", "best_path", "--test_set", "test", "--dev_set", "dev"]
    assert report.main([*map(str, folders), *options]) == 0
    printed = capsys.readouterr().out
    assert "| encrl" in printed
    assert str(tmp_path / "doc" / "plots" / "wer_params.png") in printed
    text = (tmp_path / "doc" / "RESULTS.md").read_text()
    assert "](plots/wer_cost.png)" in text
    assert str(tmp_path) not in text
    assert str(tmp_path) not in (tmp_path / "results.json").read_text()
    assert not (tmp_path / "report").exists() and not list(tmp_path.rglob("*.html"))
    # Again without a folder: drawn from results.json, the file's marks reused.
    assert report.main(options) == 0
    assert (tmp_path / "doc" / "RESULTS.md").read_text() == text
    assert report.main([str(tmp_path / "none"), *options]) == 2


def test_without_matplotlib_all_but_the_plots_is_there(tmp_path, monkeypatch, caplog):
    import sys

    for name in ("draw", "curves"):
        monkeypatch.setitem(sys.modules, f"espnet_plugin.report.plots.{name}", None)
    assert run(tmp_path, make_model(tmp_path, "a")) == 0
    assert "plots are not drawn" in caplog.text and "install matplotlib" in caplog.text
    assert (tmp_path / "out/report.html").is_file()
