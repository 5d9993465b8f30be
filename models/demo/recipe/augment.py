"""Random changes to a batch of clips before the features, on the GPU: speed, telephone band, echo, tilt, silence around the words,
gain, noise; clips without speech; two sentences in one clip.

The draws are numpy arrays made by data.py on the CPU, one entry a clip, so that lengths are known there and nothing waits.
"""
import numpy as np
import torch

from features import SAMPLE_RATE as RATE

BANK_SECONDS = 120
TAIL = RATE // 4  # longest echo


def next_fast_length(n):
    """The next even number without prime factors above 5: what FFTs like."""
    n += n % 2
    while True:
        rest = n
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 2


def noise_bank(seconds=BANK_SECONDS, seed=7):
    """White, pink and brown noise and mains hum with hiss, each of unit power, one after the other: [4 · seconds · RATE]."""
    random = np.random.default_rng(seed)
    n = seconds * RATE
    frequency = np.maximum(np.fft.rfftfreq(n, 1 / RATE), 20)
    bank = []
    for slope in (0, 0.5, 1.0):
        spectrum = np.fft.rfft(random.standard_normal(n)) / frequency**slope
        bank.append(np.fft.irfft(spectrum, n))
    t = np.arange(n) / RATE
    hum = sum(np.sin(2 * np.pi * 50 * k * t + k) / k for k in (1, 2, 3, 5))
    bank.append(hum + 0.3 * random.standard_normal(n))
    return torch.from_numpy(np.concatenate([x / x.std() for x in bank]).astype(np.float32))


def filtered(x, bank, d):
    """Echo and telephone band in one pass through the frequency domain. x [rows, samples]; d: their draws, 1 entry a row."""
    n = next_fast_length(x.shape[1] + TAIL)
    t = torch.arange(TAIL, device=x.device)
    length = d['echo_length'][:, None]
    impulse = bank[d['echo_start'][:, None] + t] * torch.exp(-5 * t / length) * (t < length) * d['echo_level'][:, None]
    impulse[:, 0] = 1
    hz = torch.arange(n // 2 + 1, device=x.device) * (RATE / n)
    spectrum = torch.fft.rfft(x, n) * torch.fft.rfft(impulse, n)
    spectrum = spectrum * ((hz >= d['low'][:, None]) & (hz <= d['high'][:, None]))
    return torch.fft.irfft(spectrum, n)[:, : x.shape[1]]


def render(pool, bank, d, samples, filter_rows):
    """The batch's sound [batch, samples], float32, zero behind each clip's length.

    pool: int16, all speech one after the other; d: the draws as tensors on the pool's device; the first `filter_rows` clips go
    through `filtered`.
    """
    column = lambda name: d[name][:, None]
    t = torch.arange(samples, device=pool.device)
    # Position in the source in units of 2^-16 samples: float32 is too coarse for long clips.
    position = (t - column('lead')) * column('ratio')
    i, fraction = position >> 16, (position & 0xFFFF).float() / 65536

    def fetch(i):
        second = i - column('samples') - column('gap')
        in_first, in_second = (i >= 0) & (i < column('samples')), (second >= 0) & (second < column('samples2'))
        source = torch.where(in_first, column('offset') + i, torch.where(in_second, column('offset2') + second, 0))
        return pool[source].float() * ((in_first | in_second) * (1 / 32768))

    x = fetch(i)
    x = torch.lerp(x, fetch(i + 1), fraction)
    if filter_rows:
        x[:filter_rows] = filtered(x[:filter_rows], bank, {name: value[:filter_rows] for name, value in d.items()})
    inside = t < column('length')
    x = torch.cat([x[:, :1], x[:, 1:] - column('tilt') * x[:, :-1]], 1) * inside
    x = x * (column('peak') / (x.abs().amax(1, keepdim=True) + 1e-6))
    level = (x.square().sum(1) / d['length']).sqrt() * d['noise'] + d['plain_noise']
    # Bursts, in clips without speech only: a knock or a click is no word.
    open_gate = (torch.rand(len(x), samples // 1600 + 1, device=x.device) < 0.4) | (column('burst') < 0.5)
    noise = bank[column('noise_start') + t] * level[:, None] * open_gate.repeat_interleave(1600, 1)[:, :samples]
    return (x + noise).clamp(-1, 1) * inside


def mask_spectrogram(mel, frames, d):
    """SpecAugment: two bands and two stretches of time become the clip's mean. mel [batch, 128, time]; d: widths 0 for no mask."""
    mean = mel.sum((1, 2)) / (frames * mel.shape[1])
    band, time = torch.arange(mel.shape[1], device=mel.device), torch.arange(mel.shape[2], device=mel.device)
    within = lambda i, name: (i >= d[name][:, None]) & (i < (d[name] + d[name + '_width'])[:, None])
    masked = (within(band, 'band1') | within(band, 'band2'))[:, :, None] | (within(time, 'time1') | within(time, 'time2'))[:, None]
    masked = masked & (time < frames[:, None])[:, None]
    return torch.where(masked, mean[:, None, None], mel)
