"""Random changes to a clip before the features: speed, telephone band, echo, tilt, silence around it, gain, noise."""
import numpy as np

RATE = 16000


def noise_bank(seconds=120, seed=7):
    """White, pink and brown noise and mains hum with hiss, each of unit power; slices of them are what clips get."""
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
    return [(x / x.std()).astype(np.float32) for x in bank]


class Augment:
    def __init__(self, random):
        self.random = random
        self.bank = noise_bank()

    def noise(self, samples):
        track = self.random.choice(self.bank)
        start = self.random.randrange(len(track) - samples)
        return track[start : start + samples]

    def silence_or_noise(self, n):
        """n samples without speech: digital silence, or noise from just audible to loud."""
        r = self.random
        if r.random() < 0.15:
            return np.zeros(n, np.float32)
        x = self.noise(n) * 10 ** (r.uniform(-70, -14) / 20)
        if r.random() < 0.3:  # bursts: a knock or a click is no word
            x = x * np.repeat(np.array([r.random() < 0.4 for _ in range(n // 1600 + 1)], np.float32), 1600)[:n]
        return np.clip(x, -1, 1)

    def filtered(self, x, strength):
        """Telephone band and echo in one pass through the frequency domain."""
        r = self.random
        telephone, echo = r.random() < 0.12 * strength, r.random() < 0.2 * strength
        if not (telephone or echo):
            return x
        n = 1 << (len(x) + RATE // 4 - 1).bit_length()
        spectrum = np.fft.rfft(x, n)
        if echo:
            tail = int(RATE * r.uniform(0.05, 0.25))
            impulse = self.noise(tail) * np.exp(-np.arange(tail) / (tail / 5)) * r.uniform(0.03, 0.15)
            impulse[0] = 1
            spectrum = spectrum * np.fft.rfft(impulse, n)
        if telephone:
            hz = np.fft.rfftfreq(n, 1 / RATE)
            spectrum = spectrum * (hz < r.uniform(3300, 4000)) * (hz > r.uniform(0, 300))
        return np.fft.irfft(spectrum, n)[: len(x)].astype(np.float32)

    def __call__(self, x, strength):
        """x: float32 samples; strength 0 (only silence around it and gain) to 1."""
        r = self.random
        if r.random() < 0.6 * strength:
            n = int(len(x) / r.uniform(0.86, 1.16))
            x = np.interp(np.linspace(0, len(x) - 1, n), np.arange(len(x)), x).astype(np.float32)
        x = self.filtered(x, strength)
        if r.random() < 0.3 * strength:
            tilt = r.uniform(-0.6, 0.6)
            x = np.concatenate([x[:1], x[1:] - tilt * x[:-1]])
        # The lead moves the words across the one-second chunks of the encoder.
        lead = r.uniform(0, 0.9) if r.random() < 0.3 else r.uniform(0, 0.25)
        tail = r.uniform(0, 0.4)
        x = np.pad(x, (int(lead * RATE), int(tail * RATE)))
        x = x * (10 ** (r.uniform(-26, -0.5) / 20) / (np.abs(x).max() + 1e-6))
        if r.random() < 0.6 * strength:
            level = np.sqrt((x**2).mean() + 1e-12) * 10 ** (-r.uniform(6, 40) / 20)
            x = x + self.noise(len(x)) * level
        return np.clip(x, -1, 1).astype(np.float32)


def mask_spectrogram(mel, random):
    """SpecAugment: two bands and two stretches of time become the mean."""
    mean = mel.mean()
    for size, axis in ((18, 0), (18, 0), (mel.shape[1] // 14, 1), (mel.shape[1] // 14, 1)):
        width = random.randint(0, size)
        mel.narrow(axis, random.randint(0, mel.shape[axis] - width), width).fill_(mean)
    return mel
