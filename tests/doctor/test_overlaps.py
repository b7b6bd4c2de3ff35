"""Utterances that share audio without being equal, and files that are not found."""

import os
import unicodedata

import pytest
import soundfile
from doctor_run import found_in
from kaldi_corpus import edit, make_corpus, path_of, table

from espnet_plugin.bin import check_data
from espnet_plugin.data.kaldi import read_data_dir
from espnet_plugin.errors import UserError

U3 = "train-a-02"


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_corpus(tmp_path)


def segments(folder, start, end, recording=None):
    """Cut every utterance out of its own file, or all out of one recording."""
    names = [one.split()[0] for one in table(folder, "text")]
    (folder / "segments").write_text(
        "".join(f"{u} {recording or u} {start} {end}\n" for u in names)
    )


def use_audio_of(train, test):
    names = [one.split()[0] for one in table(test, "text")]
    files = [one.split(maxsplit=1)[1] for one in table(train, "wav.scp")]
    (test / "wav.scp").write_text("".join(f"{u} {f}" for u, f in zip(names, files)))


@pytest.mark.parametrize("times", [None, (0, 0.5), (0.1, 0.55), (0.4, 0.6)])
def test_a_test_utterance_inside_one_of_training(corpus, tmp_path, times):
    train, _, test = corpus
    use_audio_of(train, test)
    segments(test, 0.01, 0.5)
    if times:
        segments(train, *times)
    _, found = found_in(corpus, tmp_path / "out")
    shared = [(one["line"], one["id"]) for one in found if "shared" in one["kind"]]
    # 0.1 of 0.2 s is not more than half.
    expected = [(n + 1, f"test-a-{n:02d}") for n in range(4)] * (times != (0.4, 0.6))
    assert shared == expected


def test_segments_that_overlap(corpus, tmp_path):
    train, *_ = corpus
    starts = (0.0, 0.1, 0.21, 0.5, 0.55)
    lines = [
        f"{one.split()[0]} train-a-00 {start} {start + 0.15:.2f}\n"
        for one, start in zip(table(train, "text"), starts)
    ]
    lines[1] = "train-a-01 train-a-00 0.05 0.20\n"
    for name in ("text", "utt2spk"):
        (train / name).write_text("".join(table(train, name)[: len(starts)]))
    (train / "segments").write_text("".join(lines))
    options = ("--ignore", "limits", "text-rate", "length", "rare-characters")
    _, found = found_in(corpus, tmp_path / "out", *options)
    kinds = [(one["kind"], one["line"], one["reason"]) for one in found]
    assert kinds == [
        ("overlap", 2, "0.10 s are also in train-a-00 on line 1"),
        ("overlap", 5, "0.10 s are also in train-a-03 on line 4"),
    ]


def test_recordings_that_segments_do_not_use_are_not_shared(corpus, tmp_path):
    """All sets of a corpus often have one wav.scp."""
    train, dev, test = corpus
    whole = "".join(line for one in corpus for line in table(one, "wav.scp"))
    for one in corpus:
        segments(one, 0, 0.5)
        (one / "wav.scp").write_text("".join(sorted(whole.splitlines(keepends=True))))
    assert found_in(corpus, tmp_path / "out") == (0, [])


def test_values_that_differ_by_a_rounding_error_have_a_histogram(corpus, tmp_path):
    train, *_ = corpus
    rows = [one.split()[0] for one in table(train, "text")]
    (train / "segments").write_text(
        "".join(f"{u} {u} {n / 100} {n / 100 + 0.3}\n" for n, u in enumerate(rows))
    )
    assert found_in(corpus, tmp_path / "out")[0] == 0
    assert "<svg" in (tmp_path / "out/check_data.html").read_text()


def test_an_empty_table_of_segments(corpus, tmp_path):
    (corpus[0] / "segments").write_text("")
    status, found = found_in(corpus, tmp_path / "out")
    assert status == 2 and found[0]["file"].endswith("train/segments")
    with pytest.raises(UserError, match="segments is empty"):
        read_data_dir(corpus[0])


@pytest.mark.parametrize(
    "content, line, reason",
    [
        ("train-a {0} {1} {1}\n", 1, "already"),
        ("train-a {0}\ntrain-a {1}\n", 2, "the speaker is on line 1 already"),
        ("train-a {0}\n", 2, "spk2utt does not list it"),
        ("train-a {0} {1} x\n", 1, "utt2spk does not list it"),
        ("b {0}\ntrain-a {1}\n", 1, "b; utt2spk says train-a"),
    ],
)
def test_spk2utt_and_utt2spk(corpus, tmp_path, content, line, reason):
    train, *_ = corpus
    for name in ("wav.scp", "text", "utt2spk"):
        (train / name).write_text("".join(table(train, name)[:2]))
    (train / "spk2utt").write_text(content.format("train-a-00", "train-a-01"))
    _, found = found_in(corpus, tmp_path / "out", "--ignore", "rare-characters")
    (one,) = found
    assert one["kind"] == "speaker" and one["line"] == line and reason in one["reason"]
    file = "utt2spk" if reason.startswith("spk2utt") else "spk2utt"
    assert one["file"].endswith(f"train/{file}")


def test_all_differences_of_spk2utt_are_counted(corpus, tmp_path):
    train, *_ = corpus
    names = [line.split()[0] for line in table(train, "utt2spk")]
    (train / "spk2utt").write_text(f"b {' '.join(names)}\n")
    _, found = found_in(corpus, tmp_path / "out")
    wrong = [one["id"] for one in found if one["kind"] == "speaker"]
    assert sorted(wrong) == sorted(names)


def entry(path, name):
    return {
        "~": "~/a.wav",
        "URL": f"s3://bucket{path}",
        "quotes": f'"{path}"',
        "command": f"sph2pipe -f wav {path}",
        "comment": f"{path} # good",
        "Windows": "C:\\corpus\\a.wav",
    }[name]


@pytest.mark.parametrize(
    "name, hint",
    [
        ("~", "write the whole path"),
        ("URL", "download the file"),
        ("quotes", "leave them out"),
        ("command", "needs a | at its end"),
        ("comment", "leave out what follows it"),
        ("Windows", "a path of Windows"),
    ],
)
def test_why_a_file_is_not_found(corpus, tmp_path, name, hint):
    edit(corpus[0], "wav.scp", 3, f"{U3} {entry(path_of(corpus[0], 3), name)}")
    _, found = found_in(corpus, tmp_path / "out")
    assert [one["kind"] for one in found] == ["no-file"] and hint in found[0]["reason"]


def test_files_of_a_similar_name_are_named(corpus, tmp_path):
    train, *_ = corpus
    upper, other = path_of(train, 3), path_of(train, 4)
    upper.rename(upper.with_suffix(".WAV"))
    soundfile.write(other.with_suffix(".flac"), *soundfile.read(other))
    other.unlink()
    accent = path_of(train, 5).with_name(unicodedata.normalize("NFD", "é.wav"))
    path_of(train, 5).rename(accent)
    edit(train, "wav.scp", 5, f"train-a-04 {accent.with_name('é.wav')}")
    _, found = found_in(corpus, tmp_path / "out")
    said = [one["reason"] for one in found if one["kind"] == "no-file"]
    assert "'train-a-02.WAV', which differs in case" in said[0]
    assert "'train-a-03.flac' in the same folder" in said[1]
    assert "differs in Unicode form" in said[2] and len(said) == 3


@pytest.mark.parametrize("start", ["../wav", "wav"])
def test_relative_paths_that_start_elsewhere(corpus, tmp_path, start, monkeypatch):
    train, *_ = corpus
    names = [one.split()[0] for one in table(train, "text")]
    (train / "wav.scp").write_text("".join(f"{u} {start}/{u}.wav\n" for u in names))
    (tmp_path / "x/y/z").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "x/y/z")
    _, found = found_in(corpus, tmp_path / "out")
    folder = train if start == "../wav" else tmp_path
    assert f"it exists in {folder}, but" in found[0]["reason"]
    # Where the message sends one.
    monkeypatch.chdir(folder)
    assert found_in(corpus, tmp_path / "out") == (0, [])


def test_truncated_output_of_a_command(corpus, tmp_path):
    path = path_of(corpus[0], 3)
    edit(corpus[0], "wav.scp", 3, f"{U3} head -c 9000 {path} |")
    _, found = found_in(corpus, tmp_path / "out", "--run_pipes")
    assert [one["kind"] for one in found] == ["truncated"]
    assert f"head -c 9000 {path} | is truncated" in found[0]["reason"]
    # As ffmpeg and sox write into a pipe, where they do not know the length.
    for size in (0xFFFFFFFF, 0x7FFFFFFF):
        content = path.read_bytes()
        other = tmp_path / "streamed"
        other.write_bytes(content[:40] + size.to_bytes(4, "little") + content[44:])
        edit(corpus[0], "wav.scp", 3, f"{U3} cat {other} |")
        assert found_in(corpus, tmp_path / "out", "--run_pipes") == (0, [])


def test_commands_are_run_each_time(corpus, tmp_path):
    path = path_of(corpus[0], 3)
    edit(corpus[0], "wav.scp", 3, f"{U3} cat {path} |")
    options = ("--run_pipes", "--once")
    assert found_in(corpus, tmp_path / "out", *options) == (0, [])
    os.truncate(path, 9000)
    assert found_in(corpus, tmp_path / "out", *options)[0] == 2


def test_options_that_contradict_each_other(corpus, tmp_path, caplog):
    out = ["--output_dir", str(tmp_path / "out")]
    for options, said in (
        (["--valid", "nowhere"], "--valid nowhere: it is not one of the folders"),
        (["--ignore", "pipe", "--error", "pipe"], "--ignore pipe: it is also given"),
        (["--ignore", "pipe", "--expected", "pipe"], "--ignore pipe: it is also"),
        (["--min_wav_duration", "30"], "30 must be less than --max_wav_duration 30"),
    ):
        caplog.clear()
        assert check_data.main([str(corpus[0]), *out, *options]) == 2
        assert said in caplog.text


@pytest.mark.parametrize("spelled", ["dev", "train/../dev"])
def test_a_development_set_by_another_path(corpus, tmp_path, spelled):
    edit(corpus[1], "text", 2, "dev-a-01 ONE TWO? SIX")
    status, found = found_in(corpus, tmp_path / "out", "--valid", spelled)
    assert status == 2 and [one["kind"] for one in found] == ["unknown-characters"]


def test_links_that_lead_nowhere(corpus, tmp_path):
    train, dev, _ = corpus
    for path in (path_of(train, 3), dev / "text"):
        path.unlink()
        path.symlink_to("/nowhere/x")
    _, found = found_in(corpus, tmp_path / "out", "--ignore", "not-everywhere")
    said = [one["reason"] for one in found]
    assert len(said) == 2
    assert all("is a link to /nowhere/x, which does not exist" in one for one in said)


def test_a_hidden_folder_is_no_set(corpus, tmp_path):
    train, *_ = corpus
    (train / ".backup").mkdir()
    (train / "wav.scp").rename(train / ".backup/wav.scp")
    _, found = found_in(corpus, tmp_path / "out")
    assert found[0]["kind"] == "missing-table"
    assert found[0]["file"].endswith("train/wav.scp")
