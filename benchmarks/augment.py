"""How fast copies are made here: `python benchmarks/augment.py [copies]`.

Each operator makes copies of phantoms at 928 pixels into a bank and into JPEG files, on two threads, with everything that belongs to it: opening and measuring
each film, writing the originals and the tables. Beside it the usual way in the same run: for every copy PIL opens the radiograph, changes it and saves a PNG (or a JPEG),
in a pool of the same two threads; its films are not measured, corners stay black, and nothing is noted."""
import os, sys, tempfile, time

os.environ |= dict(OMP_NUM_THREADS='1', OPENBLAS_NUM_THREADS='1', MKL_NUM_THREADS='1')  # Before numpy is imported

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from PIL import Image, ImageEnhance, ImageOps
from boneage_fastai.augment import OPERATORS, augment, augment_plan
from boneage_fastai.core import SIZE
from boneage_fastai.phantom import make_phantom_atlas
from boneage_fastai.prepare import prepare

THREADS = 2
USUAL = dict(flip=ImageOps.mirror, rotate=lambda o: o.rotate(12.5, Image.Resampling.BILINEAR), brightness=lambda o: ImageEnhance.Brightness(o).enhance(1.2),
    tone=lambda o: ImageEnhance.Contrast(o).enhance(1.2), colour_filter=lambda o: ImageOps.colorize(o, 'black', 'blue').convert('L'))

def timed(f):
    "Seconds that passed, and seconds of CPU of all threads"
    wall,cpu = time.perf_counter(),time.process_time()
    f()
    return time.perf_counter()-wall, time.process_time()-cpu

def usual(jobs, operator, folder, suffix):
    "Open, change, save, one copy after the other"
    def one(job):
        i,path = job
        USUAL[operator](Image.open(path).convert('L')).save(folder/f'{i}{suffix}')
    folder.mkdir()
    with ThreadPoolExecutor(THREADS) as pool: list(pool.map(one, enumerate(jobs)))

def main(copies=64):
    print(f'{os.cpu_count()} cores; copies a second on {THREADS} threads, milliseconds of CPU a copy; the usual way uses PIL, a PNG (or JPEG) a copy')
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        make_phantom_atlas(folder/'atlas', n=max(1, copies//2), size=SIZE)
        df = prepare(folder/'atlas', folder/'A', verbose=False)
        warm = augment_plan(df, 2*len(df), ())
        augment(warm, folder/'A', folder/'warm', format='bank', verbose=False)
        for operator in OPERATORS:
            most = 1 if operator=='flip' else 2
            plan = augment_plan(df, len(df)*(1+most), (), operators=[operator])
            n = len(plan)-len(df)
            jobs = [folder/'A/images'/o for o in plan.parent if o]
            ours = {o: timed(lambda: augment(plan, folder/'A', folder/f'{operator}-{o}', format=o, workers=THREADS, verbose=False)) for o in ('bank', 'jpg')}
            other = {o: timed(lambda: usual(jobs, operator, folder/f'{operator}{o}', o)) for o in ('.png', '.jpg')}
            line = [f'{name} {n/wall:4.0f}/s {1000*cpu/n:4.0f} ms' for name,(wall,cpu) in (ours|other).items()]
            ratio = other['.png'][1]/ours['bank'][1], other['.jpg'][1]/ours['jpg'][1]
            print(f'{operator:14}{n:4} copies: ' + '   '.join(line) + f'   CPU, usual/ours: PNG to bank {ratio[0]:.1f}×, JPEG to JPEG {ratio[1]:.1f}×')

if __name__=='__main__': main(*map(int, sys.argv[1:]))
