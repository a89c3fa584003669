r"""The mean curve of pulse trains, filtered: residuals that are white if a law holds.

The mean over C cycles of one cell's trains does a random walk about the law: each pulse adds noise
of variance :math:`\sigma_p^2 / C`, and each reading noise of :math:`\sigma_r^2 / C`. Residuals of a
curve are therefore strongly correlated; the innovations of a Kalman filter (R. E. Kalman, J. Basic
Eng. 82, 35, 1960), divided by their standard deviation, are not. Least squares on them is least
squares with the full covariance.

Noise also keeps the mean away from a bound at which cells are clipped, and from the law where that
is curved. What distribution of states over cycles the noise builds up is followed on a grid: from
there come variance, the regression of the state after a pulse on that before, and how mean and
regression depart from those of a clipped normal number, whose form is used in a search.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cbramsim.devices.fitting.laws import first_and_slope, step_at
from cbramsim.kernels import compiled_loop, inlined, kernel, vector_kernel

FAR = 5.0
"""Standard deviations from a bound beyond which nothing is clipped."""
POINTS_PER_SIGMA, MOST_POINTS = 0.75, 1024
"""Points of the grid in a standard deviation of one pulse, and in a window."""
NOTHING = 1e-7
"""Part of the cycles that is left behind."""
Floats = NDArray[np.float64]


@inlined
def _density(x):  # type: ignore[no-untyped-def]
    return 0.3989422804014327 * math.exp(-0.5 * x * x)


@inlined
def _below(x):  # type: ignore[no-untyped-def]
    return 0.5 * math.erfc(-0.7071067811865476 * x)


@inlined
def clipped_mean(z, sd, window):  # type: ignore[no-untyped-def]
    """Return the mean of a normal number clipped to [0, window], and the probability inside."""
    if z > FAR * sd and window - z > FAR * sd:
        return z, 1.0
    # at each bound the mean loses or gains sd (density(d) - d P(beyond d)), d away from it
    mean, inside = z, 1.0
    if z <= FAR * sd:
        away = z / sd
        beyond = _below(-away)
        mean += sd * (_density(away) - away * beyond)
        inside -= beyond
    if window - z <= FAR * sd:
        away = (window - z) / sd
        beyond = _below(-away)
        mean -= sd * (_density(away) - away * beyond)
        inside -= beyond
    return mean, max(inside, 0.0)


@compiled_loop
def gains(
    code: int, sign: float, curves: Floats, starts: Floats, cells: Floats, shape: Floats,
    noise: Floats, deviations: Floats, offsets: Floats, slopes: Floats, kalman: Floats,
    weights: Floats,
) -> None:  # fmt: skip
    """Compute the filter of every train about its mean curve.

    Parameters
    ----------
    code, shape
        The law, and its shape parameters of this polarity, float64[n].
    sign
        +1 for set, -1 for reset pulses.
    curves
        Mean conductance over cycles, float64[cells, 1 + pulses].
    starts
        States in which trains begin, float64[cells, cycles].
    cells
        Low and high bound and pulses of this polarity, float64[cells, 3].
    noise
        Standard deviation of a pulse, of a reading, and the smallest that counts.
    deviations, offsets, slopes, kalman, weights
        Results, float64[cells, pulses]: standard deviation over cycles before clipping, offset and
        slope (with the state before) of the mean from that of a clipped normal number, gain of the
        filter, inverse standard deviation of an innovation.
    """
    cycles = starts.shape[1]
    read = noise[1] * noise[1] / cycles
    pulse = max(noise[0], noise[2])
    least = noise[2] * noise[2] / cycles
    for i in range(curves.shape[0]):
        low, high = cells[i, 0], cells[i, 1]
        edge, window = (low, high - low) if sign > 0 else (high, high - low)
        first, slope = first_and_slope(code, cells[i, 2], shape)
        sigma = max(pulse, window * POINTS_PER_SIGMA / MOST_POINTS)
        last = max(int(np.ceil(POINTS_PER_SIGMA * window / sigma)), 8)
        width = window / last
        taps = _taps(sigma / width)
        moved = np.empty(last + 1)
        expected = np.empty(last + 1)
        for j in range(last + 1):
            moved[j] = j + last * step_at(code, first, slope, shape, j / last)[0]
            expected[j] = clipped_mean(moved[j], sigma / width, float(last))[0]
        mass = np.zeros(last + 1)
        for c in range(cycles):
            _deposit(mass, sign * (starts[i, c] - edge) / width, 1.0 / cycles)
        unclipped = np.zeros(last + taps.size + 1)
        mean, variance = _moments(mass)
        error = read
        for p in range(curves.shape[1] - 1):
            step, slope_here = step_at(code, first, slope, shape, mean / last)
            before, regression = mean, _covariance(mass, expected, mean) / max(variance, 1e-6)
            sd = _pulse(mass, moved, taps, unclipped)
            mean, spread = _moments(mass)
            normal, inside = clipped_mean(before + last * step, sd, float(last))
            regression = min(max(regression, 0.0), 2.0)
            if variance < 1e-6:
                regression = (1.0 + slope_here) * inside
            slopes[i, p] = regression - (1.0 + slope_here) * inside
            # about their own mean the cycles spread less than about that of all cycles there may be
            within = sd * sd - max(sd * sd * width * width - sigma * sigma, 0.0) / (
                width * width * cycles
            )
            deviations[i, p] = math.sqrt(within) * width
            offsets[i, p] = (mean - normal - slopes[i, p] * before) * width
            added = max(spread - regression * regression * variance, 0.0) * width * width / cycles
            predicted = regression * regression * error + added
            total = predicted + read + least
            kalman[i, p] = predicted / total
            weights[i, p] = 1.0 / math.sqrt(total)
            error = predicted * (1.0 - predicted / total)
            variance = spread


@kernel
def _taps(sigma):  # type: ignore[no-untyped-def]
    """Return normal noise on the grid, float64[2 n + 1]; splitting mass in two is noise too."""
    variance = sigma * sigma - 1.0 / 6.0
    reach = int(np.ceil(4.0 * sigma))
    k = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * k * k / variance)
    return weights / weights.sum()


@kernel
def _deposit(mass, place, amount):  # type: ignore[no-untyped-def]
    """Add `amount` at a place of the grid: to the two points next to it, keeping the mean."""
    place = min(max(place, 0.0), mass.size - 1.0)
    j = min(int(place), mass.size - 2)
    mass[j] += amount * (j + 1 - place)
    mass[j + 1] += amount * (place - j)


@kernel
def _moments(mass):  # type: ignore[no-untyped-def]
    """Return mean and variance of a distribution, in points of the grid."""
    mean = square = 0.0
    for j in range(mass.size):
        mean += j * mass[j]
        square += j * j * mass[j]
    return mean, max(square - mean * mean, 0.0)


@vector_kernel
def _covariance(mass, expected, mean):  # type: ignore[no-untyped-def]
    """Return the covariance of states before a pulse and `expected` after it."""
    product = 0.0
    for j in range(mass.size):
        product += mass[j] * (j - mean) * expected[j]
    return product


@vector_kernel
def _pulse(mass, moved, taps, unclipped):  # type: ignore[no-untyped-def]
    """Give one pulse to a distribution, in place; return the standard deviation before clipping."""
    reach, last = taps.size // 2, mass.size - 1
    unclipped[:] = 0.0
    mean = square = 0.0
    for j in range(mass.size):
        if mass[j] > NOTHING:
            _deposit(unclipped, moved[j] + reach, mass[j])
            mean += mass[j] * moved[j]
            square += mass[j] * moved[j] * moved[j]
    mass[:] = 0.0
    for q in range(unclipped.size):
        amount = unclipped[q]
        if amount == 0.0:
            continue
        from_ = q - 2 * reach
        if from_ >= 0 and from_ + taps.size <= last + 1:
            for k in range(taps.size):
                mass[from_ + k] += amount * taps[k]
        else:
            for k in range(taps.size):
                mass[min(max(from_ + k, 0), last)] += amount * taps[k]
    spread = 0.0
    for k in range(taps.size):
        spread += taps[k] * (k - reach) ** 2
    return math.sqrt(max(square - mean * mean, 0.0) + spread + 1.0 / 6.0)


@compiled_loop
def innovations(
    code: int, sign: float, curves: Floats, cells: Floats, shape: Floats,
    deviations: Floats, offsets: Floats, slopes: Floats, kalman: Floats, weights: Floats,
    residuals: Floats,
) -> None:  # fmt: skip
    """Compute the whitened residuals of mean curves, float64[cells, pulses], for given `gains`."""
    for i in range(curves.shape[0]):
        low, high = cells[i, 0], cells[i, 1]
        edge, window = (low, high - low) if sign > 0 else (high, high - low)
        first, slope = first_and_slope(code, cells[i, 2], shape)
        u = sign * (curves[i, 0] - edge)
        for p in range(curves.shape[1] - 1):
            step = step_at(code, first, slope, shape, u / window)[0]
            mean = clipped_mean(u + window * step, deviations[i, p], window)[0]
            mean += offsets[i, p] + slopes[i, p] * u
            innovation = sign * (curves[i, p + 1] - edge) - mean
            residuals[i, p] = innovation * weights[i, p]
            u = mean + kalman[i, p] * innovation


@compiled_loop
def noise_sums(
    code: int, sign: float, readings: Floats, cells: Floats, shape: Floats,
    lower: float, upper: float, sums: Floats,
) -> None:  # fmt: skip
    """Add up products of one-step residuals of single trains, well inside the window.

    The residual of pulse p is :math:`e_p = s_p + r_{p+1} - a r_p`, with s the noise of the pulse
    and r that of readings. Residuals of p and p + 1 are used where the reading at p - 1 was in
    the window by the given margins: it depends on neither.

    Parameters
    ----------
    readings
        float64[cells, cycles, 1 + pulses].
    lower, upper
        Margins from where a train begins and from where it ends.
    sums
        Result, added to: number, e_p², 1 + a_p², e_p e_{p+1}, a_{p+1}; float64[5].
    """
    for i in range(readings.shape[0]):
        low, high = cells[i, 0], cells[i, 1]
        edge, window = (low, high - low) if sign > 0 else (high, high - low)
        first, slope = first_and_slope(code, cells[i, 2], shape)
        for c in range(readings.shape[1]):
            train = readings[i, c]
            for p in range(1, train.size - 2):
                before = sign * (train[p - 1] - edge)
                if before < lower or before > window - upper:
                    continue
                u, v = sign * (train[p] - edge), sign * (train[p + 1] - edge)
                step, slope_u = step_at(code, first, slope, shape, u / window)
                e = v - u - window * step
                step, slope_v = step_at(code, first, slope, shape, v / window)
                f = sign * (train[p + 2] - edge) - v - window * step
                sums[0] += 1.0
                sums[1] += e * e
                sums[2] += 1.0 + (1.0 + slope_u) ** 2
                sums[3] += e * f
                sums[4] += 1.0 + slope_v


@compiled_loop
def noiseless(
    code: int, sign: float, start: Floats, cells: Floats, shape: Floats, curves: Floats
) -> None:
    """Compute trains without noise from `start`, float64[cells], into `curves`, [cells, 1 + n]."""
    for i in range(curves.shape[0]):
        low, high = cells[i, 0], cells[i, 1]
        edge, window = (low, high - low) if sign > 0 else (high, high - low)
        first, slope = first_and_slope(code, cells[i, 2], shape)
        u = sign * (start[i] - edge)
        for p in range(curves.shape[1]):
            curves[i, p] = edge + sign * u
            u += window * step_at(code, first, slope, shape, u / window)[0]
            u = min(max(u, 0.0), window)
