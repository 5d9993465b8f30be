"""Threads beside the training: one takes up new shards, one makes batches."""
import queue
import threading
import time
import traceback

import torch


class Feeder:
    """Keeps a few finished batches ready. With CUDA each thread has a stream of its own."""

    def __init__(self, batches, settings, ahead=4):
        """settings: a function that returns strength and share for the next batches (see Batches.draw)."""
        self.batches, self.settings = batches, settings
        self.ready, self.stop, self.problem = queue.Queue(ahead), False, None
        self.reader, self.maker = (threading.Thread(target=self.guarded, args=(work,), daemon=True) for work in (self.read, self.make))

    def close(self):
        self.stop = True
        self.maker.join()
        self.reader.join()

    def guarded(self, work):
        try:
            if self.batches.device.type == 'cuda':
                with torch.cuda.stream(torch.cuda.Stream()):
                    work()
            else:
                work()
        except Exception:
            self.problem = traceback.format_exc()
            print(self.problem, flush=True)

    def read(self):
        while not self.stop:
            self.batches.speech.add_new_shards()
            time.sleep(1)

    def make(self):
        cuda = self.batches.device.type == 'cuda'
        while not self.stop:
            for d in self.batches.plan(*self.settings()):
                batch, event = self.batches.build(d), None
                if cuda:
                    event = torch.cuda.Event()
                    event.record()
                while not self.stop:
                    try:
                        self.ready.put((batch, event), timeout=0.5)
                        break
                    except queue.Full:
                        pass
                if self.stop:
                    return

    def next(self, timeout=60):
        """The next batch; raises when none comes."""
        end = time.time() + timeout
        while True:
            try:
                batch, event = self.ready.get(timeout=1)
                break
            except queue.Empty:
                if self.problem or time.time() > end:
                    raise RuntimeError(f'no batch: {self.problem}') from None
        if event:
            stream = torch.cuda.current_stream()
            stream.wait_event(event)
            for value in batch.values():
                if value.is_cuda:
                    value.record_stream(stream)  # its memory is not used again before this stream is done with it
        return batch
