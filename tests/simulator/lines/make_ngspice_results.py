"""Let ngspice solve the circuits of `test_spice.py`; keep what it prints in `ngspice_results.json`.

Anew, with ngspice (39 was used) on the path, from the root of the repository:

    python -m tests.simulator.lines.make_ngspice_results
"""

from __future__ import annotations

import json
import subprocess

from tests.simulator.lines.test_spice import (
    CASES,
    CURVED,
    RESULTS,
    curved_netlist_of,
    netlist_of,
)


def printed(netlist: str) -> str:
    """Return the currents and voltages that ngspice prints for a netlist, a line each."""
    run = subprocess.run(
        ["ngspice", "-b"], input=netlist, capture_output=True, text=True, check=True, timeout=60
    )
    return "\n".join(line for line in run.stdout.splitlines() if line.startswith(("i(", "v(")))


def main() -> None:
    """Solve all cases."""
    results = {}
    netlists = {case: netlist_of(case) for case in CASES}
    netlists |= {f"sinh: {case}": curved_netlist_of(case) for case in CURVED}
    for case, netlist in netlists.items():
        results[case] = {"netlist": netlist, "printed": printed(netlist)}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
