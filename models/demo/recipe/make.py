"""The whole recipe in one command: python3 models/demo/recipe/make.py WORK_DIR [--minutes 6] [--hours 200] [--device cpu]

Speaks the training clips and trains anew on them at the same time, puts the model into WORK_DIR/model, and counts its errors on the
test folders. The configuration and the tokenizer are those beside this folder (make_tokenizer.py has made them).
"""
import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

RECIPE = pathlib.Path(__file__).resolve().parent
MODEL = RECIPE.parent
TESTS = [MODEL / name for name in ('eval-open', 'eval-unheard', 'eval')]
HOURS = {'cuda': 200, 'cpu': 40}  # of speech: 115 MB each, on the disk and in the trainer's memory


def start(script, *arguments, **environment):
    command = [sys.executable, '-u', str(RECIPE / script), *map(str, arguments)]
    return subprocess.Popen(command, env={**os.environ, **environment}, start_new_session=True)


def stop(process):
    """With all processes that it has started."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
    except ProcessLookupError:
        pass
    process.wait()


def speak_and_train(options):
    speech, model = options.work / 'speech', options.work / 'model'
    more = ['--synthesizers', options.synthesizers] if options.synthesizers else []
    room = options.hours + 0.2 * options.processes  # each may be at its last shard when there is enough
    # The trainer first: it needs its time for loading torch and rehearsing.
    train = start(
        'train.py', '--speech', speech, '--base', MODEL, '--out', model, '--tests', *TESTS, '--minutes', options.minutes,
        '--hours', room, '--device', options.device, *(['--seconds', options.seconds] if options.seconds else []),
    )
    speak = start(
        'synth.py', 'train', speech, '--hours', options.hours, '--seconds', 60 * options.minutes, '--processes', options.processes,
        '--exclude', *TESTS[1:], RECIPE / 'held-out.json', '--seed', 11, *more, OMP_NUM_THREADS='1', OPENBLAS_NUM_THREADS='1',
    )
    try:
        while train.poll() is None and speak.poll() in (None, 0):
            time.sleep(0.5)
        if train.poll() != 0:
            sys.exit('training failed' if train.poll() else 'no speech')
    finally:
        stop(speak)
        stop(train)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work', type=pathlib.Path, help='an empty folder')
    parser.add_argument('--minutes', type=float, default=6, help='time to speak and train')
    parser.add_argument('--hours', type=float, help='speech to make at most: 200, with --device cpu 40')
    parser.add_argument('--device', choices=list(HOURS), default='cuda')
    parser.add_argument('--seconds', type=float, help='audio in a batch: 2000 needs 32 GB of GPU memory')
    parser.add_argument('--processes', type=int, default=max(1, os.cpu_count() - 1), help='that speak')
    parser.add_argument('--synthesizers', help='folder from bundle.sh, where the packages are not installed')
    options = parser.parse_args()
    options.hours = options.hours or HOURS[options.device]
    if any(options.work.glob('speech/*')):
        sys.exit(f'{options.work} has speech of an earlier run')
    speak_and_train(options)
    for path in [*MODEL.glob('*.json'), MODEL / 'merges.txt']:
        shutil.copy(path, options.work / 'model')
    sys.exit(start('evaluate.py', options.work / 'model', *TESTS, '--device', options.device).wait())


if __name__ == '__main__':
    main()
