"""Planted label errors: of the films whose residual is largest, how many carry a label that was shifted, and does the verdict know them?

    python benchmarks/label_errors.py PREPARED            # RSNA at 128 pixels, say; writes benchmarks/results/label_errors.json

2 % of all labels are shifted by 36 months, in the training set as well. The recipe trains on four folds and predicts the fifth, which it has not seen; of that fold the top 2 % by size of
residual are explained as the report explains them (views, neighbours, review). An interrupted run goes on from its last epoch."""
import argparse, json, tempfile, time
from pathlib import Path
import numpy as np, pandas as pd
from fastai.vision.all import ProgressCallback, set_seed
from boneage_fastai.data import boneage_dls
from boneage_fastai.interpret import AgeInterpretation
from boneage_fastai.labels import grouped_folds, read_labels
from boneage_fastai.learner import boneage_learner, fit_boneage
from boneage_fastai.neighbours import Neighbours

def plant(df, share, shift, seed):
    "The table with shifted labels, which stay within 0–228 months; column `planted`"
    rng = np.random.default_rng(seed)
    planted = np.isin(np.arange(len(df)), rng.choice(len(df), round(share*len(df)), replace=False))
    by = shift*np.where(rng.random(len(df))<.5, -1, 1)
    by = np.where((df.age_months+by<0) | (df.age_months+by>228), -by, by)
    return df.assign(true=df.age_months, age_months=df.age_months+planted*by, planted=planted)

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('folder', type=Path)
    p.add_argument('--share', type=float, default=.02)
    p.add_argument('--shift', type=float, default=36)
    p.add_argument('--epochs', type=int, default=8)
    p.add_argument('--seed', type=int, default=0)
    a = p.parse_args()
    df = read_labels(a.folder/'labels.csv', verbose=False)
    df = plant(df[df.age_months.notna()].reset_index(drop=True), a.share, a.shift, a.seed)
    df['fold'] = grouped_folds(df, seed=42)
    set_seed(a.seed)
    learn,start = boneage_learner(boneage_dls(df, a.folder), 'tf_efficientnet_lite0', 'offline').remove_cb(ProgressCallback),time.time()
    fit_boneage(learn, a.epochs, checkpoint=Path(tempfile.gettempdir())/f'label_errors_{a.seed}_{a.epochs}')
    held,near,interp = learn.dls.valid_ds.items.reset_index(drop=True),Neighbours(learn),AgeInterpretation.from_learner(learn)
    t = interp.table()
    top = t.error.abs().sort_values(ascending=False).index[:round(a.share*len(t))]
    causes = [interp.explain(int(i), near).causes for i in top]
    planted,called = held.planted.to_numpy()[top],np.array(['label' in o for o in causes])
    found = dict(n=len(t), planted=int(held.planted.sum()), mae=float((t.predicted-held.true).abs().mean()), top=len(top), planted_in_top=int(planted.sum()),
        called=int(called.sum()), planted_called=int(planted[called].sum()), epochs=a.epochs, shift=a.shift, share=a.share, seconds=round(time.time()-start))
    print(f"{found['n']} radiographs held out, {found['planted']} labels of them shifted by ±{a.shift:g} months; MAE against the true labels {found['mae']:.2f}")
    print(f"top {found['top']} by residual: {found['planted_in_top']} planted, precision {planted.mean():.2f} (chance {held.planted.mean():.2f})")
    print(f"called label suspicious: {found['called']}, planted {found['planted_called']}, precision {planted[called].mean() if called.any() else float('nan'):.2f}")
    print(pd.crosstab(pd.Series([', '.join(o) or 'none of these' for o in causes], name='verdict'), pd.Series(planted, name='planted')).to_string())
    (Path(__file__).parent/'results'/'label_errors.json').write_text(json.dumps(found, indent=1)+'\n')

if __name__=='__main__': main()
