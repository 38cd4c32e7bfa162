"""JUnit: a check as the XML that CI servers read, a test case for each cell of the baseline."""

from __future__ import annotations

from xml.etree import ElementTree

from results.gate.changes import metric_name
from results.gate.regress import CellCheck, Check
from results.gate.view import shown, summary

SUITE = "bench check"


def as_junit(check: Check) -> str:
    """Write JUnit XML: a cell that fails is a failure, with every reason in its text."""
    failures = sum(bool(cell.reasons) for cell in check.cells)
    about = {
        "name": SUITE,
        "tests": str(len(check.cells)),
        "failures": str(failures),
        "errors": "0",
        "skipped": "0",
    }
    root = ElementTree.Element("testsuites", about)
    suite = ElementTree.SubElement(root, "testsuite", about)
    for cell in check.cells:
        _case(suite, cell)
    ElementTree.SubElement(suite, "system-out").text = summary(check)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _case(suite: ElementTree.Element, cell: CellCheck) -> None:
    names = {"classname": shown(cell.entry.title), "name": shown(cell.entry.label)}
    case = ElementTree.SubElement(suite, "testcase", names)
    if cell.reasons:
        kinds = ", ".join(dict.fromkeys(reason.kind for reason in cell.reasons))
        texts = [shown(reason.text) for reason in cell.reasons]
        failure = ElementTree.SubElement(case, "failure", type=kinds, message=texts[0])
        failure.text = "\n".join(texts)
    if cell.compared:
        ElementTree.SubElement(case, "system-out").text = "\n".join(
            f"{metric_name(one.metric)} {100 * one.old:.2f} -> {100 * one.new:.2f} {one.verdict}"
            for one in cell.compared
        )
