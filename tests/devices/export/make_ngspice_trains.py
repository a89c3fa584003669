"""Let ngspice give trains of pulses to exported cells; keep what it finds in `ngspice_trains.json`.

Anew, with ngspice (39 was used) on the path, from the root of the repository:

    python -m tests.devices.export.make_ngspice_trains
"""

from __future__ import annotations

import json

from tests.devices.export.bench import CASES, netlist_of, simulated
from tests.devices.export.test_spice import TRAINS


def main() -> None:
    """Simulate all cases."""
    found = {}
    for case, device in CASES.items():
        measured = simulated(netlist_of(device))
        found[case] = {
            "subcircuit": [
                line for line in device.to_spice().splitlines() if not line.startswith("*")
            ],
            "measured": {name: round(value, 7) for name, value in measured.items()},
        }
    text = json.dumps(found).replace('"subcircuit"', '\n "subcircuit"')
    TRAINS.write_text(text.replace('"measured"', '\n "measured"').replace("}}, ", "}},\n") + "\n")


if __name__ == "__main__":
    main()
