"""The synthesizers: espeak-ng, flite and pico as libraries in this process (a process per sentence costs more than the speech),
festival in one run per batch of sentences. All return int16 samples at 16 kHz.

They are those of the system, or of the folder that ASR_SYNTH names (bundle.sh fills one, `use` sets the environment).
"""
import ctypes
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import wave

import numpy as np
from scipy.signal import resample_poly

RATE = 16000
FLITE_VOICES = {
    'kal': 'libflite_cmu_us_kal.so.1', 'awb': 'libflite_cmu_us_awb.so.1',
    'rms': 'libflite_cmu_us_rms.so.1', 'slt': 'libflite_cmu_us_slt.so.1',
}
PICO_VOICES = ('en-US', 'en-GB')
PICO_FILES = {'en-US': ('en-US_ta', 'en-US_lh0_sg'), 'en-GB': ('en-GB_ta', 'en-GB_kh0_sg')}
BUNDLE = os.environ.get('ASR_SYNTH')
FESTIVAL_VOICES = ('voice_kal_diphone', 'voice_ked_diphone', 'voice_cmu_us_slt_arctic_hts')


def use(folder):
    """Starts this program again with the synthesizers of that folder: the loader reads LD_LIBRARY_PATH only at the start."""
    folder = str(pathlib.Path(folder).resolve())
    if BUNDLE == folder:
        return
    libraries = [f'{folder}/lib', *filter(None, [os.environ.get('LD_LIBRARY_PATH')])]
    os.environ.update(ASR_SYNTH=folder, LD_LIBRARY_PATH=':'.join(libraries), ESPEAK_DATA_PATH=f'{folder}/share')
    os.execv(sys.executable, [sys.executable, *sys.argv])


def at_16k(samples, rate):
    if rate != RATE:
        common = math.gcd(rate, RATE)
        samples = resample_poly(samples.astype(np.float32), RATE // common, rate // common)
    return np.clip(samples, -32768, 32767).astype(np.int16)


class Espeak:
    RATE_PARAMETER, PITCH, RANGE = 1, 3, 4
    FLAGS = 0x1001  # UTF-8, and the pause at the end: without it the last sound is cut off

    def __init__(self):
        self.library = ctypes.CDLL('libespeak-ng.so.1')
        self.rate = self.library.espeak_Initialize(2, 0, None, 0)  # 2: synchronous, samples go to the callback
        if self.rate < 0:
            raise RuntimeError('espeak-ng does not start')
        kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        self.pieces, self.callback = [], kind(self.receive)
        self.library.espeak_SetSynthCallback(self.callback)

    def receive(self, samples, count, _events):
        if samples and count > 0:
            self.pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def say(self, text, voice, speed, pitch, spread):
        """voice such as en-us+f3; speed in words a minute; pitch and spread (intonation) 0 to 100, 50 is normal."""
        if self.library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f'espeak-ng has no voice {voice}')
        for parameter, value in ((self.RATE_PARAMETER, speed), (self.PITCH, pitch), (self.RANGE, spread)):
            self.library.espeak_SetParameter(parameter, value, 0)
        self.pieces.clear()
        raw = text.encode()
        self.library.espeak_Synth(raw, ctypes.c_size_t(len(raw) + 1), 0, 0, 0, self.FLAGS, None, None)
        return at_16k(np.concatenate(self.pieces), self.rate)


class FliteWave(ctypes.Structure):
    _fields_ = [
        ('type', ctypes.c_char_p), ('rate', ctypes.c_int), ('count', ctypes.c_int),
        ('channels', ctypes.c_int), ('samples', ctypes.POINTER(ctypes.c_short)),
    ]


class FliteVoice(ctypes.Structure):
    _fields_ = [('name', ctypes.c_char_p), ('features', ctypes.c_void_p)]  # the fields that follow are not needed


class Flite:
    def __init__(self):
        load = lambda name: ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
        self.library = load('libflite.so.1')
        load('libflite_usenglish.so.1')
        load('libflite_cmulex.so.1')
        self.library.flite_init()
        self.library.flite_text_to_wave.restype = ctypes.POINTER(FliteWave)
        self.voices = {}
        for name, file in FLITE_VOICES.items():
            register = getattr(load(file), 'register_cmu_us_' + name)
            register.restype = ctypes.POINTER(FliteVoice)
            self.voices[name] = register(None)

    def say(self, text, voice, stretch):
        """stretch: duration, 1 is normal, larger is slower."""
        handle = self.voices[voice]
        feature = ctypes.c_void_p(handle.contents.features)
        self.library.flite_feat_set_float(feature, b'duration_stretch', ctypes.c_float(stretch))
        result = self.library.flite_text_to_wave(text.encode(), handle)
        speech = result.contents
        samples = np.ctypeslib.as_array(speech.samples, (speech.count,)).copy()
        rate = speech.rate
        self.library.delete_wave(result)
        return at_16k(samples, rate)


class Pico:
    """SVOX Pico: a system of its own for each voice, as it has one engine at most."""

    IDLE, BUSY = 200, 201

    def __init__(self):
        self.library = ctypes.CDLL('libttspico.so.0')
        folder = f'{BUNDLE}/share/pico/lang' if BUNDLE else '/usr/share/pico/lang'
        self.memories = {voice: ctypes.create_string_buffer(4_000_000) for voice in PICO_VOICES}
        self.engines = {voice: self.engine(voice, folder) for voice in PICO_VOICES}
        self.buffer = ctypes.create_string_buffer(4096)

    def check(self, status):
        if status != 0:
            raise RuntimeError(f'pico: status {status}')

    def engine(self, voice, folder):
        pico, system, name = self.library, ctypes.c_void_p(), voice.encode()
        memory = self.memories[voice]
        self.check(pico.pico_initialize(memory, len(memory), ctypes.byref(system)))
        self.check(pico.pico_createVoiceDefinition(system, name))
        for file in PICO_FILES[voice]:
            resource, label = ctypes.c_void_p(), ctypes.create_string_buffer(32)
            self.check(pico.pico_loadResource(system, f'{folder}/{file}.bin'.encode(), ctypes.byref(resource)))
            self.check(pico.pico_getResourceName(system, resource, label))
            self.check(pico.pico_addResourceToVoiceDefinition(system, name, label))
        engine = ctypes.c_void_p()
        self.check(pico.pico_newEngine(system, name, ctypes.byref(engine)))
        return engine

    def say(self, text, voice, speed, pitch):
        """speed and pitch in percent, 100 is normal."""
        engine, pieces = self.engines[voice], []
        raw = f'<speed level="{speed}"><pitch level="{pitch}">{text}</pitch></speed>'.encode() + b'\0'
        sent, count, kind = 0, ctypes.c_int16(), ctypes.c_int16()
        while sent < len(raw):
            rest = raw[sent:]
            self.check(self.library.pico_putTextUtf8(engine, rest, ctypes.c_int16(len(rest)), ctypes.byref(count)))
            sent += count.value
            status = self.BUSY
            while status == self.BUSY:
                status = self.library.pico_getData(engine, self.buffer, ctypes.c_int16(4096), ctypes.byref(count), ctypes.byref(kind))
                pieces.append(self.buffer.raw[: count.value])
            if status != self.IDLE:
                self.check(status)
        return np.frombuffer(b''.join(pieces), '<i2').copy()


def festival(sentences, voice, stretch, timeout_seconds=300):
    """Speaks many English sentences in one run: festival needs a second to start."""
    with tempfile.TemporaryDirectory() as folder:
        say = [
            f'(utt.save.wave (utt.synth (Utterance Text "{text}")) "{folder}/{n}.wav")'
            for n, text in enumerate(sentences)
        ]
        script = pathlib.Path(folder, 'say.scm')
        script.write_text('\n'.join([f'({voice})', f"(Parameter.set 'Duration_Stretch {stretch:.2f})", *say]))
        data = f'{BUNDLE}/share/festival'
        program = [f'{BUNDLE}/bin/festival', '--libdir', data, '--datadir', data] if BUNDLE else ['festival']
        subprocess.run([*program, '-b', script], check=True, capture_output=True, timeout=timeout_seconds)
        clips = []
        for n in range(len(sentences)):
            with wave.open(f'{folder}/{n}.wav') as file:
                samples = np.frombuffer(file.readframes(file.getnframes()), '<i2')
                clips.append(at_16k(samples, file.getframerate()))
        return clips
