"""Reviewing 1390 phantoms at 928 pixels: us, and what one writes first, in one run.

    python benchmarks/review.py [--folder F] [--n 1390]     # the prepared phantoms stay in F; making them takes a few minutes

The usual script opens each film, takes its mean and contrast and a difference hash, and compares all pairs in a double loop with the hash mirrored and turned
by right angles. Among the films are 30 copies: 10 mirrored, 10 turned by up to 30° and exposed anew, 10 exact. Time is CPU time of the whole process, and the clock's on all cores.
"""
import argparse, os, tempfile, time
os.environ |= dict(OMP_NUM_THREADS='1', OPENBLAS_NUM_THREADS='1', MKL_NUM_THREADS='1')  # Before numpy is imported

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
import numpy as np, pandas as pd
from PIL import Image
from boneage_fastai.page import review_page
from boneage_fastai.phantom import phantom
from boneage_fastai.prepare import prepare
from boneage_fastai.review import review

SIZE,COPIES = 928,30

def draw(job):
    path,age,sex,seed = job
    phantom(age, sex, SIZE, seed)[0].save(path, quality=92)

def films(folder, n):
    "A prepared folder of n phantoms, the last 30 of them copies of the first 30"
    if (folder/'prepared/labels.csv').exists(): return folder/'prepared'
    (folder/'films').mkdir(parents=True, exist_ok=True)
    jobs = [(folder/f'films/{i:04d}.jpg', 216*(.618*i%1), 'FM'[i%2], [5, i]) for i in range(n-COPIES)]
    with ProcessPoolExecutor() as pool: list(pool.map(draw, jobs, chunksize=20))
    rng = np.random.default_rng(0)
    for i in range(COPIES):
        first,copy = folder/f'films/{i:04d}.jpg',folder/f'films/copy{i:02d}.jpg'
        img = Image.open(first)
        if i<10: img.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(copy, quality=90)
        elif i<20:
            img = img.rotate(rng.uniform(-30, 30), Image.Resampling.BILINEAR, expand=True, fillcolor=int(np.asarray(img)[:8].mean()))
            img.point(lambda o: int(255*(o/255)**1.4)).save(copy, quality=90)
        else: copy.write_bytes(first.read_bytes())
    df = pd.DataFrame(dict(image=sorted(o.name for o in (folder/'films').iterdir()))).assign(sex='unknown', age_months=100.)
    prepare(folder/'films', folder/'prepared', df)
    return folder/'prepared'

def usual(folder, images):
    "Statistics and pairs of nearly equal hashes"
    hashes,stats = [],[]
    for o in images:
        a = np.asarray(Image.open(folder/'images'/o).convert('L'))
        stats.append((a.mean(), a.std()))
        small = np.asarray(Image.fromarray(a).resize((9, 9), Image.Resampling.BOX), int)
        ways = [np.rot90(m, k) for m in (small, small[:,::-1]) for k in range(4)]
        hashes.append([sum(1<<i for i,bit in enumerate((w[:8,1:]>w[:8,:-1]).ravel()) if bit) for w in ways])
    return {(images[i], images[j]) for i in range(len(images)) for j in range(i) if min((hashes[i][0]^h).bit_count() for h in hashes[j])<=6}

def ours(folder, images):
    seen = review(folder, verbose=False)
    return {(o.image, o.other) for o in seen[seen.finding.isin(['near duplicate', 'exact duplicate'])].itertuples()}

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--folder', type=Path)
    p.add_argument('--n', type=int, default=1390)
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        folder = films(a.folder or Path(tmp), a.n)
        images = sorted(o.relative_to(folder/'images').as_posix() for o in (folder/'images').rglob('*.jpg'))
        for name in ('measures.jsonl', 'signatures.npy', 'signatures.csv', 'review.csv'): (folder/name).unlink(missing_ok=True)
        print(f'{len(images)} films of {SIZE} pixels, {os.cpu_count()} cores')
        for name,run in (('usual script', usual), ('boneage_fastai', ours), ('boneage_fastai, again', ours)):
            wall,cpu = time.perf_counter(),time.process_time()
            pairs = {frozenset(o) for o in run(folder, images)}
            wall,cpu = time.perf_counter()-wall,time.process_time()-cpu
            true = {frozenset((f'{i:04d}.jpg', f'copy{i:02d}.jpg')) for i in range(COPIES)}
            kinds = [sum(frozenset((f'{i:04d}.jpg', f'copy{i:02d}.jpg')) in pairs for i in range(k, k+10)) for k in (0, 10, 20)]
            said = 'copies found: mirrored {}/10, turned and re-exposed {}/10, exact {}/10'.format(*kinds)
            print(f'{name:22} CPU {cpu:6.1f} s   clock {wall:6.1f} s   {said}; wrong pairs {len(pairs-true)}')
        wall,cpu = time.perf_counter(),time.process_time()
        page = review_page(folder)
        print(f'{"the page":22} CPU {time.process_time()-cpu:6.1f} s   clock {time.perf_counter()-wall:6.1f} s   {page.stat().st_size/1e6:.1f} MB')

if __name__=='__main__': main()
