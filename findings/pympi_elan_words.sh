#!/usr/bin/env bash
# pympi: converting ELAN files to TextGrids loses words without a message: two of three in
# one kind of tier, all of them in another.
#
# ELAN files have tiers that divide the annotations of another tier, for example utterances
# into words. In a "symbolic subdivision" words have no times, only an order. In a "time
# subdivision" they have times, but a word that nobody has aligned yet shares time slots
# without a value with its neighbours. ELAN shows such words evenly spread over their
# utterance. One expects to_textgrid() to do the same, or to raise an error.
#
# Here, each word of a symbolic subdivision gets the times of its whole utterance. The
# first one is written, the others overlap with it, and the error which that raises is
# caught and ignored. In a time subdivision without times, all words are lost in the same
# way: the tier is there, and empty. If only some words are aligned, those are kept that
# have both times.
#
# It matters because corpora of many languages without other data are made in ELAN, and
# TextGrids are what aligners and data preparation read. A recogniser is trained with
# utterances of one word each, or a corpus seems smaller than it is. Transcripts look
# right: they are real words at plausible times.
#
# The lines are "except: pass" in Eaf.to_textgrid(), pympi/Elan.py. The times of words are
# also what get_annotation_data_for_tier() returns: those of the utterance, or None.
# (get_annotation_data_for_symbsub_tier() divides an utterance, but it is not used here.)
#
# PYTHON=p chooses the Python that makes the temporary environment.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "${folder}"' EXIT
cd "${folder}"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install -qq --disable-pip-version-check pympi-ling==1.71
venv/bin/python - <<'EOF'
import importlib.metadata
import sys
import xml.etree.ElementTree as ET

from pympi import Eaf

print("pympi-ling", importlib.metadata.version("pympi-ling"))
XSI = "http:" + "//www.w3.org/2001/XMLSchema-instance"
WORDS = ("she", "reads", "books", "at", "home", "today")


def write(name, kind, times):
    """Write two utterances of three words; return the number of words in the file."""
    root = ET.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "",
            "DATE": "2026-01-01T00:00:00+00:00",
            "FORMAT": "3.0",
            "VERSION": "3.0",
            f"{{{XSI}}}noNamespaceSchemaLocation": "EAFv3.0.xsd",
        },
    )
    ET.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    order = ET.SubElement(root, "TIME_ORDER")
    for number, time in enumerate(times):
        value = {} if time is None else {"TIME_VALUE": str(time)}
        ET.SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": f"ts{number}", **value})

    def add(tier, key, attributes, text):
        holder = ET.SubElement(ET.SubElement(tier, "ANNOTATION"), key, attributes)
        ET.SubElement(holder, "ANNOTATION_VALUE").text = text

    def slots(first, last):
        return {"TIME_SLOT_REF1": f"ts{first}", "TIME_SLOT_REF2": f"ts{last}"}

    tier = ET.SubElement(
        root, "TIER", {"TIER_ID": "utterance", "LINGUISTIC_TYPE_REF": "top"}
    )
    for part in (0, 1):
        number = {"ANNOTATION_ID": f"a{part}", **slots(4 * part, 4 * part + 3)}
        text = " ".join(WORDS[3 * part : 3 * part + 3])
        add(tier, "ALIGNABLE_ANNOTATION", number, text)
    tier = ET.SubElement(
        root,
        "TIER",
        {"TIER_ID": "word", "LINGUISTIC_TYPE_REF": "below", "PARENT_REF": "utterance"},
    )
    for index, word in enumerate(WORDS):
        part, place = divmod(index, 3)
        number = {"ANNOTATION_ID": f"w{index}"}
        if kind == "Time_Subdivision":
            number.update(slots(4 * part + place, 4 * part + place + 1))
            add(tier, "ALIGNABLE_ANNOTATION", number, word)
        else:
            number["ANNOTATION_REF"] = f"a{part}"
            if place:
                number["PREVIOUS_ANNOTATION"] = f"w{index - 1}"
            add(tier, "REF_ANNOTATION", number, word)
    for identifier, constraint in (("top", {}), ("below", {"CONSTRAINTS": kind})):
        symbolic = constraint and kind == "Symbolic_Subdivision"
        ET.SubElement(
            root,
            "LINGUISTIC_TYPE",
            {
                "LINGUISTIC_TYPE_ID": identifier,
                "TIME_ALIGNABLE": "false" if symbolic else "true",
                "GRAPHIC_REFERENCES": "false",
                **constraint,
            },
        )
    ET.ElementTree(root).write(name, encoding="UTF-8", xml_declaration=True)
    return len(ET.parse(name).findall("TIER[@TIER_ID='word']/ANNOTATION"))


def words(name):
    """Return what the TextGrid has in the tier of the words."""
    grid = Eaf(name).to_textgrid()
    grid.to_file(name.replace(".eaf", ".TextGrid"))
    return list(grid.get_tier("word").get_intervals())


ALL = (1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000)
SOME = (1000, 2000, None, 4000, 5000, None, None, 8000)
NONE = (1000, None, None, 4000, 5000, None, None, 8000)
found = {}
for name, kind, times in (
    ("time subdivision, all words aligned", "Time_Subdivision", ALL),
    ("time subdivision, some boundaries set", "Time_Subdivision", SOME),
    ("time subdivision, no word aligned", "Time_Subdivision", NONE),
    ("symbolic subdivision", "Symbolic_Subdivision", NONE),
):
    number = write("corpus.eaf", kind, times)
    found[name] = words("corpus.eaf")
    print(f"\n{name}: {number} words in the ELAN file, {len(found[name])} in the TextGrid")
    for start, end, text in found[name]:
        print(f"  {start:.1f} to {end:.1f} s: {text}")
numbers = [len(tier) for tier in found.values()]
if numbers != [6, 1, 0, 2]:
    sys.exit("CHANGED: expected 6, 1, 0 and 2 words")
if found["symbolic subdivision"] != [(1.0, 4.0, "she"), (5.0, 8.0, "at")]:
    sys.exit("CHANGED: expected the first word of each utterance with all its time")
EOF
