"""bench.execution.graph: what is wanted, in which order, and what a failure costs."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.execution.graph import Graph, by_rows
from bench.execution.work import inputs_of, name_of
from bench.identity import Descriptors, Extraction, Fit, Model, Scores
from bench.matrix import read_matrix
from bench.plan import make_plan

WORDS = ["dims=8,16,native", "backbone=tiny_vit,tiny_conv", "dataset=twin-sop,twin-roxford"]


def plan_of(*words):
    return make_plan(read_matrix(words, preset=None, exclude=[]), skip_bad_images=False)


@pytest.fixture(scope="module")
def cells():
    return plan_of(*WORDS, "recipe=smoke").cells


def nothing_done(stage, cells):
    return isinstance(stage, Model) and stage.training is None


def drained(graph, fails=lambda stage: False):
    """Do everything, one after the other; return the stages in the order of doing."""
    order = []
    while graph.left:
        node = next(graph.ready())
        graph.begin(node)
        order.append(node.stage)
        if fails(node.stage):
            graph.fail(node.name)
        else:
            graph.finish(node)
    assert list(graph.ready()) == []
    return order


def test_every_stage_is_done_once_and_after_its_inputs(cells):
    order = drained(Graph(cells, nothing_done))
    assert len(set(order)) == len(order)
    assert set(order) == {stage for cell in cells for stage in cell.stages()}
    for place, stage in enumerate(order):
        assert set(inputs_of(stage)) <= set(order[:place])


def test_whole_rows_are_finished_before_the_next_begins():
    cells = plan_of("dataset=twin-sop,twin-cub", "dims=8,16", "backbone=tiny_vit").cells
    assert [cell.job.dataset for cell in cells] == ["twin-sop"] * 2 + ["twin-cub"] * 2
    scores = [s for s in drained(Graph(cells, nothing_done)) if isinstance(s, Scores)]
    assert [s.descriptors.dims for s in scores] == [8, 8, 16, 16]
    assert [cell.job.dims for cell in by_rows(cells)] == [8, 8, 16, 16]


def test_what_no_cell_needs_is_not_wanted(cells):
    done = {cell.scores.descriptors for cell in cells}
    kinds = {type(stage) for stage in drained(Graph(cells, lambda stage, _: stage in done))}
    assert kinds == {Scores, Model, Extraction}  # unreadable images and losses are reported

    everything = drained(Graph(cells, lambda stage, _: not isinstance(stage, Scores)))
    assert everything == [cell.scores for cell in by_rows(cells)]


def test_a_cell_without_its_report_is_wanted(cells):
    asked = []

    def done(stage, reported):
        asked.extend(cell.key for cell in reported)
        return not reported

    assert len(drained(Graph(cells, done))) == len(cells)
    assert sorted(asked) == sorted(cell.key for cell in cells)


@given(st.randoms(use_true_random=False), st.integers(0, 3))
def test_a_failure_costs_what_rests_on_it_and_nothing_else(random, failures):
    cells = plan_of(*WORDS, "recipe=smoke").cells
    stages = list(dict.fromkeys(stage for cell in cells for stage in cell.stages()))
    broken = set(random.sample(stages, failures))

    def lost(cell):
        return bool(broken & set(cell.stages()))

    graph, said = Graph(cells, nothing_done), []
    while graph.left:
        node = random.choice(list(graph.ready()))  # all are taken out: the others go back
        for other in graph.nodes.values():
            if other.state == "ready" and other is not node:
                graph.again(other)
        graph.begin(node)
        if node.stage in broken:
            said += graph.fail(node.name)
        else:
            graph.finish(node)
    assert {cell.key for cell in said} == {cell.key for cell in cells if lost(cell)}
    assert len(said) == len({cell.key for cell in said})


def test_a_network_that_cannot_be_had_costs_all_its_cells():
    cells = plan_of("backbone=deit_ti", "dataset=twin-sop,twin-cub", "loss=none").cells
    graph = Graph(cells, nothing_done)
    first, other = list(graph.ready())
    for node in (first, other):
        graph.again(node)
    graph.begin(first)
    model = name_of(first.stage.model)
    lost = graph.fail(model) + graph.fail(first.name)
    assert sorted(cell.key for cell in lost) == sorted(cell.key for cell in cells)
    assert not graph.left


def test_what_is_found_damaged_is_done_again_first(cells):
    there = set()

    def done(stage, _):
        return stage in there

    fit = next(stage for cell in cells for stage in cell.stages() if isinstance(stage, Fit))
    there |= {stage for cell in cells for stage in cell.stages() if stage not in (fit,)}
    users = [c.scores.descriptors for c in cells if c.scores.descriptors.fit == fit]
    there -= {*users, *(cell.scores for cell in cells)}
    there.add(fit)
    graph = Graph(cells, done)
    node = next(node for node in graph.ready() if node.stage == users[0])
    graph.begin(node)
    there.discard(fit)
    graph.reopen(fit)
    graph.again(node)
    order = drained(graph)
    assert order[0] == fit or order.index(fit) < min(order.index(user) for user in users)
    assert order.count(fit) == 1


def test_what_was_never_met_can_be_found_gone(cells):
    """The damaged input of an input is found out when that is done again."""
    cell = cells[0]
    there = {stage for stage in cell.stages() if not isinstance(stage, Scores)}
    graph = Graph([cell], lambda stage, _: stage in there)
    node = next(graph.ready())
    graph.begin(node)
    there -= {stage for stage in cell.stages() if isinstance(stage, Extraction | Model)}
    extraction = cell.scores.descriptors.features.extraction
    graph.reopen(extraction)
    graph.again(node)
    node = next(graph.ready())
    assert node.stage == extraction
    graph.begin(node)
    graph.reopen(extraction.model)
    graph.again(node)
    order = drained(graph)
    assert [type(stage) for stage in order] == [Model, Extraction, Scores]


def test_inputs_are_what_a_stage_reads(cells):
    cell = next(cell for cell in cells if cell.scores.descriptors.fit)
    descriptors = cell.scores.descriptors
    evaluated, fitted = descriptors.features.extraction, descriptors.fit.features.extraction
    assert inputs_of(evaluated.model) == []
    assert inputs_of(evaluated) == [evaluated.model]
    assert inputs_of(descriptors.features) == [evaluated]
    assert inputs_of(descriptors.fit) == [fitted]
    assert inputs_of(descriptors) == [evaluated, descriptors.fit]
    assert set(inputs_of(cell.scores)) == {evaluated.model, evaluated, fitted, descriptors}
    more = replace(cell.scores, distractors=Descriptors(descriptors.features, None, 4))
    assert more.distractors in inputs_of(more)


def test_what_has_failed_stays_failed(cells):
    """A stage that another run is at fails here with its network: it is not looked at again."""
    graph = Graph(cells, nothing_done)
    node = next(graph.ready())
    graph.hold(node)
    graph.fail(node.name)
    left = graph._open
    graph.again(node)
    graph.finish(node)
    assert node.state == "failed"
    assert graph._open == left
    assert node not in list(graph.ready())


def test_what_is_held_is_not_handed_out_until_asked_again(cells):
    graph = Graph(cells, nothing_done)
    node = next(graph.ready())
    graph.hold(node)
    assert node not in list(graph.ready())
    graph.again(node)
    assert node in list(graph.ready())


def test_who_waits_for_another_input_also_waits_for_one_that_is_gone(cells):
    cell = next(cell for cell in cells if cell.scores.descriptors.fit)
    descriptors = cell.scores.descriptors
    there = {*inputs_of(descriptors), *inputs_of(descriptors.fit)} - {descriptors.fit}
    graph = Graph([cell], lambda stage, _: stage in there)
    fit = next(node for node in graph.ready() if node.stage == descriptors.fit)
    graph.begin(fit)
    there.clear()
    graph.reopen(descriptors.features.extraction)
    known = graph._open
    graph.reopen(descriptors.features.extraction)  # found out by two
    assert graph._open == known
    graph.finish(fit)
    assert descriptors not in [node.stage for node in graph.ready()]
    extraction = graph.nodes[name_of(descriptors.features.extraction)]
    left = graph._open
    graph.finish(extraction)
    assert graph._open == left - 1
    assert descriptors in [node.stage for node in graph.ready()]


def test_cells_are_lost_once(cells):
    graph = Graph(cells, nothing_done)
    node = graph.nodes[name_of(cells[0].scores)]
    assert graph.fail(node.name) == [cells[0]]
    assert graph.fail(node.name) == []
