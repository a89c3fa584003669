"""Arithmetic: the sums of the tables, orders that must hold, and names that are refused."""

import pytest

from cbramsim.core.errors import ParameterError
from cbramsim.simulator.comparison.arithmetic import (
    NODES,
    PRECISIONS,
    elementwise,
    every_constant,
    instruction,
    instructions,
    mac,
    operation,
)

PJ = 1e-12


@pytest.mark.parametrize(
    ("precision", "node", "pj"),
    [
        ("fp32", "45nm", 4.6), ("fp16", "45nm", 1.5), ("int8", "45nm", 0.23),
        ("fp32", "7nm", 1.69), ("fp16", "7nm", 0.50), ("bf16", "7nm", 0.32), ("int8", "7nm", 0.077),
        ("int4", "45nm", 0.2 / 4 + 0.4), ("fp4", "45nm", 0.03 / 2 + 0.4),
        ("spike16", "45nm", 0.05), ("spike8", "7nm", 0.007),
    ],
)  # fmt: skip
def test_a_multiply_add_is_the_sum_of_its_parts(precision: str, node: str, pj: float) -> None:
    assert mac(precision, node).value == pytest.approx(pj * PJ, rel=1e-12)


@pytest.mark.parametrize("node", NODES)
def test_fewer_bits_cost_less_where_the_sum_is_of_the_same_width(node: str) -> None:
    floating = [mac(precision, node).value for precision in ("fp32", "fp16", "bf16")]
    fp16_sums = [mac(precision, node).value for precision in ("fp16", "int4", "fp4")]
    spikes = [mac(precision, node).value for precision in ("int8", "spike16", "spike8")]
    for row in (floating, fp16_sums, spikes):
        assert row == sorted(row, reverse=True)
        assert len(set(row)) == len(row)
    for operator in ("add", "multiply"):
        row = [operation(operator, f"int{bits}", node).value for bits in (8, 16, 32)]
        assert row == sorted(row)


@pytest.mark.parametrize("node", NODES)
def test_four_bits_summed_in_fp16_cost_more_than_eight_in_integers(node: str) -> None:
    """The adder counts: 4-bit products are all but free, their FP16 sums are not."""
    sum_ = operation("add", "fp16", node).value
    for precision in ("int4", "fp4", "luq"):
        constant = mac(precision, node)
        assert sum_ < constant.value < 1.2 * sum_
        assert constant.value > mac("int8", node).value
        assert constant.low == pytest.approx(mac("fp16", node).value / 7)


@pytest.mark.parametrize("node", NODES)
def test_wide_sums_are_within_the_range(node: str) -> None:
    for precision, wide in (("fp16", "fp32"), ("bf16", "fp32"), ("int8", "int32")):
        widely = operation("multiply", precision, node).value + operation("add", wide, node).value
        assert mac(precision, node).value < widely < mac(precision, node).high


def test_newer_nodes_cost_less_and_recalled_numbers_are_assumed() -> None:
    for precision in PRECISIONS:
        assert mac(precision, "7nm").value < mac(precision, "45nm").value
        assert mac(precision, "7nm").evidence == "assumed"
    assert mac("fp32", "45nm").evidence == "derived"
    assert mac("spike16", "45nm").evidence == "published"
    assert {mac(precision).evidence for precision in ("bf16", "int4", "fp4")} == {"assumed"}
    assert elementwise("fp16").value == operation("multiply", "fp16").value
    assert elementwise("fp16").low < operation("add", "fp16").value


def test_instructions_are_shared_by_the_lanes_of_a_register() -> None:
    bill = instructions(1e6, "fp32")
    assert bill.components() == {"instructions": pytest.approx(1e6 * 70 * PJ * 1.5 / 8)}
    assert instructions(1e6, "int8").joules == pytest.approx(bill.joules / 4)
    assert instructions(1e6, "fp4").joules == instructions(1e6, "int8").joules
    # the recalled lesson of that table: for one lane, the instruction is most of the cost
    assert 8 * bill.joules > 20 * 1e6 * mac("fp32").value
    assert instruction("7nm").value < instruction("45nm").value
    assert bill.charges[0].powers["simd-width"] == -1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mac("fp23"), r"precision: must be one of fp32, .*got 'fp23'\) \(did you mean 'fp32'"),
        (lambda: mac("fp32", "45 nm"), r"node: must be one of 45nm, 7nm .*did you mean '45nm'"),
        (lambda: mac("fp4", "5nm"), r"node: must be one of"),
        (lambda: operation("ad", "fp32"), r"operator: .*did you mean 'add'"),
        (lambda: operation("add", "fp64"), r"precision: .*got 'fp64'"),
        (lambda: instruction("3nm"), r"node: must be one of 45nm, 7nm"),
        (lambda: instructions(1, "fp12"), r"precision: must be one of"),
    ],
)  # fmt: skip
def test_unknown_names_are_refused_with_the_nearest(call, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        call()


def test_the_two_modes_of_four_bits_share_one_circuit_and_so_one_draw() -> None:
    assert mac("fp4") == mac("luq")
    assert mac("fp4").name == "int4xfp4-mac-45nm" != mac("int4").name


def test_all_constants_have_names_of_their_own() -> None:
    names = [constant.name for constant in every_constant()]
    assert len(set(names)) == len(names)
    assert all(constant.low < constant.value < constant.high for constant in every_constant())
