"""Whisper's log-mel as Qwen3-ASR uses it: 128 Slaney bands, 25 ms Hann window, 10 ms steps, maximum over the clip."""
import functools
import math

import numpy as np
import torch

SAMPLE_RATE = 16000
MIN_SAMPLES = 8000  # shorter clips are filled with zeros


def slaney_filters(bins=201, bands=128):
    def to_hz(mel):
        return np.where(mel >= 15, 1000 * np.exp(math.log(6.4) / 27 * (mel - 15)), mel * 200 / 3)

    top = 15 + math.log(SAMPLE_RATE / 2 / 1000) / (math.log(6.4) / 27)
    points = to_hz(np.linspace(0, top, bands + 2))
    slopes = points[None] - np.linspace(0, SAMPLE_RATE / 2, bins)[:, None]
    width = np.diff(points)
    filters = np.maximum(0, np.minimum(-slopes[:, :-2] / width[:-1], slopes[:, 2:] / width[1:]))
    return torch.tensor((filters * (2 / (points[2:] - points[:-2]))).T.astype(np.float32))


FILTERS = slaney_filters()
WINDOW = torch.hann_window(400)


@functools.cache
def on(device):
    return FILTERS.to(device), WINDOW.to(device)


def log_mel(samples):
    """samples: float32 array at 16 kHz, -1 to 1. Returns [128, samples // 160]."""
    x = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))
    if len(x) < MIN_SAMPLES:
        x = torch.nn.functional.pad(x, (0, MIN_SAMPLES - len(x)))
    s = torch.stft(x, 400, 160, window=WINDOW, center=True, pad_mode='reflect', return_complex=True)[:, :-1]
    log = torch.log10(torch.clamp(FILTERS @ (s.real.square() + s.imag.square()), min=1e-10))
    return (torch.maximum(log, log.max() - 8) + 4) / 4


def log_mel_batch(x, length, frames):
    """The same values for a batch. x [batch, samples] float32, zero behind each clip's length, samples ≥ length and ≥ 100 frames + 160;
    length [batch] ≥ MIN_SAMPLES; returns [batch, 128, frames], zero behind each clip's length // 160 frames."""
    # The reflection at the end of each clip, which lies anywhere in its row.
    filters, window = on(x.device)
    x = torch.nn.functional.pad(x, (0, 200))
    k = torch.arange(200, device=x.device)
    at = length[:, None] + k
    x = x.scatter(1, at, x.gather(1, length[:, None] - 2 - k))
    x = torch.nn.functional.pad(x[:, None], (200, 0), mode='reflect')[:, 0]
    s = torch.stft(x, 400, 160, window=window, center=False, return_complex=True)[:, :, :frames]
    log = torch.log10(torch.clamp(filters @ (s.real.square() + s.imag.square()), min=1e-10))
    valid = (torch.arange(frames, device=x.device) < (length // 160)[:, None])[:, None]
    highest = torch.where(valid, log, -10.0).amax((1, 2), keepdim=True)
    return torch.where(valid, (torch.maximum(log, highest - 8) + 4) / 4, 0.0)
