"""Energy of arithmetic at two nodes: Horowitz's table at 45 nm and Jouppi's at 7 nm.

A multiply-add is the sum of a multiplication and an addition of the same width, as is usual (FP32
at 45 nm: 3.7 + 0.9 = 4.6 pJ). Many designs accumulate more widely; the upper end of a range is for
the wide adder. The 4-bit formats are accumulated in FP16 (Sun et al., NeurIPS 2020): the adder then
takes most of their energy, and they are not cheaper than INT8 with an integer adder.

Values missing in both tables are scaled within them, and graded `assumed`: a multiplier scales with
the square of its bits (45 nm: 32 bits cost 15.5 times 8), an adder with its bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

from cbramsim.core.errors import ParameterError, nearest
from cbramsim.core.provenance import Evidence
from cbramsim.simulator.comparison.constants import ranged
from cbramsim.simulator.energy.bill import FIRMEST_FIRST, Bill, Constant

Node = Literal["45nm", "7nm"]
Operator = Literal["add", "multiply"]

PJ = 1e-12
HOROWITZ = "Horowitz, ISSCC 2014, 45 nm, 0.9 V, as quoted by PMC8934428"
JOUPPI = "Jouppi et al., ISCA 2021, Table 2, 7 nm, recalled"

TABLES: Mapping[Node, Mapping[Operator, Mapping[str, float]]] = {
    "45nm": {
        "add": {"int8": 0.03, "int16": 0.05, "int32": 0.1, "fp16": 0.4, "fp32": 0.9},
        "multiply": {"int8": 0.2, "int32": 3.1, "fp16": 1.1, "fp32": 3.7},
    },
    "7nm": {
        "add": {"int8": 0.007, "int32": 0.03, "bf16": 0.11, "fp16": 0.16, "fp32": 0.38},
        "multiply": {"int8": 0.07, "int32": 1.48, "bf16": 0.21, "fp16": 0.34, "fp32": 1.31},
    },
}
"""Energy per operation, pJ, as tabulated."""
GRADES: Mapping[Node, tuple[Evidence, float, str]] = {
    "45nm": ("published", 1.5, f"{HOROWITZ}; 1.5 times either way: the square of 20 % in voltage"),
    "7nm": ("assumed", 2.0, f"{JOUPPI}; 2 times either way, as it was not confirmed"),
}
"""Grade, range and source of the entries, by node."""

WIDE_ADDER = {"fp16": "fp32", "bf16": "fp32", "int8": "int32"}
"""Format in which such products are accumulated, where that is not their own width."""
POWER_OF_TWO = (
    "int4xfp4",
    "INT4 x power of two (1-3-0; of radix 4 in fp4, 2 in luq): exponents of 4 bits added, half of "
    "the INT8 adder",
)
FOUR_BITS = {
    "int4": ("int4", "INT4 x INT4: a quarter of the INT8 multiplier"),
    "fp4": POWER_OF_TWO,
    "luq": POWER_OF_TWO,
}
"""Products of 4 bits, accumulated in FP16: the circuit and its estimate."""
FASTER_THAN_FP16 = 7.0
"""Speed of 4-bit systems over FP16 systems in Sun et al.'s abstract: more than 7 times. No hardware
was measured; taken as an energy, it is the lower end of the range."""
SPIKES = {"spike8": "int8", "spike16": "int16"}
"""Energy of adding a weight for a spike, without a product, by bits of the sum."""
PRECISIONS = ("fp32", "fp16", "bf16", "int8", *FOUR_BITS, *SPIKES)
"""Precisions that `mac` knows."""


def mac(precision: str, node: str = "45nm") -> Constant:
    """Return one multiply-add (one addition, for spikes), J.

    Networks that learn in `fp4` or `luq` have `int4` products in the forward pass: the two names
    stand for products of a gradient and a weight, or an activation: one circuit, one constant.

    Raises
    ------
    ParameterError
        If the precision or the node is not known.
    """
    if precision in SPIKES:
        sum_ = operation("add", SPIKES[precision], node)
        return sum_.replace(name=f"{precision}-add-{node}")
    if precision in FOUR_BITS:
        return _mac_of_4_bits(precision, _checked("node", node, NODES))
    if precision not in PRECISIONS:
        raise _unknown("precision", precision, PRECISIONS)
    product, sum_ = (operation(operator, precision, node) for operator in OPERATORS)
    wide = WIDE_ADDER.get(precision, precision)
    return Constant(
        name=f"{precision}-mac-{node}",
        value=product.value + sum_.value,
        low=product.low + sum_.low,
        high=product.high + operation("add", wide, node).high,
        unit="J",
        evidence=_weakest("derived", product.evidence, sum_.evidence),
        source=f"{precision} multiplication + addition; highest with an adder of {wide}: "
        f"{product.source}",
    )


def operation(operator: Operator, precision: str, node: str = "45nm") -> Constant:
    """Return one addition or one multiplication, J.

    Raises
    ------
    ParameterError
        If operator, precision or node is not known.
    """
    known: Node = _checked("node", node, NODES)
    entries = TABLES[known][_checked("operator", operator, OPERATORS)]
    evidence, factor, source = GRADES[known]
    if precision in entries:
        value = entries[precision]
    elif precision == "bf16":  # in the proportion to FP16 that it has at 7 nm
        at_7nm = TABLES["7nm"][operator]
        value = entries["fp16"] * at_7nm["bf16"] / at_7nm["fp16"]
        evidence, factor, source = "assumed", 2.0, f"to FP16 as at 7 nm ({JOUPPI}): {source}"
    elif precision == "int16":  # adders go as their bits, multipliers as the square
        value = entries["int8"] * (4 if operator == "multiply" else 2)
        evidence, factor, source = "assumed", 2.0, f"from 8 bits, by bits: {source}"
    else:
        raise _unknown("precision", precision, [*entries, "bf16", "int16"])
    return ranged(f"{precision}-{operator}-{node}", value * PJ, "J", evidence, source, factor)


def elementwise(precision: str = "fp32", node: str = "45nm") -> Constant:
    """Return one operation on one value (an activation, a rescaling, an update), J.

    A multiplication; an addition at the lower end of the range.
    """
    product, sum_ = (operation(operator, precision, node) for operator in OPERATORS)
    return product.replace(
        name=f"{precision}-elementwise-{node}",
        low=sum_.low,
        evidence="assumed",
        source=f"taken as a multiplication, at least an addition: {product.source}",
    )


def instruction(node: str = "45nm") -> Constant:
    """Return the energy of one instruction of a processor beside its arithmetic, J."""
    if _checked("node", node, NODES) == "45nm":
        source = "about 70 pJ, recalled (Horowitz, ISSCC 2014): fetch, decode, registers, control"
        return ranged("instruction-45nm", 70 * PJ, "J", "assumed", source, 2.0)
    at_45nm = instruction("45nm")
    value = at_45nm.value * mac("fp32", "7nm").value / mac("fp32", "45nm").value
    return Constant(
        name="instruction-7nm", value=value, low=value / 3, high=at_45nm.value, unit="J",
        evidence="assumed", source="70 pJ at 45 nm, less as an FP32 multiply-add is; at most 70 pJ",
    )  # fmt: skip


SIMD_WIDTH = Constant(
    name="simd-width", value=256, low=128, high=512, unit="bit", evidence="assumed",
    source="registers of vector instructions: 128 (SSE, NEON), 256 (AVX2) or 512 bits (AVX-512)",
)  # fmt: skip
INSTRUCTIONS_PER_FMA = Constant(
    name="instructions-per-fma", value=1.5, low=1, high=3, unit="1", evidence="assumed",
    source="one fused multiply-add, and half a load: blocked products reuse what is in registers",
)  # fmt: skip
LANE_BITS = {"fp32": 32, "fp16": 16, "bf16": 16, "int8": 8, "spike8": 8, "spike16": 16}
"""Bits of one lane; 4-bit formats take those of INT8, as processors have no narrower lanes."""


def instructions(macs: float, precision: str, node: str = "45nm") -> Bill:
    """Return the energy of a processor's instructions for `macs` multiply-adds.

    .. math:: E = e_{instruction} \\, n_{per\\,FMA} \\, n_{MAC} \\, b_{lane} / b_{SIMD}
    """
    lane = LANE_BITS.get(_checked("precision", precision, PRECISIONS), 8)
    each = instruction(node)
    joules = macs * lane / SIMD_WIDTH.value * INSTRUCTIONS_PER_FMA.value * each.value
    return Bill().add_joules(
        "instructions", joules, {each: 1, INSTRUCTIONS_PER_FMA: 1, SIMD_WIDTH: -1}
    )


def every_constant() -> list[Constant]:
    """Return all constants of arithmetic, at both nodes."""
    macs = [
        mac(precision, node) for node in NODES for precision in PRECISIONS if precision != "luq"
    ]
    others = [elementwise(precision, node) for node in NODES for precision in ("fp32", "fp16")]
    return [*macs, *others, *map(instruction, NODES), SIMD_WIDTH, INSTRUCTIONS_PER_FMA]


NODES: tuple[Node, ...] = get_args(Node)
OPERATORS: tuple[Operator, ...] = ("multiply", "add")


def _mac_of_4_bits(precision: str, node: Node) -> Constant:
    if precision == "int4":
        product = operation("multiply", "int8", node).value / 4
    else:
        product = operation("add", "int8", node).value / 2
    value = product + operation("add", "fp16", node).value
    circuit, estimate = FOUR_BITS[precision]
    return Constant(
        name=f"{circuit}-mac-{node}",
        value=value,
        low=mac("fp16", node).value / FASTER_THAN_FP16,
        high=2 * value,
        unit="J",
        evidence="assumed",
        source=f"{estimate}; + FP16 addition. At least a seventh of FP16 (the claim of "
        f"Sun et al., NeurIPS 2020, taken as an energy), at most twice: {GRADES[node][2]}",
    )


def _weakest(*grades: Evidence) -> Evidence:
    return max(grades, key=FIRMEST_FIRST.index)


def _checked(what: str, name: str, known: tuple[Any, ...]) -> Any:
    if name not in known:
        raise _unknown(what, name, known)
    return name


def _unknown(what: str, name: str, known: Iterable[str]) -> ParameterError:
    known = list(known)
    return ParameterError(
        f"arithmetic {what}: must be one of {', '.join(known)} (got {name!r}){nearest(name, known)}"
    )
