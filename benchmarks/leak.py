"""How well copies are known again by their pixels: false pairs among different hands, and precision and recall on copies made by hand.

    python benchmarks/leak.py                                    # phantoms
    BONEAGE_RADIOGRAPHS=data python benchmarks/leak.py           # RSNA (data/rsna100) and Atlas (data/atlas) radiographs

First table: radiographs that are in a pair of a given correlation although no copies were made. Second: 300 RSNA and all Atlas radiographs (or 300 phantoms),
each with 4 or 5 copies, grouped by `group_by_pixels`; pairs of one group that belong together (precision), pairs that belong together found in one group (recall).
"""
import argparse, io, os, random, tempfile, time, zipfile
from itertools import combinations
from pathlib import Path
import numpy as np, pandas as pd
from PIL import Image, ImageOps
from boneage_fastai.leak import group_by_pixels
from boneage_fastai.phantom import phantom
from boneage_fastai.radiograph import fit_radiograph
from boneage_fastai.signature import SURE, near_duplicates, signature

def films(n):
    "Different hands: those for the first table, and those to be copied with their names"
    data = os.environ.get('BONEAGE_RADIOGRAPHS')
    if not data:
        some = [phantom(216*i/n, 'FM'[i%2], size=256, seed=i)[0] for i in range(n)]
        return some, some[:300], 'phantoms'
    with zipfile.ZipFile(Path(data)/'rsna100/images.zip') as z:
        names = sorted(o for o in z.namelist() if o.endswith('.png'))[:n]
        rsna = [Image.open(io.BytesIO(z.read(o))).convert('L') for o in names]
    atlas = [fit_radiograph(o, 464)[0] for o in sorted((Path(data)/'atlas').glob('*/*.jpg'))]
    return rsna, random.Random(0).sample(rsna, 300)+atlas, 'RSNA radiographs at 100 pixels'

def fill(img):
    "The film's own background, as the original project filled its corners"
    a = np.asarray(img)
    return int(np.median(np.concatenate([a[:5].ravel(), a[:,:5].ravel(), a[:,-5:].ravel()])))

def tone(img, f): return img.point([int(np.clip(255*f(i/255), 0, 255)) for i in range(256)])

def copies(img, rng):
    "4 or 5 copies as people make them"
    for _ in range(rng.choice((4, 4, 5))):
        x = ImageOps.mirror(img) if rng.random()<.5 else img
        if rng.random()<.6: x = x.rotate(rng.uniform(-20, 20), Image.Resampling.BILINEAR, fillcolor=rng.choice((0, fill(x))))
        if rng.random()<.5: x = tone(x, lambda v, g=rng.uniform(.7, 1.4): v**g)
        if rng.random()<.3: x = tone(x, lambda v, c=rng.uniform(.8, 1.2), b=rng.uniform(-.05, .1): (v-.5)*c+.5+b)
        data = io.BytesIO()
        x.save(data, 'JPEG', quality=90)
        yield Image.open(data).convert('L')

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--n', type=int, default=20000, help='different radiographs at most for the first table (phantoms: 600)')
    n = p.parse_args().n
    apart,some,what = films(n if os.environ.get('BONEAGE_RADIOGRAPHS') else min(n, 600))
    start = time.perf_counter()
    pairs = near_duplicates(np.stack([signature(o) for o in apart]), .8)
    print(f'{len(apart)} {what}, {time.perf_counter()-start:.0f} s')
    for limit in (.82, .85, .88, .9, .92, .94):
        strong = pairs[pairs.similarity>=limit]
        print(f'correlation ≥ {limit:.2f}: {len(strong):5} pairs, {100*len(set(strong.a)|set(strong.b))/len(apart):6.3f} % of the radiographs')
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as tmp:
        rows = []
        for i,img in enumerate(some):
            for j,x in enumerate([img, *copies(img, rng)]):
                rows.append((f'{i:04d}_{j}.png', i))
                (Path(tmp)/'images').mkdir(exist_ok=True)
                x.save(Path(tmp)/'images'/rows[-1][0])
        df = pd.DataFrame(rows, columns=['image', 'truth'])
        start = time.perf_counter()
        df = group_by_pixels(df, tmp)
    together = lambda key: {p for g in df.groupby(key).groups.values() for p in combinations(sorted(g), 2)}
    true,found = together('truth'),together('case_id')
    print(f'{len(some)} originals, {len(df)} with copies, {time.perf_counter()-start:.0f} s at correlation {SURE}: '
        f'precision {len(true&found)/len(found):.4f}, recall {len(true&found)/len(true):.4f}, {df.case_id.nunique()} groups')

if __name__=='__main__': main()
