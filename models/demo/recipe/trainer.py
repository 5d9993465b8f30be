"""One step of training: the losses, the schedules, the optimizer. Nothing in a step waits for the GPU."""
import math

import torch
import torch.nn.functional as F

PEAK = 2e-3  # highest learning rate
WARMUP = 100  # steps
BETAS, WEIGHT_DECAY, CLIP = (0.9, 0.98), 0.05, 1.0
DROP, AUGMENT = 0.03, 0.6  # dropout, strength of the augmentation (0 to 1)
CTC, CTC_UNTIL = 0.3, 0.5  # its weight at the start; of the run: it helps to find the words, then costs time
AVERAGE_FROM, AVERAGE_EVERY = 0.9, 5  # the weights of every fifth step from here on are averaged


def losses(model, batch, blank, with_ctc, drop=DROP):
    """Cross-entropy of the answer, CTC of the text on the encoder's output (None without it), logits. See Batches.build."""
    with torch.autocast(batch['mel'].device.type, torch.bfloat16):
        audio = model.audio_tower(batch['mel'], batch['tokens'], drop)
        hidden = model.hidden(model.embed(audio, batch['ids'], batch['audio_index']), drop)
        answer = batch['answer']
        at = batch['start'][:, None] + torch.arange(answer.shape[1], device=answer.device)
        logits = model.logits(hidden.gather(1, at[..., None].expand(-1, -1, hidden.shape[-1])))
        ctc = model.ctc(audio) if with_ctc else None
    loss = F.cross_entropy(logits.float().flatten(0, 1), answer.flatten(), ignore_index=-100, label_smoothing=0.05)
    if not with_ctc:
        return loss, None, logits
    log = F.log_softmax(ctc.float(), -1).transpose(0, 1)
    lengths = batch['token_lengths'], batch['text_lengths']  # on the CPU: nothing waits
    return loss, F.ctc_loss(log, batch['text'], *lengths, blank=blank, zero_infinity=True), logits


def rate_at(step, progress):
    """The learning rate: a short rise, then a half cosine to nearly 0. progress: 0 to 1, by the clock."""
    return PEAK * min(1, (step + 1) / WARMUP) * (0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * min(1, progress))))


def augmentation_at(progress):
    """Less at the end: the figures are taken on clean speech."""
    return AUGMENT * (1 if progress < 0.6 else 1 - 0.6 * min(1, (progress - 0.6) / 0.3))


def share_at(progress):
    """Short utterances first, while nothing is known yet: the share of the clips, by length, that may come."""
    return 0.3 if progress < 0.03 else 0.6 if progress < 0.06 else 1


class Trainer:
    def __init__(self, model, blank, device):
        """blank: the token that CTC takes for none."""
        self.model, self.blank = model, blank
        decayed = [p for p in model.parameters() if p.dim() > 1]
        rest = [p for p in model.parameters() if p.dim() <= 1]
        self.parameters = decayed + rest
        groups = [{'params': decayed, 'weight_decay': WEIGHT_DECAY}, {'params': rest, 'weight_decay': 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=0.0, betas=BETAS, fused=True)
        self.steps, self.rate, self.damp = 0, 0.0, 1.0  # damp: of the learning rate, halved after each return to earlier weights
        self.good, self.good_loss = self.weights(), math.inf  # where to return to
        self.average, self.averaged = None, 0
        zero = lambda: torch.zeros((), device=device)
        self.mean, self.mean_ctc, self.accuracy, self.skipped = zero(), zero(), zero(), zero()

    def step(self, batch, progress):
        """One step, without waiting for the GPU."""
        self.rate = self.damp * rate_at(self.steps, progress)
        loss, ctc, logits = losses(self.model, batch, self.blank, progress < CTC_UNTIL)
        whole = loss if ctc is None else loss + CTC * (1 - 0.7 * progress) * ctc
        self.optimizer.zero_grad(set_to_none=True)
        whole.backward()
        with torch.no_grad():
            norm = torch.nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None])
            bad = ~torch.isfinite(norm)
            # The fused AdamW divides the gradients by grad_scale, and leaves out a step whose found_inf is 1.
            self.optimizer.grad_scale = torch.clamp(torch.nan_to_num(norm, 1.0, 1.0, 1.0) / CLIP, min=1.0)
            self.optimizer.found_inf = bad.float()
            for group in self.optimizer.param_groups:
                group['lr'] = self.rate
            self.optimizer.step()
            self.skipped += bad
            weight = 1.0 if self.steps == 0 else 0.05
            self.mean.lerp_(torch.where(bad, self.mean, loss), weight)
            if ctc is not None:
                self.mean_ctc.lerp_(torch.where(bad, self.mean_ctc, ctc), weight)
            if self.steps % 10 == 0:
                valid = batch['answer'] >= 0
                right = ((logits.argmax(-1) == batch['answer']) & valid).sum() / valid.sum()
                self.accuracy.lerp_(right, 1.0 if self.steps == 0 else 0.2)
            if progress > AVERAGE_FROM and self.steps % AVERAGE_EVERY == 0:
                self.averaged += 1
                if self.average is None:
                    self.average = [p.detach().clone() for p in self.parameters]
                else:
                    torch._foreach_lerp_(self.average, self.parameters, 1 / self.averaged)
        self.steps += 1

    def weights(self):
        return [p.detach().clone() for p in self.parameters]

    def set_weights(self, weights):
        with torch.no_grad():
            for p, value in zip(self.parameters, weights):
                p.copy_(value)

    def look_back(self, steps):
        """Goes back to earlier weights if the last `steps` steps have spoiled them. Returns what to say about it."""
        loss, skipped, weights = float(self.mean), int(self.skipped), self.weights()
        finite = bool(torch.stack([torch.isfinite(w).all() for w in weights]).all())
        self.skipped.zero_()
        if finite and math.isfinite(loss) and skipped <= max(3, 0.5 * steps) and loss <= max(10.0, self.good_loss + 2):
            self.good, self.good_loss = weights, loss
            return f', {skipped} steps left out' if skipped else ''
        self.set_weights(self.good)
        self.optimizer.state.clear()
        self.damp *= 0.5
        self.mean.fill_(min(self.good_loss, 10.0))
        self.average, self.averaged = None, 0
        return f', {skipped} steps left out, weights finite: {finite}; back to earlier weights, at half the learning rate'

    def take_average(self):
        if self.averaged and all(bool(torch.isfinite(w).all()) for w in self.average):
            self.set_weights(self.average)
