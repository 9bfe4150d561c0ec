"""The best reading of the held-out fold: several models, each in four views, averaged.

    python benchmarks/best.py PREPARED MODEL [MODEL ...]      # folders of `boneage train --fold 0`; writes benchmarks/results/best.json

Radiographs are read that no model of the ensemble has seen, by case and by file; models are added in the order given."""
import argparse, json
from pathlib import Path
import numpy as np
from fastai.vision.all import ProgressCallback
from boneage_fastai.labels import read_labels
from boneage_fastai.learner import load_model, test_data, unseen

def read(path, df, folder, views):
    learn = load_model(path, views=views)[0].remove_cb(ProgressCallback)
    return learn.get_preds(dl=test_data(learn, df, folder))[0].flatten().numpy()

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('folder', type=Path)
    p.add_argument('models', type=Path, nargs='+')
    a = p.parse_args()
    df = read_labels(a.folder/'labels.csv', verbose=False)
    df = df[df.age_months.notna()]
    configs = [json.loads((o/'config.json').read_text()) for o in a.models]
    for c in configs: df = df[df.image.map(unseen(df, a.folder, c))]
    df,mae = df.reset_index(drop=True),lambda o: float(np.abs(o-df.age_months).mean())
    found,sum_ = [],0
    for i,(path,c) in enumerate(zip(a.models, configs), 1):
        one,four = read(path, df, a.folder, False),read(path, df, a.folder, True)
        sum_ = sum_+four
        default = (c['arch'], c.get('epochs'), c['reads_at'])==('tf_efficientnet_lite0', 12, 160)
        found.append({k: c.get(k) for k in ('arch', 'epochs', 'seed', 'reads_at')} | dict(default=default, one_view=mae(one), four_views=mae(four), ensemble=mae(sum_/i), n=len(df)))
        print({k: round(v, 2) if isinstance(v, float) else v for k,v in found[-1].items()}, flush=True)
    (Path(__file__).parent/'results'/'best.json').write_text(json.dumps(found, indent=1)+'\n')

if __name__=='__main__': main()
