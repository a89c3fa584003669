"""`Layer`: an array, the neurons that compare its bit lines, and the rule by which it learns."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbramsim.core.errors import ParameterError
from cbramsim.core.rng import generator, stream
from cbramsim.devices.device import Device
from cbramsim.simulator.array import saving
from cbramsim.simulator.array.binary import BinaryCrossbar, BinarySlices
from cbramsim.simulator.array.cells import ArrayState
from cbramsim.simulator.array.own import Own, apart, made
from cbramsim.simulator.array.synapse import Synapses
from cbramsim.simulator.circuits import Periphery
from cbramsim.simulator.energy.ledger import Account, EnergyLedger
from cbramsim.simulator.learning import assembly
from cbramsim.simulator.learning.config import NetworkConfig
from cbramsim.simulator.learning.encoding import Poisson, Trace
from cbramsim.simulator.learning.inputs import Inputs
from cbramsim.simulator.learning.layer_state import check_parts, present, put_back
from cbramsim.simulator.learning.loop import (
    Circuit,
    Scratch,
    Streams,
    relay,
    respond,
    scratch,
    train,
)
from cbramsim.simulator.learning.neurons import Stochastic
from cbramsim.simulator.learning.pruning import Pruner
from cbramsim.simulator.learning.rules.ideal import DenseStdp
from cbramsim.simulator.learning.rules.rest import Rest
from cbramsim.simulator.learning.rules.rewarded import RewardedStdp
from cbramsim.simulator.learning.state_checks import LEARNING, learning_part

LEDGER = ("ledger_phases", "ledger_counts", "ledger_joules")
"""Name of the ledger in a state."""


class Layer:
    """An array that learns: it owns its neurons, rule, pruner, random streams and scratch.

    Attributes
    ----------
    config
        `NetworkConfig` of this layer.
    device, periphery
        Technology of the cells, without variability under the ideal rule, and the circuits around
        them.
    inputs
        Spike rates of the inputs, `Inputs`.
    crossbar
        The array that holds the weights.
    ledger
        Every event of the layer and its energy, by phase.
    pruner
        State of the pruning.
    bias
        float32[neurons], biases of the potentials.
    spike_counts
        int64[neurons], output spikes while learning.
    images_seen
        Images learned from.
    competition_scale
        Factor on the sharpness of the competition, `Competition.scale`.
    parts
        Custom parts, by role.
    """

    def __init__(
        self,
        config: NetworkConfig,
        device: Device,
        periphery: Periphery,
        inputs: Inputs,
        own: Own | None = None,
        *,
        after: bool = False,
    ) -> None:
        """Draw the array, with all counters at zero.

        Parameters
        ----------
        config, device, periphery, inputs
            See above; `device` is the one for a rule by device pulses.
        own
            Custom parts; those with arrays are made from this layer.
        after
            Whether inputs are the spikes of a previous layer, int32[images, windows], the neuron
            that fired; otherwise they are densities, uint8[images, inputs].
        """
        self._after = after
        self.config, self.inputs, self.periphery = config, inputs, periphery
        self.device = device.without_variability() if config.rule == "ideal" else device
        self.nominal = device
        self.own, self.ledger = own or Own(), EnergyLedger()
        self.competition_scale = 1.0
        seed, neurons = config.seed, config.neurons
        self.crossbar = assembly.array_of(
            config, inputs.activity.size, self.device, periphery, self.ledger, self.own
        )
        if self.crossbar.wired:
            self.crossbar.wired.patterns = inputs.patterns
        self.bias = np.zeros(neurons, np.float32)
        self.spike_counts = np.zeros(neurons, np.int64)
        self.images_seen = 0
        self.streams = Streams(
            spikes=stream(seed, "spikes"),
            reads=stream(seed, "reads"),
            competition=stream(seed, "competition"),
            pulses=self.crossbar.pulse_stream,
        )
        parts = {role: made(self.own, role, self) for role in ("rule", "encoder", "neurons")}
        if after:
            parts.pop("encoder")
        self.parts = {role: part for role, part in parts.items() if part is not None}
        if self.own.law is not None:
            self.parts["law"] = self.crossbar.state.law
        self.encoder = self._new_encoder()
        self.rule = (
            self.parts["rule"]
            if "rule" in self.parts
            else assembly.rule_of(config, inputs.activity.size, device)
        )
        self.readout = assembly.readout_of(config, inputs, device)
        self.prices = assembly.prices_of(config, self.crossbar)
        self.work = self._new_scratch()
        self.pruner = self._new_pruner()
        self._learning: dict[str, NDArray[Any]] = {}
        self._finished: dict[str, int] = {}

    def __repr__(self) -> str:
        """Return a short description of the layer."""
        rows, neurons = self.crossbar.shape
        return f"Layer({rows} inputs, {neurons} neurons, {self.device.name})"

    def begin(self) -> None:
        """Put the array into its initial state."""
        config = self.config
        rng = generator(config.seed, "initial state")
        weights = rng.normal(config.initial_weight, config.initial_weight_d2d, self.crossbar.shape)
        self.crossbar.set_weights(weights, clip=True)
        self.pruner = self._new_pruner()

    def observe(self, images: NDArray[np.uint8]) -> None:
        """Record the images to come: uint8[images, inputs], densities."""
        self.inputs.observe(images, self.config)
        if self.crossbar.wired:
            self.crossbar.wired.patterns = self.inputs.patterns

    def begin_again(self, *, release: bool) -> None:
        """Count from zero again, in the same cells; release pruned cells, or hold them."""
        self._learning = {}
        self.images_seen = 0
        self.spike_counts[:] = 0
        for phase in self.ledger.phases:
            self.ledger.clear(phase)
        if release:
            self.release()
        else:
            self.pruner = self._new_pruner().holding(self.pruner)

    def release(self) -> None:
        """Let soft-pruned cells learn again; from now on neurons are judged anew."""
        self.crossbar.release()
        self.pruner = self._new_pruner()
        self.pruner.seen_spikes[:] = self.spike_counts

    # ---- learning ------------------------------------------------------------------------------

    def learn(
        self, images: NDArray[Any], chosen: NDArray[np.int64], threads: int = 1
    ) -> NDArray[np.int32]:
        """Learn from ``images[chosen]``, prune mature neurons; return the winners.

        Parameters
        ----------
        images
            Inputs of the encoder, [images, ...].
        chosen
            int64[n], indices of images.
        threads
            Number of threads that solve lines.

        Returns
        -------
        int32[n, windows]
            The neuron that fired in each window.
        """
        self.about_to_learn(threads)
        winners = np.empty((len(chosen), self.config.encoding.windows), np.int32)
        account = self.ledger.account("train")
        train(images, chosen, winners, self.spike_counts, self.circuit(), account)
        self.have_learned(len(chosen))
        return winners

    @property
    def tiring(self) -> float:
        """Fall of the bias of a neuron that fires, at present."""
        return self.config.competition.homeostasis_at(self.images_seen)

    def circuit(self) -> Circuit:
        """Return the layer as it learns at present, for compiled loops."""
        return Circuit(
            self.encoder, self.crossbar.for_loops, self._readout(),
            self.neurons(tiring=self.tiring), self.rule, self.streams, self.work,
        )  # fmt: skip

    def about_to_learn(self, threads: int = 1) -> None:
        """Bring the array into its state for a step of learning; `threads` as for `learn`."""
        crossbar = self.crossbar
        if (cells := saving.physical(crossbar)).sums is not None:
            cells.forget_sums()
        if self._after and crossbar.wired:
            crossbar.wired.patterns = self.inputs.patterns
        crossbar.follow(self.inputs.together, self.config.wires_error, threads)
        if isinstance(self.rule, DenseStdp):
            self.rule.refresh(crossbar.state)

    def have_learned(self, images: int, *, cells_change: bool = True) -> None:
        """Balance the biases after a number of images, prune mature neurons, let time pass.

        Cells are not checked where none can change: see `cells_change`.
        """
        # Only differences of biases matter; the mean is taken out to keep them small.
        self.bias -= self.bias.sum() / np.float32(self.bias.size)
        self.images_seen += images
        crossbar = self.crossbar
        if cells_change:
            crossbar.phase = "train"
            self.pruner.update(self.spike_counts)
            crossbar.phase = "use"
            crossbar.settle()
        crossbar.advance(self._seconds(images), self.config.celsius)
        self.price()

    def cells_change(self, images: int) -> bool:
        """Return whether `have_learned` may change a cell, after so many images."""
        cells = saving.physical(self.crossbar)
        stays = cells.stays(self._seconds(images), self.config.celsius)
        return not stays or self.pruner.is_due(self.spike_counts)

    def _seconds(self, images: int) -> float:
        """Return the time that it takes to present a number of images, s."""
        return images * self.config.encoding.windows * self.config.encoding.window

    def price(self) -> None:
        """Price the events of learning whose energy does not depend on the state of a cell."""
        assembly.price_events(self.ledger.account("train"), self.prices)

    def expect(self, targets: NDArray[np.int64] | None, chosen: NDArray[np.int64]) -> None:
        """Record that images of the classes ``targets[chosen]`` come next."""
        if isinstance(self.rule, RewardedStdp):
            if targets is None:
                raise ParameterError("Layer.learn: needs classes of the images with reward.classes")
            self.rule = self.rule.expecting(targets[chosen])

    def finish(self) -> None:
        """Bring the array into the state in which it is used; keep what this changes.

        Neurons that are pruned when training is complete are pruned, and cells have aged up to now.
        """
        crossbar = self.crossbar
        if self.config.pruning.maturity != "trained" and not crossbar.clock.pending:
            return
        before = {name: np.array(value) for name, value in self._learned().items()}
        crossbar.phase = "train"
        self.pruner.finish()
        crossbar.phase = "use"
        crossbar.clock.settle()
        now = self._learned()
        changed = {name for name in now if not np.array_equal(before[name], now[name])}
        if changed & set(LEDGER):
            changed |= set(LEDGER)
        if changed:
            self._learning = {name: before[name] for name in now if name in changed}
            self._finished = self._checksums()

    def go_on(self) -> None:
        """Undo `finish`, so that learning goes on as if it had not been interrupted.

        If cells have been written, or time has passed, it goes on from there instead.
        """
        learning, self._learning = self._learning_state(), {}
        if learning:
            put_back(self, present(self) | learning)
        if "ledger_joules" in learning:
            before = EnergyLedger.from_arrays(learning).account("train")
            account = self.ledger.account("train")
            account.counts[:], account.joules[:] = before.counts, before.joules

    def _learned(self) -> dict[str, Any]:
        """Return the present state, with the costs of learning as the only part of the ledger."""
        ledger = EnergyLedger()
        ledger.add_account("train", self.ledger.account("train"))
        return present(self) | ledger.to_arrays()

    def _learning_state(self) -> dict[str, NDArray[Any]]:
        """Return the state before `finish`; nothing if it has been changed again since."""
        return self._learning if self._learning and self._checksums() == self._finished else {}

    def _checksums(self) -> dict[str, int]:
        """Return checksums of the present conductances and of the arrays that `finish` changed."""
        now = self._learned()
        names = ("conductance", *self._learning)
        return {name: zlib.crc32(np.asarray(now[name]).tobytes()) for name in names}

    def wait(self, seconds: float, celsius: float = 25.0) -> None:
        """Let time pass, s, at some temperature, °C; compensate drift if requested.

        Sums are measured before the first wait after learning, and again after each.
        """
        cells, kind = saving.physical(self.crossbar), self.config.compensation
        cells.phase = "compensation"
        if kind != "none":
            cells.note_sums()
        self.crossbar.wait(seconds, celsius=celsius)
        if kind != "none":
            cells.compensate(kind)
        cells.phase = "use"

    # ---- at work -------------------------------------------------------------------------------

    def at_rest(self) -> ArrayState | BinarySlices | Synapses:
        """Return the cells as they are read while none changes."""
        return self.crossbar.at_rest(self.inputs.together)

    def respond(
        self, cells: Any, images: NDArray[Any], starts: NDArray[np.uint64], phase: str
    ) -> tuple[NDArray[np.float32], Account]:
        """Return the mean firing probabilities, float32[images, neurons], and their costs.

        Parameters
        ----------
        cells, starts
            As of `at_rest`, and of `loop.respond`.
        images
            As for `learn`.
        phase
            Phase of the ledger in which events are booked.
        """
        responses = np.empty((len(images), self.config.neurons), np.float32)
        account = EnergyLedger().account(phase)
        circuit = self._at_work(cells, self._responding(phase))
        respond(images, responses, self.config.encoding.windows_at_work, starts, circuit, account)
        assembly.price_events(account, self.prices)
        return responses, account

    def _responding(self, phase: str) -> Any:
        """Return the neurons as they respond.

        They are named by their responses in the competition in which they learned; several of them
        contribute to a vote.
        """
        named = phase == "label"
        return self.neurons(1.0 if named else self.config.competition.readout_sharpness)

    def circuit_at_work(self, phase: str) -> Circuit:
        """Return the layer as it responds, for compiled loops; booked in a phase by `add_work`."""
        return self._at_work(self.at_rest(), self._responding(phase))

    def add_work(self, phase: str, account: Account) -> None:
        """Price the events of `circuit_at_work`, and book them."""
        assembly.price_events(account, self.prices)
        self.ledger.add_account(phase, account)

    def relay(
        self, cells: Any, images: NDArray[Any], starts: NDArray[np.uint64], phase: str
    ) -> tuple[NDArray[np.int32], Account]:
        """Return the neurons that fire, int32[images, windows], and the costs; as `respond`."""
        winners = np.empty((len(images), self.config.encoding.windows_at_work), np.int32)
        account = EnergyLedger().account(phase)
        relay(images, winners, starts, self._at_work(cells, self.neurons()), account)
        assembly.price_events(account, self.prices)
        return winners, account

    def _at_work(self, cells: ArrayState | BinarySlices | Synapses, neurons: Any) -> Circuit:
        """Return the layer for recognition: nothing is learned, and all memory is its own."""
        spikes, reads = np.zeros((2, 4), np.uint64)
        streams = Streams(spikes, reads, competition=reads, pulses=reads)
        return Circuit(
            apart(self._new_encoder()), cells, self._readout(), apart(neurons), Rest(), streams,
            self._new_scratch(),
        )  # fmt: skip

    def _readout(self) -> Any:
        """Return the circuit between bit lines and neurons for compiled loops."""
        array = self.crossbar
        return array.readout() if isinstance(array, BinaryCrossbar) else self.readout

    def neurons(self, factor: float = 1.0, tiring: float = 0.0) -> Any:
        """Return the neurons for compiled loops, with all potentials multiplied by `factor`."""
        if "neurons" in self.parts:
            return self.parts["neurons"]
        sharpness = factor * self.competition_scale * self.config.competition.sharpness
        return Stochastic(
            bias=self.bias if factor == 1 else (factor * self.bias).astype(np.float32),
            gain=np.float32(2 * sharpness / self.nominal.g_range),
            tiring=np.float32(tiring),
        )

    # ---- what it is made of --------------------------------------------------------------------

    def _new_encoder(self) -> Any:
        """Return the encoder of a row of inputs as spikes, for compiled loops."""
        if self._after:
            return Trace(np.zeros(1, np.int64))
        return self.parts.get("encoder", Poisson())

    def _new_pruner(self) -> Pruner:
        config = self.config
        programming = None if config.exact else config.programming
        return Pruner(
            config.pruning, self.crossbar, self.inputs.activity, config.stdp, programming,
            self.own.criterion,
        )  # fmt: skip

    def _new_scratch(self) -> Scratch:
        return scratch(*self.crossbar.shape, self.config.planes)

    # ---- state ---------------------------------------------------------------------------------

    def to_arrays(self) -> dict[str, Any]:
        """Return all arrays needed to continue, by name, for `restore`."""
        learning = {LEARNING + name: value for name, value in self._learning_state().items()}
        return present(self) | self.ledger.to_arrays() | learning

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Restore the arrays of `to_arrays`, after `state_checks` has checked them.

        Raises
        ------
        ValueError
            If the state was saved with other parts than this layer has.
        """
        check_parts(self, arrays)
        put_back(self, arrays)
        for phase, account in EnergyLedger.from_arrays(arrays).accounts():
            self.ledger.add_account(phase, account)
        self._learning = learning_part(arrays)
        self._finished = self._checksums() if self._learning else {}
