"""Which rows are compared, on what, and what is refused."""

import pytest
from result_folders import make_results

from espnet_plugin.errors import UserError
from espnet_plugin.results.json_format import Entries, read_entries
from espnet_plugin.results.merge import merge
from espnet_plugin.results.pairs import compare_all, find_row, same_size
from espnet_plugin.score.wer import compare_scores, score_texts


def make_row(method, layers, errors, variant="", seed=1, **more):
    return {
        "method": method,
        "variant": variant,
        "layers": layers,
        "seed": seed,
        "params": layers * 1000,
        "test_wer": 5.0,
        "test_errors_by_unit": errors,
        "test_words_by_unit": " ".join(["10"] * len(errors.split())),
        "test_set": "x",
        "dir": f"asr_{method}_{variant}_s{seed}_{layers}l",
        **more,
    }


def results_of(rows, **test_sets):
    sets = {"x": {"names": "a b c d", "words": "10 10 10 10", "utterances": 4}}
    return make_results(rows, test_sets={**sets, **test_sets})


def groups_of(*rows):
    return make_results(rows).groups


def names(comparisons):
    return [(one.second.label, one.first.label) for one in comparisons]


def test_every_row_against_scratch_and_encrl_against_every_baseline():
    rows = [
        make_row("reference", 12, "0 0 0 1"),
        make_row("encrl", 6, "1 1 1 1"),
        make_row("encrl", 6, "1 1 2 1", "init last"),
        make_row("scratch", 6, "2 2 2 2"),
        make_row("scratch", 6, "2 1 2 2", "longer"),
        make_row("layer_copy", 6, "1 2 1 1"),
        # As many values that are not zero, in more layers.
        make_row("magnitude", 12, "9 9 9 9", params_nonzero=6100, size=6),
        make_row("narrow", 6, "9 9 9 9", params=3000),
        make_row("untrained", 12, "9 9 9 9"),
    ]
    assert names(compare_all(results_of(rows))) == [
        ("encrl 6", "scratch 6"),
        ("encrl init last 6", "scratch 6"),
        ("layer_copy 6", "scratch 6"),
        ("magnitude 12 as 6", "scratch 6"),
        ("encrl 6", "scratch longer 6"),
        ("encrl 6", "layer_copy 6"),
        ("encrl 6", "magnitude 12 as 6"),
        ("encrl 6", "reference 12"),
    ]


def test_same_size_goes_by_layers_where_parameters_are_not_known():
    rows = [make_row("encrl", n, "1 1 1 1", params=None) for n in (6, 4)]
    groups = groups_of(*rows)
    (other,) = groups_of(make_row("scratch", 4, "1 1 1 1"))
    assert same_size(other, groups) is groups[1]
    (smaller,) = groups_of(make_row("x", 2, "1 1 1 1"))
    assert same_size(smaller, groups) is None


def test_of_equal_parameters_the_one_of_that_size_is_compared():
    # 5.9 of 6 thousand: within the 10 %, and cut to another size.
    rows = [
        make_row("magnitude", 12, "1 1 1 1", params=5900, size=5),
        make_row("magnitude", 12, "1 1 1 1", params=6000, size=6),
    ]
    groups = groups_of(*rows)
    (six,) = groups_of(make_row("scratch", 6, "2 2 2 2"))
    assert same_size(six, groups) is groups[1]
    results = results_of([*rows, make_row("scratch", 6, "2 2 2 2")])
    assert find_row(results, "magnitude 12 as 5").size == 5


def test_any_two_rows_by_name_or_folder():
    rows = [
        make_row("reference", 12, "0 0 0 1"),
        make_row("encrl", 6, "1 1 1 1", "init last", seed=1),
        make_row("encrl", 6, "3 3 3 3", "init last", seed=2),
    ]
    results = results_of(rows)
    (one,) = compare_all(results, [("reference - 12", "encrl init last 6")])
    assert one.result.difference == pytest.approx(100 * 7 / 40)
    assert one.sentence.startswith("reference 12 makes 12.5 to 20.0 points fewer")
    assert one.to_dict()["sentence"] == one.sentence
    # Of one seed; that of all seeds is always made.
    one, _ = compare_all(results, [("reference 12", "asr_encrl_init last_s1_6l")])
    assert one.result.difference == pytest.approx(100 * 3 / 40)
    with pytest.raises(UserError, match="choose from 'reference 12', 'encrl init last"):
        find_row(results, "encrl 6")


def test_a_pair_is_compared_in_one_direction_and_never_with_itself():
    rows = [make_row("encrl", 6, "1 1 1 1"), make_row("scratch", 6, "2 2 2 3")]
    results = results_of(rows)
    (by_default,) = compare_all(results)
    assert (by_default.second.label, by_default.first.label) == ("encrl 6", "scratch 6")
    (asked,) = compare_all(results, [("encrl 6", "scratch 6")])
    assert asked.result.difference == pytest.approx(-by_default.result.difference)
    with pytest.raises(UserError, match="is one row; name two"):
        compare_all(results, [("encrl 6", "asr_encrl__s1_6l")])


def test_models_of_other_references_are_left_out_of_a_comparison():
    rows = [
        make_row("reference", 12, "0 0 0 1", reference="aa"),
        # Learnt from a bad reference, which the other has no model of.
        make_row("encrl", 6, "9 9 9 9", seed=1, reference="bb"),
        make_row("encrl", 6, "1 1 1 1", seed=2, reference="aa"),
        make_row("encrl", 6, "1 1 3 1", seed=3, reference="aa"),
        make_row("layer_copy", 6, "2 2 2 2", seed=2, reference="aa"),
        make_row("scratch", 6, "2 2 2 2", seed=1),
    ]
    results = results_of(rows)
    made = {
        (one.second.label, one.first.label): one
        for one in compare_all(results, [("asr_layer_copy__s2_6l", "encrl 6")])
    }
    alone = made["encrl 6", "layer_copy 6"]
    folders = "asr_layer_copy__s2_6l", "asr_encrl__s2_6l"
    assert alone.result.difference == pytest.approx(100 * (5 - 8) / 40)
    assert "reference aa alone" in alone.sentence and alone.first.seeds == (2,)
    one, *_ = compare_all(results, [folders])
    assert one.result.difference == pytest.approx(100 * (4 - 8) / 40) and not one.part
    # The reference has one seed; which seeds the others have does not matter.
    assert made["encrl 6", "reference 12"].second.seeds == (2, 3)
    # From scratch nothing was learnt from a reference: all seeds.
    assert made["encrl 6", "scratch 6"].second.seeds == (1, 2, 3)
    rows[3]["test_wer"] = None
    one, *_ = compare_all(results_of(rows), [("layer_copy 6", "encrl 6")])
    assert one.to_dict()["part"] == "reference aa"


def test_the_same_numbers_as_from_score_json():
    references = {f"u{i}": "a b c d" for i in range(20)}
    scores = [
        score_texts(
            references,
            {u: "a b c" if i % k == 0 else "a b c d" for i, u in enumerate(references)},
            resamples=10,
        ).to_dict()
        for k in (2, 3)
    ]
    rows = [
        {
            **make_row("encrl", layers, " ".join(str(e["errors"]) for e in entries)),
            "test_words_by_unit": " ".join(str(e["words"]) for e in entries),
        }
        for layers, entries in zip((6, 4), (s["per_utterance"] for s in scores))
    ]
    (one,) = compare_all(results_of(rows), [("encrl 6", "encrl 4")])
    assert one.result == compare_scores(*scores)
    assert one.sentence.startswith(
        "no difference shown between encrl 6 and encrl 4 at 80 words"
    )


def test_other_test_sets_are_refused_or_compared_on_common_utterances(caplog):
    rows = [
        make_row("encrl", 6, "0 0 0 9"),
        make_row("scratch", 6, "1 1 9", test_set="y"),
    ]
    other = {"names": "b c e", "words": "10 10 10", "utterances": 3}
    results = results_of(rows, y=other)
    with pytest.raises(UserError, match="different test sets.*--intersection"):
        compare_all(results, [("scratch 6", "encrl 6")])
    assert compare_all(results) == ()
    one = compare_all(results, intersection=True)[0]
    assert (one.common, one.result.words) == (2, 20)
    assert one.result.difference == pytest.approx(-10.0)
    assert one.sentence.endswith("on the 2 utterances that both were scored on")
    assert "compared on the 2 utterances" in caplog.text
    # The same name with another number of words is another text.
    other["words"], rows[1]["test_words_by_unit"] = "10 8 10", "10 8 10"
    results = results_of(rows, y=other)
    assert compare_all(results, intersection=True)[0].common == 1
    other["names"] = "p q r"
    results = results_of(rows, y=other)
    assert compare_all(results, intersection=True) == ()
    with pytest.raises(UserError, match="different test sets"):
        compare_all(results, [("scratch 6", "encrl 6")], intersection=True)


def test_a_row_without_a_score_is_named():
    rows = [make_row("encrl", 6, "0 0 0 9"), make_row("scratch", 6, "1 1 1 1")]
    rows[1].update(test_wer=None, test_errors_by_unit=None, test_words_by_unit=None)
    assert compare_all(results_of(rows)) == ()
    with pytest.raises(UserError, match="scratch 6 has no test score"):
        compare_all(results_of(rows), [("encrl 6", "scratch 6")])


def test_rows_of_a_results_json_without_test_sets_are_compared_as_before():
    rows = [make_row("encrl", 6, "0 0 0 1"), make_row("scratch", 6, "1 1 1 1")]
    for row in rows:
        del row["test_set"]
    old = read_entries({"corpus": "mini", "rows": rows})
    assert names(compare_all(merge(old, Entries(), "mini"))) == [
        ("encrl 6", "scratch 6")
    ]
