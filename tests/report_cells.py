"""The tables of a report as cells, read back from markdown and from HTML."""

from html.parser import HTMLParser

__all__ = ["Page", "cells_of", "paragraphs", "results_block"]


def results_block(text):
    """What stands between the marks of a RESULTS.md."""
    begin, end = "<!-- results:begin -->", "<!-- results:end -->"
    return text.split(begin)[1].split(end)[0].strip()


def cells_of(table):
    """The lines of a markdown table, the header first."""
    lines = [line.strip("|").split("|") for line in table.splitlines()]
    return [[cell.strip() for cell in line] for n, line in enumerate(lines) if n != 1]


def paragraphs(block):
    """A block's paragraphs; tables as their cells."""
    return [
        cells_of(part) if part.startswith("| ") else part
        for part in block.split("\n\n")
    ]


class Page(HTMLParser):
    """The tables and the points of lists on an HTML page."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.points, self.headings = [], [], []
        self._text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th", "li", "h2"):
            self._text = ""

    def handle_data(self, data):
        self._text += data

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.tables[-1][-1].append(self._text)
        elif tag == "li":
            self.points.append(self._text)
        elif tag == "h2":
            self.headings.append(self._text)
