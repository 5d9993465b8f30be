"""The training speech: all shards that synth.py has written so far, on the device as int16 (200 hours are 23 GB)."""
import json
import pathlib

import numpy as np
import torch

from augment import RATE

MOST_CLIPS, MOST_TOKENS = 600_000, 96


class Shards:
    """The shards, as one row of samples on the device and numpy tables of the clips."""

    def __init__(self, folder, tokenizer, device, hours):
        self.folder, self.tokenizer, self.device = pathlib.Path(folder), tokenizer, device
        self.pcm = torch.empty(int(hours * 3600 * RATE), dtype=torch.int16, device=device)  # no kernel on another stream
        self.used, self.count, self.shards, self.full = 0, 0, {}, False
        self.offset, self.samples = np.zeros(MOST_CLIPS, np.int64), np.zeros(MOST_CLIPS, np.int64)
        self.chinese, self.length = np.zeros(MOST_CLIPS, bool), np.zeros(MOST_CLIPS, np.int64)
        self.answers = np.full((MOST_CLIPS, MOST_TOKENS), tokenizer.end_of_text, np.int32)
        self.texts = []

    def head(self, chinese):
        """Tokens of an answer before its text."""
        language = {True: 'Chinese', False: 'English', None: 'None'}[chinese]
        return len(self.tokenizer.answer(language, '')) - 1

    def add_new_shards(self):
        """A shard counts as soon as its .jsonl is there. A shard that cannot be read is reported and left out."""
        for path in sorted(self.folder.glob('*.jsonl')):
            if path.name in self.shards or self.full:
                continue
            self.shards[path.name] = True
            try:
                self.add(path)
            except Exception as problem:
                print(f'shard {path.name} left out: {problem!r}', flush=True)

    def add(self, path):
        pcm = torch.from_numpy(np.fromfile(path.with_suffix('.pcm'), np.int16))
        entries = [json.loads(line) for line in path.read_text('utf-8').splitlines()]
        if self.used + len(pcm) > len(self.pcm) or self.count + len(entries) > MOST_CLIPS:
            self.full = True
            print('the memory for speech is full', flush=True)
            return
        n, texts = self.count, []
        for entry in entries:
            answer = self.tokenizer.answer(entry['language'], entry['text'])
            if len(answer) > MOST_TOKENS or entry['offset'] + entry['samples'] > len(pcm) or entry['samples'] < 1:
                continue
            self.offset[n], self.samples[n] = self.used + entry['offset'], entry['samples']
            self.chinese[n], self.length[n] = entry['language'] == 'Chinese', len(answer)
            self.answers[n, : len(answer)] = answer
            texts.append(entry['text'])
            n += 1
        self.pcm[self.used : self.used + len(pcm)].copy_(pcm)
        if self.device.type == 'cuda':
            torch.cuda.current_stream().synchronize()
        self.texts += texts
        self.used += len(pcm)
        self.count = n  # last: what another thread draws from is there

    def hours(self):
        return self.used / RATE / 3600
