#!/usr/bin/env bash
# num2words: different numbers get the same words.
#
# Transcripts are written with digits, and recognisers are trained on words: num2words
# is the usual way from one to the other, for more than 50 languages. One expects that
# two different numbers never get the same words. That is the test below, which needs
# no knowledge of a language. It fails for
#
# * numbers between -1 and 0 as float: the minus sign is lost in nearly all languages,
#   English included ("-0.5" is "zero point five", but "-1.5" is "minus one point five");
# * Turkish whole numbers with a one at the thousands and a hundred thousand: 101001 is
#   100001, "yüzbinbir". It is 10 % of the numbers from 100,000 to 999,999;
# * Bengali and Persian fractions: 1.05 is 1.5 ("one and a half" in Persian);
# * Italian and Turkish Decimal numbers: the fraction is lost ("zero" for 0.5), or all
#   of the number (no word at all); the same numbers as float have their words;
# * Danish amounts, and those of Colombia, Costa Rica, Guatemala and Venezuela: 0.10 is
#   0.01, "one cent";
# * the Belarusian ordinals 70th and 80th.
#
# It matters because the words are the reference of training and scoring: the model
# learns to write one number where another was spoken, no message says so, and the error
# rate counts the right answer as wrong. A loop over numbers such as the one below finds
# it before a corpus is prepared.
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check num2words==0.5.14
venv/bin/python - <<'EOF'
import importlib.metadata
import sys
from collections import defaultdict
from decimal import Decimal

from num2words import CONVERTER_CLASSES, num2words

print("num2words", importlib.metadata.version("num2words"))


def words(number, language, **options):
    return " ".join(num2words(number, lang=language, **options).split())


def shown(language, first, second, **options):
    """Whether two numbers have the same words; prints both."""
    one, other = (words(number, language, **options) for number in (first, second))
    kind = options.get("to", type(first).__name__)
    print(f"{language} {kind}: {first} is '{one}', {second} is '{other}'")
    return first != second and one == other


same, able = [], []
for language in CONVERTER_CLASSES:
    try:
        negative, positive = words(-0.5, language), words(0.5, language)
        if words(-1.5, language) == words(1.5, language):
            continue  # a language without negative numbers
    except (NotImplementedError, TypeError, ValueError, LookupError):
        continue
    able.append(language)
    if negative == positive:
        same.append(language)
print(f"-0.5 as 0.5: {len(same)} of {len(able)} languages with fractions and a minus")
if "en" not in same or len(same) < len(able) / 2:
    sys.exit("CHANGED: the minus sign before a fraction is kept")
if shown("en", -1.5, 1.5) or not shown("en", -0.5, 0.5):
    sys.exit("CHANGED: English -1.5 or -0.5")

turkish = CONVERTER_CLASSES["tr"]
numbers = defaultdict(list)
for number in range(100_000, 1_000_000):
    numbers[turkish.to_cardinal(number)].append(number)
wrong = sum(len(group) - 1 for group in numbers.values())
print(f"tr: {wrong} of 900000 numbers from 100000 have the words of another one")
pairs = [
    ("tr", 100_001, 101_001, {}),
    ("bn", 1.5, 1.05, {}),
    ("fa", 1.5, 1.05, {}),
    ("it", Decimal("0.5"), Decimal("0.25"), {}),
    ("tr", Decimal("2.1"), Decimal("10.01"), {}),
    ("da", 0.1, 0.01, {"to": "currency"}),
    ("es_CO", 0.1, 0.01, {"to": "currency"}),
    ("be", 70, 80, {"to": "ordinal"}),
]
for language, first, second, options in pairs:
    if not shown(language, first, second, **options):
        sys.exit(f"CHANGED: {language}: {first} and {second} have different words")
if wrong < 50_000:
    sys.exit("CHANGED: most Turkish numbers have their own words")
# Other languages have no such pairs among these numbers.
for language in ("en", "de", "fr", "es", "ru", "pl", "nl", "ja"):
    tried = [*range(2000), *range(99_990, 120_000, 7), *(1_001_001, 1_101_001)]
    if len({words(number, language) for number in tried}) != len(tried):
        sys.exit(f"CHANGED: {language}: whole numbers with the same words")
    if len({words(number / 100, language) for number in range(1, 400)}) != 399:
        sys.exit(f"CHANGED: {language}: fractions with the same words")
EOF
