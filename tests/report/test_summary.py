"""One plain sentence a size, from the figures."""

from result_folders import compared, make_results

from espnet_plugin.report.summary import size_sentences


def row(method, layers, wer, **more):
    return {"method": method, "layers": layers, "seed": 1, "test_wer": wer, **more}


def test_what_is_fewer_more_and_the_same_is_said_of_each_size():
    rows = [
        *(row("encrl", n, wer) for n, wer in ((3, 1.44), (2, 3.0), (1, 5.0))),
        *(row("scratch", n, wer) for n, wer in ((3, 2.0), (2, 3.0), (1, 4.0))),
        row("encrl", 4, 1.0),  # no model from scratch of this size
        row("scratch", 3, 0.0, variant="9 epochs"),  # another row of the table
    ]
    three, two, one = size_sentences(make_results(rows))
    assert three.startswith("3 layers") and "1.4 %" in three and "2.0 %" in three
    assert "fewer errors" in three
    assert "as many errors" in two
    assert one.startswith("1 layer:") and "MORE errors" in one


def test_the_cost_of_both_families_is_compared():
    costs = {"teacher_flops": 0.0, "cpu_seconds": 50.0}
    rows = [
        *(row("encrl", n, 1.0, train_flops=1e12, **costs) for n in (2, 1)),
        *(row("scratch", n, 2.0, train_flops=4e12, **costs) for n in (2, 1)),
    ]
    *_, cost = size_sentences(make_results(rows))
    assert "0.25 of the operations" in cost and "1.00 of the processor time" in cost


def test_a_difference_that_chance_may_give_is_called_so():
    # Of 40 utterances of five words: EncRL has 2 and 30 errors fewer.
    few, many = [1] * 10 + [0] * 30, [1] * 35 + [0] * 5
    words = [5] * 40
    rows = []
    for layers, theirs in ((4, [1] * 12 + [0] * 28), (2, many)):
        for method, errors in (("encrl", few[::-1]), ("scratch", theirs)):
            wer = 100 * sum(errors) / sum(words)
            more = {
                "test_errors_by_unit": " ".join(map(str, errors)),
                "test_words_by_unit": " ".join(map(str, words)),
            }
            rows.append(row(method, layers, wer, **more))
    four, two = size_sentences(compared(make_results(rows)))
    assert "fewer errors, but no significant difference" in four
    assert two.endswith("fewer errors.")


def test_nothing_is_said_without_both():
    assert size_sentences(make_results([row("encrl", 3, 1.0)])) == []
    unscored = [row("encrl", 3, 1.0), row("scratch", 3, None)]
    assert size_sentences(make_results(unscored)) == []


def test_the_smallest_model_as_good_as_the_reference_is_named():
    # Of 40 utterances of five words: 10, 12 and 35 with an error, and the reference 11.
    words = " ".join(["5"] * 40)

    def scored(method, layers, wrong):
        errors = [1] * wrong + [0] * (40 - wrong)
        units = {"test_errors_by_unit": " ".join(map(str, errors))}
        wer = 100 * wrong / 200
        return row(method, layers, wer, test_words_by_unit=words, **units)

    sizes = ((4, 10), (3, 12), (2, 35))
    rows = [scored("encrl", *one) for one in sizes]
    rows += [scored("scratch", n, 30) for n, _ in sizes]
    rows.append(scored("reference", 6, 11))
    *_, smallest = size_sentences(compared(make_results(rows)))
    assert "3 layers (6.0 %)" in smallest and "the reference (5.5 %)" in smallest
    worse = [scored("reference", 6, 1), *rows[:-1]]
    *_, none = size_sentences(compared(make_results(worse)))
    assert none.startswith("All EncRL models have significantly more errors")
