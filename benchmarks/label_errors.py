"""Planted label errors: of the films whose residual is largest, how many that are called `label suspicious` carry a label that was shifted?

    BONEAGE_RADIOGRAPHS=data python benchmarks/label_errors.py [--n N] [--share 0.02] [--shift 36]      # RSNA (data/rsna100)
    python benchmarks/label_errors.py --n 600                                                          # phantoms

The fast recipe: ridge regression on frozen features of tf_efficientnet_lite0 (ImageNet weights of the offline extra, mean over the map at strides 8, 16 and 32, 128 pixels)
and the sex, five folds, every radiograph predicted by a model that has not seen it. It is not the network of the package and reads much worse than one. Neighbours are the
five most alike of the training folds, same sex, in the ridge's standardised features. Among the top 2 % by size of residual (as many as were shifted) the verdict of `find_causes` is given; the films are reviewed, views are not tried.
"""
import argparse, os, tempfile, time, zipfile
from pathlib import Path
import numpy as np, pandas as pd, torch
from PIL import Image
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler
from boneage_fastai.data import boneage_dls
from boneage_fastai.explain import error_scale, find_causes
from boneage_fastai.findings import judge, measure_radiograph
from boneage_fastai.labels import read_labels
from boneage_fastai.learner import boneage_learner
from boneage_fastai.maps import _watch, map_layer
from boneage_fastai.model import normalise
from boneage_fastai.neighbours import is_few
from boneage_fastai.phantom import make_phantom_atlas
from boneage_fastai.prepare import prepare

def prepared(tmp, n):
    "A prepared folder at 128 pixels and its table"
    data = os.environ.get('BONEAGE_RADIOGRAPHS')
    if not data: make_phantom_atlas(tmp/'films', n=n, size=256)
    else:
        table = pd.read_csv(Path(data)/'rsna100/labels.csv').sample(frac=1, random_state=0)[:n]
        with zipfile.ZipFile(Path(data)/'rsna100/images.zip') as z:
            for o in z.infolist():
                o.filename = Path(o.filename).name
                if o.filename.endswith('.png') and int(Path(o.filename).stem) in set(table.id): z.extract(o, tmp/'films')
        table.to_csv(tmp/'films/labels.csv', index=False)
    return prepare(tmp/'films', tmp/'prepared', read_labels(tmp/'films/labels.csv', verbose=False), size=128, verbose=False)

def features(df, folder):
    "Frozen features of every radiograph, float32, shape (n, 472)"
    dls = boneage_dls(df, folder, bs=32, fold=None)
    body = boneage_learner(dls, 'tf_efficientnet_lite0', 'offline').model.eval()
    dl,out = dls.test_dl(df, with_labels=True, num_workers=0),[]
    layers = [map_layer(body, dl.one_batch()[0].as_subclass(torch.Tensor), o) for o in (8, 16, 32)]
    with torch.no_grad():
        for b in dl:
            seen,hooks = [],[]
            for o in layers: hooks.append(_watch(o, seen))
            body[0](normalise(b[0].as_subclass(torch.Tensor)))
            for o in hooks: o.remove()
            out.append(torch.cat([f.mean((2, 3)) for _,f in seen], 1).numpy())
    return np.concatenate(out)

def out_of_fold(x, sex, y, k=5):
    "Predictions, ages of the five nearest and whether the age is rare, each from the other folds"
    said,near,few = np.zeros(len(y)),np.zeros((len(y), k)),np.zeros(len(y), bool)
    for train,held in KFold(5, shuffle=True, random_state=0).split(x):
        z = StandardScaler().fit(x[train]).transform(x)
        inputs = np.c_[z, sex, z[:,::4]*sex[:,None]]
        said[held] = RidgeCV(np.logspace(1, 5, 9)).fit(inputs[train], y[train]).predict(inputs[held])
        unit = z/np.linalg.norm(z, axis=1, keepdims=True)
        like = np.where(sex[held][:,None]==sex[train], unit[held]@unit[train].T, -np.inf)
        near[held] = y[train][np.argsort(-like, axis=1)[:,:k]]
        few[held] = [is_few(y[train][sex[train]==sex[i]], y[i]) for i in held]
    return said, near, few

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--n', type=int, default=10562)
    p.add_argument('--share', type=float, default=.02)
    p.add_argument('--shift', type=float, default=36)
    a = p.parse_args()
    torch.set_num_threads(1)
    start,rng = time.perf_counter(),np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp)
        df = prepared(tmp, a.n)
        x,true,sex = features(df, tmp/'prepared'),df.age_months.to_numpy(float),(df.sex=='M').to_numpy(float)
        planted = np.zeros(len(df), bool)
        planted[rng.choice(len(df), round(a.share*len(df)), replace=False)] = True
        shift = a.shift*np.where(rng.random(len(df))<.5, -1, 1)
        shift = np.where((true+shift<0) | (true+shift>228), -shift, shift)
        label = true+planted*shift
        said,near,few = out_of_fold(x, sex, label)
        residual,scale = said-label,error_scale(said-label)
        top = np.argsort(-np.abs(residual))[:planted.sum()]
        film = {i: judge(measure_radiograph(Image.open(tmp/'prepared/images'/df.image[i]))) for i in top}
        causes = {i: find_causes(label[i], said[i], scale, near[i], few[i], film=film[i]) for i in top}
    suspicious = [i for i in top if 'label' in causes[i]]
    print(f'{len(df)} radiographs, {planted.sum()} labels shifted by ±{a.shift:g} months, {time.perf_counter()-start:.0f} s')
    print(f'out-of-fold MAE against the true labels {np.abs(said-true).mean():.2f} months (median predictor {np.abs(true-np.median(true)).mean():.1f}); robust SD {scale[1]:.1f}')
    print(f'top {len(top)} by residual: {planted[top].sum()} planted, precision {planted[top].mean():.3f} (chance {planted.mean():.3f})')
    print(f'of these called label suspicious: {len(suspicious)}, planted {planted[suspicious].sum()}, precision {planted[suspicious].mean() if suspicious else float("nan"):.3f}')
    print(pd.Series([', '.join(o) or 'none of these' for o in causes.values()]).value_counts().to_string())

if __name__=='__main__': main()
