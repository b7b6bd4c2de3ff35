"""Hand-made experiment folders with known scores and costs, and rows without them."""

from espnet_plugin.files import write_json
from espnet_plugin.results.json_format import read_entries
from espnet_plugin.results.pairs import compare_all
from espnet_plugin.results.results import make_results as computed
from espnet_plugin.score.wer import score_texts

__all__ = [
    *("REFERENCES", "RTF", "compared", "make_model", "make_results", "make_shared"),
    "write_trn",
]

REFERENCES = {f"u{i}": "a b c d" for i in range(5)}
RTF = {
    "encoder_rtf": 0.01,
    "threads": 1,
    "audio_seconds": 10.0,
    "load_average": [0.25, 0.5, 1.0],
    "params_nonzero": 6000,
    "file_bytes": 4321,
    "macs_per_audio_second": 1e8,
    "peak_memory_mb": 12.5,
}


def make_model(
    exp,
    name,
    method="scratch",
    layers=6,
    seed=1,
    variant="",
    shared=None,
    wrong=1,
    sets=("test", "dev"),
    size=None,
    width=None,
    **cost,
):
    """A finished model whose first ``wrong`` utterances lost their last word."""
    folder = exp / f"asr_{name}"
    meta = {"method": method, "variant": variant, "layers": layers, "seed": seed}
    if size is not None:
        meta["size"] = size
    if width is not None:
        meta["size_width"] = width
    write_json(
        folder / "meta.json", {**meta, "shared": shared, "params": 1000 * layers}
    )
    costs = dict(
        train_seconds=60.0, audio_seconds=3600.0, flops=2e15, teacher_flops=0, epochs=5
    )
    write_json(folder / "cost.json", {**costs, **cost})
    write_json(folder / "rtf.json", {**RTF, "params_nonzero": 1000 * layers})
    for name in sets:
        hypotheses = {
            utt: "a b c" if i < wrong else "a b c d" for i, utt in enumerate(REFERENCES)
        }
        score = score_texts(REFERENCES, hypotheses, resamples=100)
        write_json(folder / "decode_best_path" / name / "score.json", score.to_dict())
    return folder


def make_shared(exp, name="main", **cost):
    folder = exp / f"encrl_{name}"
    meta = {"method": "encrl_pretrain", "serves": [6, 4, 2], "seed": 1}
    write_json(folder / "meta.json", meta)
    costs = dict(
        train_seconds=120, audio_seconds=7200, flops=3e15, teacher_flops=1e15, epochs=3
    )
    write_json(folder / "cost.json", {**costs, **cost})
    return folder


def write_trn(folder, references, hypotheses):
    """``texts`` by (speaker, utterance), with the tab that paste puts between."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, texts in (("ref.trn", references), ("hyp.trn", hypotheses)):
        lines = [f"{text}\t({spk}-{utt})\n" for (spk, utt), text in texts.items()]
        (folder / name).write_text("".join(lines))


def read_results(content):
    """Results of the content of a results.json."""
    return computed(read_entries(content))


def make_results(rows, shared=(), corpus="mini", **more):
    """Results of rows as they stand in results.json."""
    content = {"corpus": corpus, "rows": list(rows), "shared": list(shared), **more}
    return read_results(content)


def compared(results, *named, **options):
    """The results with comparisons."""
    return results.with_comparisons(compare_all(results, named, **options))
