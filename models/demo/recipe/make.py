"""The whole recipe in one command: python3 recipe/make.py WORK_DIR [--minutes 120] [--hours 60] [--anew]

Speaks the test and training clips, trains on from the weights beside this folder (or anew), and puts the model into
WORK_DIR/model. Compare with `evaluate.py`, then copy WORK_DIR/model/model.safetensors over the old file.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys

RECIPE = pathlib.Path(__file__).resolve().parent
MODEL = RECIPE.parent
ENVIRONMENT = {
    **os.environ,
    'OMP_NUM_THREADS': '1',  # one thread in each worker; a worker for each core
    'OPENBLAS_NUM_THREADS': '1',
}


def start(script, *arguments):
    return subprocess.Popen([sys.executable, str(RECIPE / script), *map(str, arguments)], env=ENVIRONMENT)


def run(script, *arguments):
    if start(script, *arguments).wait() != 0:
        sys.exit(f'{script} failed')


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('work', type=pathlib.Path)
    parser.add_argument('--hours', type=float, default=60, help='speech to make')
    parser.add_argument('--minutes', type=float, default=120, help='time to train')
    parser.add_argument('--anew', action='store_true', help='do not go on from the present weights')
    parser.add_argument('--peak', type=float, help='highest learning rate')
    options = parser.parse_args()
    work = options.work
    tests = [MODEL / 'eval', MODEL / 'eval-unheard', work / 'development', work / 'development-unheard']
    run('synth.py', 'clips', tests[2], '--count', 200, '--seed', 6, '--exclude', *tests[:2])
    run('synth.py', 'clips', tests[3], '--count', 80, '--seed', 5, '--voices', 'development', '--exclude', *tests[:2])
    run('synth.py', 'train', work / 'speech', '--hours', min(10, options.hours), '--seed', 11, '--exclude', *tests)
    rest = start('synth.py', 'train', work / 'speech', '--hours', options.hours - 10, '--seed', 12, '--exclude', *tests)
    peak = options.peak or (1.5e-3 if options.anew else 5e-4)
    source = [] if options.anew else ['--model', MODEL]
    run('train.py', '--speech', work / 'speech', '--tokenizer', MODEL, *source, '--out', work / 'model', '--minutes', options.minutes, '--peak', peak)
    rest.wait()
    for path in MODEL.glob('*.json'):
        shutil.copy(path, work / 'model')
    shutil.copy(MODEL / 'merges.txt', work / 'model')
    run('evaluate.py', work / 'model', *tests)


if __name__ == '__main__':
    main()
