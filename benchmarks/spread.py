"""Does a network know when it is wrong? The spread of its answer beside its error, on the held-out fold.

    python benchmarks/spread.py MODEL PREPARED            # MODEL trained with --head distribution; writes benchmarks/results/spread.json

Two spreads: the standard deviation of the ages that the head holds possible, from one pass, and that of the answers to four views. By each the fold is sorted and cut in quarters."""
import argparse, json
from pathlib import Path
import numpy as np, torch
from scipy.stats import spearmanr
from best import held_out
from boneage_fastai.ensemble import VIEWS
from boneage_fastai.learner import load_model, test_data, unseen
from boneage_fastai.model import note_spread
from boneage_fastai.operators import move
from machine import machine

def read(model, dl):
    "Of every radiograph: error, standard deviation of the distribution and of the views, in months"
    found = []
    for x,sex,y in dl:
        with note_spread(model) as spread: said = model(x, sex).flatten()
        views = torch.cat([model(move(x, turn, mirror=float(flip)), sex) for turn,flip in VIEWS], 1)
        found.append(torch.stack([said-y, spread[0], views.std(1)]).as_subclass(torch.Tensor))
    return torch.cat(found, 1).numpy()

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for o in ('model', 'folder'): p.add_argument(o, type=Path)
    a = p.parse_args()
    learn,config = load_model(a.model)
    df,_ = held_out(a.folder)
    if not unseen(df, a.folder, config).all(): raise SystemExit(f'{a.model} was trained on radiographs of the fold')
    with torch.no_grad(): error,own,views = read(learn.model.eval(), test_data(learn, df, a.folder))
    quarters = lambda by: [float(np.abs(error[o]).mean()) for o in np.array_split(by.argsort(), 4)]
    found = {name: dict(rank=float(spearmanr(by, np.abs(error)).statistic), quarters=quarters(by)) for name,by in (('distribution', own), ('four views', views))}
    found |= dict(n=len(df), mae=float(np.abs(error).mean()), within_1_sd=float((np.abs(error)<own).mean()), within_2_sd=float((np.abs(error)<2*own).mean()))
    print(json.dumps(found, indent=1))
    (Path(__file__).parent/'results'/'spread.json').write_text(json.dumps(found | machine(), indent=1)+'\n')

if __name__=='__main__': main()
