"""What each part of the recipe gives: one resumable script; every finished run is a line of benchmarks/results/ablation.jsonl and is not run again.

    python benchmarks/ablation.py PREPARED                       # CPU: one seed (of the default three), 4 epochs, 3000 films
    python benchmarks/ablation.py PREPARED --device cuda --full  # GPU: three seeds, 12 epochs, all films
    python benchmarks/ablation.py --table                        # the table of what is there

PREPARED is RSNA at 128 pixels, as a bank. The default reads at 96, 128, then 160 of them; `160 pixels` at one size throughout. MAE in months on fold 0, one view, unless the row says otherwise. The ensemble is the mean of the default's seeds."""
import argparse, json, time
from pathlib import Path
import pandas as pd, torch
from scipy.stats import spearmanr
from fastai.vision.all import ProgressCallback, default_device, set_seed
from boneage_fastai.data import boneage_dls
from boneage_fastai.labels import grouped_folds, read_labels
from boneage_fastai.learner import boneage_learner, ensemble, fit_boneage, mae
from boneage_fastai.ensemble import VIEWS
from boneage_fastai.model import note_spread
from boneage_fastai.operators import AtlasAugment, move
from machine import machine

OUT = Path(__file__).parent/'results'/'ablation.jsonl'
BASE = dict(pretrained='offline', sex=True, loss='l1', head='regression', augs=True, ema=.05, freeze_epochs=0, balance=.5, sizes=None, bs=32)
GRID = {'default': {}, 'random weights': dict(pretrained=False), 'no sex': dict(sex=False), 'squared error': dict(loss='l2'), 'smooth L1 (12 months)': dict(loss='smooth'),
    'distribution head': dict(head='distribution'), 'no augmentation': dict(augs=False), 'geometry only': dict(augs='geometry'), 'no weight average': dict(ema=0),
    'one frozen epoch': dict(freeze_epochs=1), 'ages as they come': dict(balance=0.), 'batches of 64': dict(bs=64), **{f'{o} pixels': dict(sizes=[o]) for o in (96, 128, 160, 192)}}

def loss_of(name):
    if name=='l1': return None
    return torch.nn.MSELoss() if name=='l2' else torch.nn.SmoothL1Loss(beta=12.)

class Flat:
    "A torch loss for predictions of shape (n, 1) and targets of shape (n,)"
    def __init__(self, loss): self.loss = loss
    def __call__(self, preds, targs): return self.loss(preds.flatten(), targs.flatten().as_subclass(torch.Tensor))

def spread(learn, preds, truth):
    "How well a reading's own spread ranks the errors (Spearman's correlation), by the bins of the head or by the four views"
    model,out = learn.model.eval(),[]
    for x,sex,_ in learn.dls.valid:
        with torch.no_grad(), note_spread(model) as own: views = torch.cat([model(move(x, turn, mirror=float(flip)), sex) for turn,flip in VIEWS], 1)
        out.append(own[0] if own else views.std(1))
    return float(spearmanr(torch.cat(out).cpu(), (preds.flatten()-truth).abs()).statistic)

def run(df, folder, name, seed, a):
    o = BASE | GRID[name]
    set_seed(seed)
    augs = [AtlasAugment(gamma=0, contrast=0, brightness=0, invert=0, blur=0, grain=0)] if o['augs']=='geometry' else o['augs']
    dls = boneage_dls(df, folder, bs=o['bs'], sex=o['sex'], augs=augs)
    loss = loss_of(o['loss'])
    learn = boneage_learner(dls, 'tf_efficientnet_lite0', o['pretrained'], sex=o['sex'], head=o['head'], loss_func=loss and Flat(loss)).remove_cb(ProgressCallback)
    start = time.time()
    with learn.no_logging(): fit_boneage(learn, a.epochs, freeze_epochs=o['freeze_epochs'], sizes=o['sizes'], ema=o['ema'], balance=o['balance'])
    preds,truth = learn.get_preds()
    found = dict(mae=mae(preds, truth), seconds=round(time.time()-start))
    if name in ('default', 'distribution head'): found['spread'] = spread(learn, preds, truth)
    if name=='default':
        before = [torch.tensor(o['preds']) for o in lines() if (o['name'], o['epochs'], o['n'])==(name, a.epochs, len(dls.train_ds))]
        all_ = torch.stack(before+[preds.flatten()])
        found |= dict(views=mae(ensemble([learn], views=True).get_preds()[0], truth), members=len(all_), ensemble=mae(all_.mean(0), truth))
        found['preds'] = [round(o, 2) for o in preds.flatten().tolist()]
    return found

def lines(): return [json.loads(o) for o in OUT.read_text().splitlines()] if OUT.exists() else []

def table():
    "MAE of each row: mean and standard deviation over seeds"
    df = pd.DataFrame(lines())
    if not len(df): return df
    rows = df.groupby(['name', 'epochs', 'n'], sort=False).mae.agg(['mean', 'std', 'count']).reset_index()
    for (epochs,n),g in df[df.name=='default'].groupby(['epochs', 'n']):
        last = g.loc[g.members.idxmax()]
        more = [('default, four views', g.views.mean(), g.views.std(), len(g)), (f'ensemble of {last.members:.0f}', last.ensemble, float('nan'), len(g))]
        rows = pd.concat([rows, pd.DataFrame([dict(name=o[0], epochs=epochs, n=n, mean=o[1], std=o[2], count=o[3]) for o in more])], ignore_index=True)
    return rows.round(2)

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('folder', type=Path, nargs='?')
    p.add_argument('--device', default='cpu')
    p.add_argument('--full', action='store_true')
    p.add_argument('--table', action='store_true')
    p.add_argument('--only', help='one row of the grid')
    a = p.parse_args()
    if a.table: return print(table().to_string(index=False))
    a.epochs,a.seeds,n = (12, 3, None) if a.full else (4, 1, 3000)
    default_device(a.device=='cuda')
    df = read_labels(a.folder/'labels.csv', verbose=False)
    df = df[df.age_months.notna()].reset_index(drop=True)
    df['fold'] = grouped_folds(df, seed=42)
    if n and n<(df.fold!=0).sum(): df = pd.concat([df[df.fold==0], df[df.fold!=0].sample(n, random_state=0)], ignore_index=True)
    key = lambda o: (o['name'], o['seed'], o['epochs'], o['n'])
    for name in [a.only] if a.only else GRID:
        for seed in range(3 if name=='default' else a.seeds):
            me = dict(name=name, seed=seed, epochs=a.epochs, n=int((df.fold!=0).sum()))
            if key(me) in map(key, lines()): continue
            found = me | machine(a.device) | run(df, a.folder, name, seed, a)
            with open(OUT, 'a') as f: f.write(json.dumps(found)+'\n')
            print(f"{name}, seed {seed}: MAE {found['mae']:.2f}, {found['seconds']} s", flush=True)
    print(table().to_string(index=False))

if __name__=='__main__': main()
