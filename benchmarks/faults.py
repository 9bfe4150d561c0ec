"""How many planted faults the review finds, and how many clean radiographs it flags: the table of nbs/12_review.ipynb.

    python benchmarks/faults.py                                       # phantoms
    BONEAGE_RADIOGRAPHS=data python benchmarks/faults.py              # and real radiographs of the Digital Hand Atlas and of RSNA

Thresholds were chosen on one half of each set (`--half 0`); what is printed by default is the other half (`--half 1`). Atlas and phantoms are prepared at 928
pixels, RSNA at the 100 pixels it comes in. A real radiograph counts as clean as it is, though some of them do have a ring, a right hand or a cut-off finger.
"""
import argparse, io, os, tempfile, zipfile
os.environ |= dict(OMP_NUM_THREADS='1', OPENBLAS_NUM_THREADS='1', MKL_NUM_THREADS='1')  # Before numpy is imported

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np, pandas as pd
from PIL import Image
from boneage_fastai.faults import FAULTS, plant
from boneage_fastai.findings import judge, measure_radiograph
from boneage_fastai.phantom import phantom
from boneage_fastai.radiograph import Geometry, fit_radiograph
from boneage_fastai.prepare import prepare
from boneage_fastai.review import review

def phantoms(n, half): return [(f'p{i}', phantom(216*(.618*i%1), 'FM'[i%2], 928, [99+half, i])[0], 216*(.618*i%1)) for i in range(n)]

def atlas(data, half):
    "Every second of the 82"
    table = pd.concat(pd.read_csv(data/f'atlas/{o}.csv').assign(folder=o) for o in ('originals', 'reduced')).sort_values('image')[half::2]
    return [(Path(o.image).stem, Image.open(data/'atlas'/o.folder/o.image).convert('L'), o.age_months) for o in table.itertuples()]

def rsna(data, n, half):
    table = pd.read_csv(data/'rsna100/labels.csv').sample(2*n, random_state=0)[half::2]
    with zipfile.ZipFile(data/'rsna100/images.zip') as z:
        return [(str(o.id), Image.open(io.BytesIO(z.read(f'{o.id}.png'))).convert('L'), o.boneage) for o in table.itertuples()]

def found(img, size):
    "What is found on one radiograph, prepared at `size`"
    size = min(size, max(img.size))
    square,_ = fit_radiograph(img, size)
    return {o['finding'] for o in judge(measure_radiograph(square.crop(Geometry(*img.size, size).box), img.size))}

def single(films, half, planted):
    "Shares of faulty radiographs found and of clean ones flagged, by class"
    with ThreadPoolExecutor() as pool:
        clean = list(pool.map(lambda o: found(o[1], 928), films))
        jobs = [(name, i) for name in FAULTS for i in range(min(planted, len(films)))]
        hits = list(pool.map(lambda o: found(plant(films[o[1]][1], o[0], [half, o[1]]), 928), jobs))
    for name in FAULTS:
        yield name, np.mean([name in hit for (o,_),hit in zip(jobs, hits) if o==name]), np.mean([name in o for o in clean])

def copy(img, rng):
    "The same radiograph otherwise: mirrored, turned or exposed anew, or all of it"
    kinds = rng.permutation(3)[:rng.integers(1, 4)]
    if 0 in kinds: img = img.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if 1 in kinds: img = img.rotate(rng.uniform(-30, 30), Image.Resampling.BILINEAR, expand=True, fillcolor=int(np.asarray(img)[:8].mean()))
    if 2 in kinds: img = img.point(lambda o, g=rng.uniform(.6, 1.7), k=rng.uniform(.8, 1.1): min(255, round(255*k*(o/255)**g)))
    return img

def pairs(films, half, size):
    "The same for pairs and labels, by `review`: every third radiograph has a copy, every tenth a file twice, every twentieth label is 5 years off"
    rng,rows = np.random.default_rng(half),[]
    with tempfile.TemporaryDirectory() as tmp:
        for i,(name,img,age) in enumerate(films):
            kinds = ['']+['near duplicate']*(i%3==0)+['exact duplicate']*(i%10==1)
            for kind in kinds:
                file = f'{name}{"-"*bool(kind)}{kind[:4]}.png'
                (copy(img, rng) if kind[:4]=='near' else img).save(Path(tmp)/file)
                rows.append(dict(image=file, sex='F', age_months=age+30*(kind[:4]=='near'), case_id=name, kind=kind))
        Path(tmp, 'films').mkdir()
        for o in rows: (Path(tmp)/o['image']).rename(Path(tmp)/'films'/o['image'])
        df = prepare(Path(tmp)/'films', Path(tmp)/'prepared', pd.DataFrame(rows), size=size, verbose=False)
        off = rng.random(len(df))<.05
        df['predicted'] = df.age_months+rng.normal(0, 9, len(df))+60*off*rng.choice([-1, 1], len(df))
        seen = review(Path(tmp)/'prepared', df, verbose=False)
    case,flagged = dict(zip(df.image, df.case_id)),lambda o: set(seen.image[seen.finding==o])
    wrong = {o.image for o in seen.itertuples() if o.other and case[o.image]!=case[o.other]}
    single = ~df.case_id.isin(df.case_id[df.kind!=''])
    rate = lambda rows, images: df.image[rows].isin(images).mean()
    for kind in ('near duplicate', 'exact duplicate'): yield kind, rate(df.kind==kind, flagged(kind)), rate(single, wrong & flagged(kind))
    yield 'other label', rate(df.kind=='near duplicate', flagged('other label')), rate(single, flagged('other label'))
    known = df.age_months.notna()
    yield 'label outlier', rate(off & known, flagged('label outlier')), rate(~off & known, flagged('label outlier'))

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--half', type=int, default=1, choices=[0, 1])
    p.add_argument('--phantoms', type=int, default=40)
    p.add_argument('--rsna', type=int, default=300)
    p.add_argument('--planted', type=int, default=80, help='radiographs of a set that get each fault')
    a = p.parse_args()
    sets,data = dict(phantoms=(phantoms(a.phantoms, a.half), 928)),os.environ.get('BONEAGE_RADIOGRAPHS')
    if data: sets |= dict(Atlas=(atlas(Path(data), a.half), 928), RSNA=(rsna(Path(data), a.rsna, a.half), 100))
    columns = {}
    for name,(films,size) in sets.items():
        rows = [*single(films, a.half, a.planted), *pairs(films, a.half, size)]
        columns |= {f'{name}: found %': {o[0]: 100*o[1] for o in rows}, f'{name}: clean flagged %': {o[0]: 100*o[2] for o in rows}}
        print(f'{name}: {len(films)} radiographs, each fault planted in {min(a.planted, len(films))}', flush=True)
    print(pd.DataFrame(columns).round(1).to_string())

if __name__=='__main__': main()
