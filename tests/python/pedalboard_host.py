"""Loads every class of the VST3 bundle in pedalboard, a host built on JUCE, and checks that audio passes bit by bit.

Usage: pedalboard_host.py BUNDLE.vst3. Exit code 0 when every class passes, 1 when one does not.
"""

import re
import sys
import time

import numpy as np
from pedalboard import VST3Plugin, load_plugin

SAMPLE_RATE_HZ = 48_000
FRAMES = 48_000
BLOCK_SIZES = (1, 64, 333, 512, 1024, 8192)
# The widths that the library promises, one class each.
WIDTHS = (4, 6, 7, 8, 9, 12, 15, 16, 19, 25, 32, 36, 49, 63, 2)


def signal(channels: int, frames: int, seed: int) -> np.ndarray:
    """Random bit patterns over all of the finite floats: every lost bit shows. Subnormal ones are left to other hosts,
    since this one may set the processor to flush them."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2**32, size=(channels, frames), dtype=np.uint32)
    samples = bits.view(np.float32)
    normal = np.isfinite(samples) & (np.abs(samples) >= np.finfo(np.float32).tiny)
    return np.where(normal, samples, np.float32(0.5)).astype(np.float32)


def check(bundle: str, name: str, channels: int) -> str:
    """Checks one class; returns what was seen, raises on a fault."""
    begin = time.monotonic()
    plugin = load_plugin(bundle, plugin_name=name)
    loaded = time.monotonic() - begin
    blocks = 0
    for block_frames in BLOCK_SIZES:
        frames = FRAMES if block_frames > 1 else 500
        samples = signal(channels, frames, seed=channels * 10_000 + block_frames)
        out = plugin.process(samples, SAMPLE_RATE_HZ, buffer_size=block_frames, reset=True)
        if out.shape != samples.shape:
            raise AssertionError(f"blocks of {block_frames}: expected shape {samples.shape}, found {out.shape}")
        differing = np.argwhere(out.view(np.uint32) != samples.view(np.uint32))
        if len(differing):
            channel, frame = differing[0]
            raise AssertionError(
                f"blocks of {block_frames}: {len(differing)} samples differ, first in channel {channel}, frame {frame}: "
                f"expected {samples[channel, frame]!r}, found {out[channel, frame]!r}"
            )
        blocks += -(-frames // block_frames)
    state = plugin.raw_state
    plugin.raw_state = state
    if plugin.raw_state != state:
        raise AssertionError("the state changes when it is saved, loaded and saved again")
    moved = move_parameters(plugin, channels, state)
    return f"{channels:2} channels, {blocks} blocks bit-exact, {moved} parameters moved and restored, loaded in {1000 * loaded:.0f} ms"


def move_parameters(plugin: VST3Plugin, channels: int, state: bytes) -> int:
    """Sets every parameter to random values and to both ends while audio passes, then restores the state; returns how many there are."""
    parameters = plugin.parameters
    before = {name: parameter.raw_value for name, parameter in parameters.items()}
    rng = np.random.default_rng(channels)
    samples = signal(channels, 256, seed=channels)
    for turn in range(30):
        for parameter in parameters.values():
            parameter.raw_value = float(rng.integers(0, 2)) if turn % 3 == 0 else float(rng.random())
        out = plugin.process(samples, SAMPLE_RATE_HZ, buffer_size=128, reset=turn % 10 == 0)
        if not np.array_equal(out.view(np.uint32), samples.view(np.uint32)):
            raise AssertionError(f"audio changes while parameters move (turn {turn})")
    plugin.raw_state = state
    for name, value in before.items():
        if abs(plugin.parameters[name].raw_value - value) > 1e-6:
            raise AssertionError(f"{name}: expected {value} after restoring, found {plugin.parameters[name].raw_value}")
    if plugin.raw_state != state:
        raise AssertionError("the state differs after random values were restored")
    return len(parameters)


def main() -> int:
    """Checks every class of the bundle."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    bundle = sys.argv[1]
    names = VST3Plugin.get_plugin_names_for_file(bundle)
    widths = {}
    for name in names:
        found = re.search(r"(\d+)ch$", name)
        if found:
            widths[int(found.group(1))] = name
    failures = 0
    for width in WIDTHS:
        if width not in widths:
            print(f"FAIL  {width} channels: no such class among {sorted(names)}")
            failures += 1
    for width, name in sorted(widths.items()):
        try:
            print(f"ok    {name}: {check(bundle, name, width)}", flush=True)
        except Exception as error:  # noqa: BLE001: any fault is a failed class, and the others still count
            print(f"FAIL  {name}: {error}", flush=True)
            failures += 1
    print(f"{len(widths)} classes, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
