"""Does an answer stay what it is when only the film changes? Sex known and unknown, turned, mirrored, brighter, darker, inverted.

    python benchmarks/robust.py MODEL PREPARED            # the radiographs that MODEL has not seen; writes benchmarks/results/robust.json

`brightness` multiplies the grey values by the level and clips them at white; `rotation` is in degrees."""
import argparse, json
from pathlib import Path
import pandas as pd
from fastai.vision.all import ProgressCallback
from boneage_fastai.labels import read_labels
from boneage_fastai.learner import load_model, mae, test_data, unseen
from boneage_fastai.stress import CHANGES, Change, stress_test
from machine import machine

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for o in ('model', 'folder'): p.add_argument(o, type=Path)
    p.add_argument('--name', default='', help='what to call it in the results')
    a = p.parse_args()
    learn,config = load_model(a.model)
    learn.remove_cb(ProgressCallback)
    df = read_labels(a.folder/'labels.csv', verbose=False)
    new = unseen(df, a.folder, config)
    df = df[df.image.isin(new.index[new])]
    CHANGES['brightness'] = Change(lambda x, level, seeds: (x*level).clamp(0, 1), (.7, 1.3), 'brighter by the factor {level}')
    test = stress_test(learn, test_data(learn, df, a.folder), dict(rotation=(-20, -10, 10, 20), flip=(1,), brightness=(.7, 1.3), inversion=(1,))).table
    unknown = mae(*learn.get_preds(dl=test_data(learn, df.assign(sex='unknown'), a.folder)))
    test = pd.concat([test, pd.DataFrame([dict(change='sex unknown', level=1, mae=unknown)])], ignore_index=True)
    test['moves'] = test.mae-test.mae[0]
    print(f'{len(df)} radiographs'), print(test.round(2).to_string(index=False))
    out = Path(__file__).parent/'results'/'robust.json'
    old = json.loads(out.read_text()) if out.exists() else {}
    out.write_text(json.dumps(old | {a.name or a.model.name: dict(model=a.model.name, n=len(df), **machine(), rows=test.round(3).to_dict('records'))}, indent=1).replace('NaN', 'null')+'\n')

if __name__=='__main__': main()
