"""From RSNA at 100 pixels to the Atlas: how the preparation decides.

    BONEAGE_RADIOGRAPHS=data python benchmarks/transfer.py MODEL [MODEL ...]  # of `boneage train` on RSNA at 100 pixels; several answer with their mean

Scores the labelled Atlas radiographs, brought to 100 pixels as the RSNA images were (squashed, nearest neighbour) and properly (squashed, averaged; and padded), then
prepared as the model's own radiographs were; each also with a linear recalibration, cross-validated. One view and four. Writes benchmarks/results/transfer.json."""
import argparse, json, os
from pathlib import Path
import pandas as pd
from fastai.vision.all import ProgressCallback
from PIL import Image
from boneage_fastai.labels import read_labels
from boneage_fastai.learner import ensemble, load_model
from boneage_fastai.radiograph import open_radiograph
from boneage_fastai.transfer import recalibrate

WAYS = 'squashed, nearest','squashed, averaged','padded, averaged'

def atlas():
    "The labelled radiographs of the Atlas: table and opened films"
    data = Path(os.environ['BONEAGE_RADIOGRAPHS'])/'atlas'
    parts = [read_labels(data/f'{o}.csv', verbose=False) for o in ('originals', 'reduced')]
    df = pd.concat(parts, ignore_index=True)
    df = df[df.age_months.notna()].drop_duplicates('image').reset_index(drop=True)
    names = {o.stem: o for part in ('reduced', 'originals') for o in (data/part).rglob('*.jpg')}
    return df, [open_radiograph(names[Path(o).stem]) for o in df.image]

def brought(img, way):
    "A radiograph at 100 pixels"
    if way=='padded, averaged':
        square = Image.new('L', (max(img.size),)*2)
        square.paste(img, ((square.width-img.width)//2, (square.height-img.height)//2))
        img = square
    return img.resize((100, 100), Image.Resampling.NEAREST if way=='squashed, nearest' else Image.Resampling.BOX)

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('models', type=Path, nargs='+')
    p.add_argument('--name', default='', help='what to call it in the results')
    a = p.parse_args()
    (df,films),found = atlas(),[]
    case = df.case_id if 'case_id' in df else df.image
    for views in False,True:
        learners,configs = zip(*map(load_model, a.models))
        learn = ensemble(learners, views=views).remove_cb(ProgressCallback)
        size = configs[0]['size']
        for way in WAYS:
            rows = [dict(image=brought(o, way), sex=s) for o,s in zip(films, df.sex)]
            months = learn.get_preds(dl=learn.dls.test_dl(rows, bs=16, num_workers=0))[0].flatten().numpy()
            t = recalibrate(df.assign(predicted=months, case_id=case.fillna(df.image).astype(str)))
            error = lambda o: float((t[o]-t.age_months).abs().mean())
            found.append(dict(model=a.name or a.models[0].name, size=size, way=way, views=4 if views else 1, n=len(t), mae=error('predicted'), recalibrated=error('recalibrated'),
                bias=float((t.predicted-t.age_months).mean()), median=float((t.age_months-t.age_months.median()).abs().mean())))
            print({k: round(v, 2) if isinstance(v, float) else v for k,v in found[-1].items()}, flush=True)
    out = Path(__file__).parent/'results'/'transfer.json'
    old = [o for o in json.loads(out.read_text()) if o['model']!=found[0]['model']] if out.exists() else []
    out.write_text(json.dumps(old+found, indent=1)+'\n')

if __name__=='__main__': main()
