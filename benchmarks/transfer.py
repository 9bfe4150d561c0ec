"""From RSNA at 100 pixels to the Atlas: how the preparation decides.

    BONEAGE_RADIOGRAPHS=data python benchmarks/transfer.py [MODEL ...] [--ensemble MODEL ...] --labels PREPARED/labels.csv  # folders of `boneage train` on RSNA at 100 pixels; adds to benchmarks/results/transfer.csv and .json

Scores the labelled Atlas radiographs, brought to 100 pixels as the RSNA images were (squashed, nearest neighbour), averaged, and with their proportions kept (padded), then
prepared as the model's own radiographs were; each also with a linear recalibration, cross-validated. One view and four. The models may be trained one at a time and in
different places: what is kept of each is its reading of every radiograph. Scores each of them, and the mean of those that `--ensemble` names;
and the same in the steps of the readers whose labels the models learned from (`reader_median`)."""
import argparse, json, os
from pathlib import Path
import pandas as pd
from fastai.vision.all import ProgressCallback
from PIL import Image
from boneage_fastai.labels import read_labels
from boneage_fastai.learner import load_model
from boneage_fastai.radiograph import open_radiograph
from boneage_fastai.transfer import reader_median, recalibrate
from machine import machine

TABLE,FACTS = (Path(__file__).parent/'results'/f'transfer.{o}' for o in ('csv', 'json'))
WAYS = 'squashed, nearest','squashed, averaged','padded, nearest','padded, averaged'

def atlas():
    "The labelled radiographs of the Atlas: table and paths"
    data = Path(os.environ['BONEAGE_RADIOGRAPHS'])/'atlas'
    parts = [read_labels(data/f'{o}.csv', verbose=False) for o in ('originals', 'reduced')]
    df = pd.concat(parts, ignore_index=True)
    df = df[df.age_months.notna()].drop_duplicates('image').reset_index(drop=True)
    names = {o.stem: o for part in ('reduced', 'originals') for o in (data/part).rglob('*.jpg')}
    return df, [names[Path(o).stem] for o in df.image]

def brought(img, way):
    "A radiograph at 100 pixels"
    if way.startswith('padded'):
        square = Image.new('L', (max(img.size),)*2)
        square.paste(img, ((square.width-img.width)//2, (square.height-img.height)//2))
        img = square
    return img.resize((100, 100), Image.Resampling.NEAREST if way.endswith('nearest') else Image.Resampling.BOX)

def read(path, df, films):
    "The readings of one model: a column for each way and number of views"
    found = {}
    for n,views in ((1, False), (4, True)):
        learn = load_model(path, views=views)[0].remove_cb(ProgressCallback)
        for way in WAYS:
            rows = [dict(image=brought(o, way), sex=s) for o,s in zip(films, df.sex)]
            found[f'{path.name}: {way}, {n}'] = learn.get_preds(dl=learn.dls.test_dl(rows, bs=16, num_workers=0))[0].flatten().numpy().round(2)
    return found

def score(df, months, model, way, views, readers):
    t = recalibrate(df.assign(predicted=months, case_id=(df.case_id if 'case_id' in df else df.image).fillna(df.image).astype(str)))
    t['steps'] = reader_median(t.predicted, t.sex, readers)
    error = lambda o: float((t[o]-t.age_months).abs().mean())
    return dict(model=model, way=way, views=views, n=len(t), mae=error('predicted'), recalibrated=error('recalibrated'), steps=error('steps'),
        bias=float((t.predicted-t.age_months).mean()), median=float((t.age_months-t.age_months.median()).abs().mean()), **machine())

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('models', type=Path, nargs='*')
    p.add_argument('--ensemble', nargs='+', default=[], help='models that are there, to be averaged')
    p.add_argument('--labels', type=Path, required=True, help='what the models learned from')
    a = p.parse_args()
    readers = read_labels(a.labels, verbose=False)
    df,paths = atlas()
    found,old = pd.read_csv(TABLE) if TABLE.exists() else pd.DataFrame(index=df.index), json.loads(FACTS.read_text()) if FACTS.exists() else []
    films = [open_radiograph(o) for o in paths] if a.models else []
    for o in a.models: found = found.assign(**read(o, df, films))
    models = list(dict.fromkeys(o.split(': ')[0] for o in found))
    means = {o: [o] for o in models} | {'the mean of '+', '.join(some): some for some in [a.ensemble] if some}
    rows = [score(df, found[[f'{o}: {way}, {n}' for o in some]].mean(axis=1), name, way, n, readers) for name,some in means.items() for n in (1, 4) for way in WAYS
        if all(f'{o}: {way}, {n}' in found for o in some)]
    found.to_csv(TABLE, index=False)
    FACTS.write_text(json.dumps([o for o in old if o['model'] not in means]+rows, indent=1)+'\n')
    print(pd.DataFrame(rows).set_index(['model', 'views', 'way']).mae.unstack().round(2).to_string())

if __name__=='__main__': main()
