"""Every part of a training once, on a copy of the model: what fails, fails in the first seconds."""
import copy
import math
import time

import numpy as np
import torch

import evaluate
from augment import RATE
from data import MAX_SECONDS
from trainer import Trainer


def trial_batch(batches, seconds):
    """A batch of noise in the shapes of a real one, made before there is speech."""
    speech = batches.speech
    speech.samples[0], speech.length[0] = int((seconds - 0.7) * RATE), 12  # with the silence around it just under `seconds`
    speech.answers[0, :12] = batches.tokenizer.answer('English', 'a b c d e f g h i j k l')[:12]
    speech.texts, speech.count = ['a b c'], 1
    speech.pcm[: speech.samples[0]] = torch.randint(-3000, 3000, (int(speech.samples[0]),), dtype=torch.int16, device=speech.device)
    for _ in range(200):
        found = [d for d in batches.plan(1.0) if d['seconds'][0] == seconds]
        if found:
            break
    else:
        raise RuntimeError(f'no trial batch of {seconds} s: {batches.rows(seconds)} clips')
    batch = batches.build(found[0])
    speech.texts, speech.count = [], 0
    speech.answers[0], batches.waiting, batches.drawn[0] = batches.tokenizer.end_of_text, {}, 0
    return batch


def rehearse(model, batches, device):
    """Trains a step on every shape that the encoder will see, and transcribes. Returns what to say about it."""
    start, cuda = time.time(), device.type == 'cuda'
    trainer = Trainer(copy.deepcopy(model), batches.tokenizer.end_of_text, device)
    for seconds in range(1, MAX_SECONDS + 1) if cuda else (4,):
        trainer.step(trial_batch(batches, seconds), 0.1)
    if float(trainer.skipped) or not math.isfinite(float(trainer.mean)):
        raise RuntimeError(f'training is not finite: {float(trainer.mean)}')
    texts = evaluate.transcribe(trainer.model.eval(), batches.tokenizer, [np.zeros(RATE, np.float32), np.full(20000, 0.1, np.float32)])
    if len(texts) != 2:
        raise RuntimeError('transcribe fails')
    memory = ''
    if cuda:
        del trainer
        memory = f', {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB of GPU memory at most'
        torch.cuda.empty_cache()
    return f'rehearsed in {time.time() - start:.1f} s{memory}'
