"""Sounds for tests of audio models: a spoken sentence (the Piper voice, without its noise, so the
same samples everywhere), noise made of integers, and DeepFilterNet's features of a sound.
"""

import numpy as np
from parity import fmix32

# The phonemes of "The birch canoe slid on the smooth planks, now." by the voice's own table.
PHONEMES = [
    int(word)
    for word in (
        "41 59 3 15 120 62 122 32 96 3 23 59 26 120 33 122 3 31 24 120 74 17 3 54 26 3 41 "
        "59 3 31 25 120 33 122 41 3 28 24 120 39 44 23 31 8 3 26 120 14 100 10"
    ).split()
]


def phrase(n):
    """Ids of n phonemes of the sentence, over and over: 2 n + 3 ids. Begin, phonemes with a pad behind
    each, end."""
    ids = [1, 0]
    for i in range(n):
        ids += [PHONEMES[i % len(PHONEMES)], 0]
    return ids + [2]


SENTENCE = phrase(len(PHONEMES))


def voice_inputs(ids, scales=(0, 1, 0)):
    return {
        "input": np.array([ids], np.int64),
        "input_lengths": np.array([len(ids)], np.int64),
        "scales": np.array(scales, np.float32),
    }


def noise(n, seed):
    """n samples in -1..1, all equally likely."""
    return fmix32(np.arange(n, dtype=np.uint32) + np.uint32(seed)).astype(np.float32) / 2**31 - 1


def resampled(x, rate_from, rate_to):
    """Through the spectrum: band-limited, as long as the sound is short."""
    n = int(round(len(x) * rate_to / rate_from))
    spectrum = np.fft.rfft(x)
    out = np.zeros(n // 2 + 1, complex)
    k = min(len(spectrum), len(out))
    out[:k] = spectrum[:k]
    return (np.fft.irfft(out, n) * n / len(x)).astype(np.float32)


def noisy_speech(speech, rate, seconds, seed=1):
    """The 22,050 Hz speech again and again at rate, with noise 10 dB below it."""
    x = resampled(speech, 22050, rate)
    x = np.tile(x, int(np.ceil(seconds * rate / len(x))))[: int(seconds * rate)]
    level = np.sqrt(np.mean(x**2)) * 10 ** (-10 / 20) * np.sqrt(3)
    return (x + noise(len(x), seed) * level).astype(np.float32)


# --- DeepFilterNet3: 48 kHz, frames of 960 every 480, 32 ERB bands, 96 filtered bins -------------

RATE, FFT, HOP, BANDS, DF_BINS, MIN_BINS = 48000, 960, 480, 32, 96, 2


def erb_widths():
    """Bins of each band: equal steps on the ERB scale, at least MIN_BINS wide."""
    to_erb = lambda f: 9.265 * np.log1p(f / (24.7 * 9.265))  # noqa: E731
    from_erb = lambda e: 24.7 * 9.265 * (np.exp(e / 9.265) - 1)  # noqa: E731
    step = to_erb(RATE / 2) / BANDS
    widths, before, owed = [], 0, 0
    for i in range(1, BANDS + 1):
        edge = int(round(from_erb(i * step) / (RATE / FFT)))
        width = edge - before - owed
        owed = max(0, MIN_BINS - width)
        widths.append(max(width, MIN_BINS))
        before = edge
    widths[-1] += FFT // 2 + 1 - sum(widths)
    return widths


def spectrum(x):
    """Frames [s, 481] of the windowed sound, scaled as the library scales them."""
    n = np.arange(FFT)
    window = np.sin(np.pi / 2 * np.sin(np.pi * (n + 0.5) / FFT) ** 2)
    x = np.concatenate([np.zeros(FFT - HOP), x])
    frames = np.stack([x[i : i + FFT] for i in range(0, len(x) - FFT + 1, HOP)])
    return np.fft.rfft(frames * window, axis=1) / FFT


def features(x):
    """feat_erb [1,1,s,32] and feat_spec [1,2,s,96] of a sound at 48 kHz."""
    spec, alpha = spectrum(x), 0.99
    edges = np.cumsum([0] + erb_widths())
    power = np.abs(spec) ** 2
    erb = np.stack([power[:, a:b].mean(1) for a, b in zip(edges, edges[1:])], 1)
    erb = 10 * np.log10(erb + 1e-10)
    mean, unit = np.linspace(-60, -90, BANDS), np.linspace(0.001, 0.0001, DF_BINS)
    feat_erb, feat_spec = np.empty_like(erb), np.empty((len(spec), DF_BINS), complex)
    for i in range(len(spec)):
        mean = mean * alpha + erb[i] * (1 - alpha)
        feat_erb[i] = (erb[i] - mean) / 40
        unit = unit * alpha + np.abs(spec[i, :DF_BINS]) * (1 - alpha)
        feat_spec[i] = spec[i, :DF_BINS] / np.sqrt(unit)
    both = np.stack([feat_spec.real, feat_spec.imag])[None]
    return feat_erb[None, None].astype(np.float32), both.astype(np.float32)
