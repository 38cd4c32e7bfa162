"""results.latex: a table that compiles, and shows what is in it."""

import ast
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import results.latex
from results.latex import ESCAPES, as_latex, escaped, is_numeric
from results.table import Table
from results.tables import Extras, make_table
from tests.reports import frame, report

HOSTILE = "a_b & c <script> 50% #1 \\foo {x}"
SPECIAL = "\\ { } % # _ & $ ~ ^ < > |"
MATHS = "‡ † * ↑ ↓ → ≈ ± Δ ≠ λ β γ × · − ≤ ≥ ² … – —"
KNOWN = {
    *("begin", "end", "toprule", "midrule", "bottomrule", "cmidrule", "multicolumn", "par"),
    *(
        "textbf",
        "underline",
        "textit",
        "footnotesize",
        "noindent",
        "raggedright",
        "ensuremath",
        "allowbreak",
    ),
    *("textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar"),
    *("ldots", "ddagger", "dagger", "uparrow", "downarrow", "rightarrow", "approx", "neq", "leq"),
    *("geq", "pm", "times", "cdot", "Delta", "lambda", "beta", "gamma"),
}
"""LaTeX's commands and those of booktabs that tables are made of."""
LANDMARKS = {
    "job__dataset": "roxford",
    "job__dataset_title": HOSTILE,
    "metrics": {"map_medium": 0.5, "map_hard": 0.25},
    "headline": ["map_medium", "map_hard"],
}
REAL = make_table(
    frame(
        report(job__dims=8, marks=["test-selected", "seen classes", "drawn training"]),
        report("kk", job__dims=16, metrics={"r@1": 0.9}, protocol__ties="50% & <others> | #2"),
        report("kkk", job__dims=32, metrics={"r@1": 0.25}, cost__gmacs=1.5),
        report("kkkk", job__dims=64, metrics={"r@1": 0.25}),
        report("kkkkk", job__dims=8, **LANDMARKS),
        report("kkkkkk", job__dims=16, **LANDMARKS),
    ),
    extras=Extras(group="gmacs"),
)


def table_of(*names, notes=()):
    """A table of hostile names where LaTeX is most easily led astray: first in their rows."""
    body = [[name, "-1.5", "[-0.50, +2.00]"] for name in names]
    return Table([HOSTILE, "A−B", "p"], body, pd.DataFrame(), list(notes), [""] * len(body))


SIGNS = table_of(
    *SPECIAL.split(),
    *MATHS.split(),
    "[1ex]",
    "*",
    "two\n\nparagraphs",
    "tab\tand \u202eno sign",
    "naïve Straße, Radenović § 7",
    notes=[f"[ ]: {SPECIAL} {MATHS}", "* first", "two\n\nparagraphs"],
)
EXPECTED = r"""% \usepackage{booktabs}
\begin{tabular}{lrrrrr}
\toprule
 &  &  & \multicolumn{1}{c}{SOP} & \multicolumn{2}{c}{R\_x} \\
\cmidrule(lr){4-4} \cmidrule(lr){5-6}
backbone & dims & GMACs & R@1 & M & H \\
\midrule
\multicolumn{6}{l}{\textit{GMACs 1}} \\
deit\_s & 8 & 1.00 & \textbf{52.8} & \textbf{50.0} & \underline{25.0} \\
deit\_s & 16 & 1.05 & \underline{25.0\ensuremath{^{*}}} & 1.0\ensuremath{\pm}0.5 & -- \\
\midrule
\multicolumn{6}{l}{\textit{GMACs 4}} \\
vit & - & 4.00 & -- & -- & \ensuremath{-}1.0 \\
\bottomrule
\end{tabular}
\par{\footnotesize\noindent\raggedright metrics in \%\par}
\par{\footnotesize\noindent\raggedright \ensuremath{^{*}} transductive\par}
"""


def test_a_table_is_booktabs_with_rules_titles_and_emphasis():
    table = Table(
        headers=["backbone", "dims", "GMACs", "SOP R@1", "R_x M", "R_x H"],
        body=[
            ["deit_s", "8", "1.00", "52.8", "50.0", "25.0"],
            ["deit_s", "16", "1.05", "25.0*", "1.0±0.5", "--"],
            ["vit", "-", "4.00", "--", "--", "-1.0"],
        ],
        numbers=pd.DataFrame(),
        notes=["metrics in %", "* transductive"],
        marks=["", "", ""],
        over=["", "", "", "SOP", "R_x", "R_x"],
        emphasis=[["", "", "", "best", "best", "second"], ["", "", "", "second", "", ""], [""] * 6],
        groups=["GMACs 1", "GMACs 1", "GMACs 4"],
    )
    assert as_latex(table) == EXPECTED


def test_without_groups_or_titles_there_are_no_rules_for_them():
    text = as_latex(table_of("x", "y"))
    assert "cmidrule" not in text
    assert text.count(r"\midrule") == 1
    assert r"\textit" not in text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (HOSTILE, r"a\_b \& c \textless{}script\textgreater{} 50\% \#1 \textbackslash{}foo \{x\}"),
        ("$~^|", r"\$\textasciitilde{}\textasciicircum{}\textbar\allowbreak{}"),
        ("52.8‡*", r"52.8\ensuremath{^{\ddagger}}\ensuremath{^{*}}"),
        ("a\n\nb\tc\u202ed", "a  b c d"),
        ("naïve 鞋子 שלום", "naïve 鞋子 שלום"),
    ],
)
def test_signs_are_harmless_and_letters_are_kept(name, text):
    assert escaped(name) == text


def test_a_hyphen_before_a_number_is_a_minus_and_in_a_name_is_none():
    row = as_latex(table_of("vit-16", "2-1")).splitlines()[5:7]
    assert row == [
        r"vit-16 & \ensuremath{-}1.5 & [\ensuremath{-}0.50, +2.00] \\",
        r"2-1 & \ensuremath{-}1.5 & [\ensuremath{-}0.50, +2.00] \\",
    ]


@pytest.mark.parametrize(
    ("column", "numeric"),
    [
        (["1.5", "--", "-", "", "+2", "-3", "−4"], True),
        (["<0.0001", "0.5"], True),
        (["[-1.0, +2.0]", "[+1.0, +2.0]"], True),
        (["52.8‡ [1, 2]", "7 ± 1"], True),
        (["1.5", "deit_s"], False),
        (["<script>"], False),
        (["[x]"], False),
        ([HOSTILE], False),
    ],
)
def test_columns_of_numbers_are_to_the_right(column, numeric):
    assert is_numeric(column) == numeric


def test_the_best_of_a_column_is_bold_also_between_its_marks():
    text = as_latex(REAL)
    dagger = r"\ensuremath{^{\ddagger}}\ensuremath{^{\dagger}}\textasciitilde{}"
    assert rf"\textbf{{52.8{dagger}}}" in text
    assert r"90.0\#" in text  # of another protocol: not bold


def columns_of(line):
    """How many columns a row fills: its ampersands, and what several columns share."""
    spans = sum(int(width) - 1 for width in re.findall(r"\\multicolumn\{(\d+)\}", line))
    return len(re.findall(r"(?<!\\)&", line)) + 1 + spans


def check_lines(text):
    """What TeX would say, as far as lines tell: columns, braces, commands, comments."""
    lines = text.splitlines()
    places = [place for place, line in enumerate(lines) if line.endswith(r"\\")]
    width = len(re.search(r"\{tabular\}\{([lr]+)\}", text)[1])
    assert {columns_of(lines[place]) for place in places} == {width}
    begin, end = lines.index(r"\toprule"), lines.index(r"\bottomrule")
    rules = [
        place for place in range(begin, end) if re.match(r"\\(top|mid|cmid)rule", lines[place])
    ]
    assert sorted([*places, *rules]) == list(range(begin, end))
    assert not any(lines[place].startswith(("[", "*")) for place in range(begin, end + 1))
    assert "%" not in re.sub(r"\\%", "", text.removeprefix("% \\usepackage{booktabs}"))
    assert not re.search(r"(?<!\\)[#$_~^]", re.sub(r"\\ensuremath\{[^ ]*?\}\}?", "", text))
    for line in lines:
        depth = 0
        for sign in re.findall(r"(?<!\\)[{}]", line):
            depth += 1 if sign == "{" else -1
            assert depth >= 0
        assert depth == 0
    assert set(re.findall(r"\\([A-Za-z]+)", text.replace(r"\\", ""))) - {"usepackage"} <= KNOWN


def test_columns_without_a_title_may_follow_those_with_one():
    table = replace(table_of("x"), over=["", HOSTILE, ""], headers=["a", f"{HOSTILE} b", "c"])
    check_lines(as_latex(table))


def test_titles_of_groups_are_as_hostile_as_names():
    table = replace(table_of("x", "y"), groups=[SPECIAL, HOSTILE])
    check_lines(as_latex(table))
    assert rf"\textit{{{escaped(HOSTILE)}}}" in as_latex(table)


@pytest.mark.parametrize("table", [REAL, SIGNS], ids=["real", "signs"])
def test_lines_are_what_tex_wants(table):
    check_lines(as_latex(table))


NAMES = st.text(alphabet="\\{}%#_&$~^<>|[]*‡↑±−… \n\tab1-", min_size=1, max_size=10)


@settings(max_examples=60)
@given(st.lists(NAMES, min_size=1, max_size=3), NAMES)
def test_no_name_breaks_a_table(names, note):
    check_lines(as_latex(table_of(*names, notes=[note])))


def test_every_sign_that_results_write_is_known():
    """A sign that TeX's fonts lack stops the compilation: notes and marks may use no new one."""
    folder = Path(results.latex.__file__).parent
    drawn = ("plotting", "page", "gallery", "gate")  # figures, browsers, gates: no tables
    paths = [
        path
        for path in folder.rglob("*.py")
        if not any(part.startswith(drawn) for part in path.relative_to(folder).parts)
    ]
    assert folder / "notes.py" in paths
    for path in paths:  # Latin letters with accents are known to every TeX
        tree = ast.parse(path.read_text())
        prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                foreign = {sign for sign in node.value if ord(sign) > 0xFF and sign.isprintable()}
                assert id(node) in prose or foreign <= set(ESCAPES), (path.name, node.value)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """The PDF's text, of both tables in one document, as pdflatex with its own fonts makes it."""
    if not shutil.which("pdflatex"):
        pytest.skip("no pdflatex on this machine")
    folder = tmp_path_factory.mktemp("latex")
    tables = "\n\\newpage\n".join(as_latex(table) for table in (REAL, SIGNS))
    page = "\\usepackage[a4paper,landscape,margin=1cm]{geometry}\n"
    (folder / "paper.tex").write_text(
        "\\documentclass{article}\n\\usepackage{booktabs}\n"
        + page
        + f"\\begin{{document}}\n{tables}\n\\end{{document}}\n"
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return folder


def test_it_compiles_and_lacks_no_sign(compiled):
    log = (compiled / "paper.log").read_text(errors="replace")
    assert "Missing character" not in log
    assert "Overfull" not in log
    assert "LaTeX Warning" not in log.replace("LaTeX Warning: Label(s) may", "")


def test_the_page_says_what_the_table_says(compiled):
    if not shutil.which("pdftotext"):
        pytest.skip("no pdftotext on this machine")
    done = subprocess.run(
        ["pdftotext", "-layout", "paper.pdf", "-"], cwd=compiled, capture_output=True, check=True
    )
    pages = done.stdout.decode()
    real, signs = pages.split("\f")[:2]
    # An underscore is a rule in TeX's own fonts, no letter.
    assert "b & c <script> 50% #1 \\foo {x}" in " ".join(real.split())
    assert "GMACs 1.5" in real
    assert "GMACs 4.6" in real
    for sign in SPECIAL.replace("_", "").replace("~", "˜").replace("^", "ˆ").split():
        assert sign in signs
    maths = {"*": "∗", "Δ": "∆", "≠": "=", "²": "2", "…": ". . ."}  # as TeX's fonts call them
    for sign in [*MATHS.split(), "[1ex]", "two paragraphs", "Radenovi"]:
        assert maths.get(sign, sign) in signs
