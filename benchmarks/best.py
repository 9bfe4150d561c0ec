"""The best reading of the held-out fold: several models, each in four views, averaged.

    python benchmarks/best.py PREPARED [MODEL ...] [--ensemble MODEL ...]   # folders of `boneage train --fold 0`; adds to benchmarks/results/best.csv and best.json

The models may be trained one at a time and in different places: what is kept of each is its reading of every radiograph of the fold, in one view and in four, in the order of the table.
A model that has seen one of them, by case or by file, is refused. Prints the models that are there, and the error of their mean as they are added; `--ensemble` names some of them
that are averaged without the others, beside it the same in the steps of the readers (`reader_median`, from the labels of the other folds). A standard error is one over the radiographs."""
import argparse, hashlib, json
from pathlib import Path
import pandas as pd
from fastai.vision.all import ProgressCallback
from boneage_fastai.labels import grouped_folds, read_labels
from boneage_fastai.learner import load_model, test_data, unseen
from boneage_fastai.transfer import reader_median
from machine import machine

TABLE,FACTS = (Path(__file__).parent/'results'/f'best.{o}' for o in ('csv', 'json'))

def read(path, df, folder, views):
    learn = load_model(path, views=views)[0].remove_cb(ProgressCallback)
    return learn.get_preds(dl=test_data(learn, df, folder))[0].flatten().numpy().round(2)

def held_out(folder):
    "The radiographs of fold 0, and what tells whether they are the same"
    df = read_labels(folder/'labels.csv', verbose=False)
    df = df[df.age_months.notna()].reset_index(drop=True)
    df = df[grouped_folds(df, seed=42)==0].reset_index(drop=True)
    return df, hashlib.sha256('\n'.join(df.image).encode()).hexdigest()

def add(found, path, df, folder):
    "The readings of one more model, and its settings"
    config = json.loads((path/'config.json').read_text())
    seen = ~unseen(df, folder, config)
    if seen.any(): raise SystemExit(f'{path}: {seen.sum()} of {len(df)} radiographs were trained on')
    for n,views in ((1, False), (4, True)): found[f'{path.name} {n}'] = read(path, df, folder, views)
    head = 'distribution' if hasattr(load_model(path)[0].model[1], 'distribution') else 'regression'
    return {k: config[k] for k in ('arch', 'epochs', 'seed', 'reads_at', 'n_train')} | dict(head=head, **machine())

def scores(found, models, ages):
    "MAE of each model in one view and in four, and of the mean of the four views of all up to it"
    mae = lambda o: float((o-ages).abs().mean())
    names = list(models)
    return {m: models[m] | dict(one_view=mae(found[f'{m} 1']), four_views=mae(found[f'{m} 4']), ensemble=mae(found[[f'{o} 4' for o in names[:i]]].mean(axis=1)))
        for i,m in enumerate(names, 1)}

def together(found, models, df, rest):
    "MAE of the mean of some models, with one and with four views, and in the steps of the readers"
    one,four = (found[[f'{o} {n}' for o in models]].mean(axis=1) for n in (1, 4))
    ways = dict(one_view=one, four_views=four, steps=reader_median(four, df.sex, rest))
    off = {k: (o-df.age_months).abs() for k,o in ways.items()}
    scores = {k: float(o.mean()) for k,o in off.items()} | {f'{k}_rmse': float((o**2).mean()**.5) for k,o in off.items()}
    return dict(models=models, **scores, error=float(off['four_views'].sem()), gain_error=float((off['four_views']-off['steps']).sem()))

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('folder', type=Path)
    p.add_argument('models', type=Path, nargs='*')
    p.add_argument('--ensemble', nargs='+', default=[], help='models that are there, to be averaged')
    a = p.parse_args()
    found,facts = (pd.read_csv(TABLE), json.loads(FACTS.read_text())) if TABLE.exists() else (pd.DataFrame(), {})
    df,fold = held_out(a.folder)
    if facts and facts['fold']!=fold: raise SystemExit(f'{a.folder}: another fold than that of {TABLE.name}')
    models = facts.get('models', {})
    for o in a.models: models[o.name] = add(found, o, df, a.folder)
    models = scores(found, models, df.age_months)
    found.to_csv(TABLE, index=False)
    some = facts.get('ensembles', []) + [dict(models=a.ensemble)]*bool(a.ensemble)
    rest = read_labels(a.folder/'labels.csv', verbose=False)
    rest = rest[~rest.image.isin(df.image)]
    some = [together(found, list(o), df, rest) for o in dict.fromkeys(tuple(o['models']) for o in some)]
    FACTS.write_text(json.dumps(dict(fold=fold, n=len(df), models=models, ensembles=some), indent=1)+'\n')
    print(pd.DataFrame(models).T.to_string())
    for o in some: print(f"{o['four_views']:.2f} ± {o['error']:.2f} ({o['one_view']:.2f} in one view, {o['steps']:.2f} in steps): the mean of {', '.join(o['models'])}")

if __name__=='__main__': main()
