"""Go on training from a model, on the same fold, with a smaller rate: what more epochs give, and another preparation.

    python benchmarks/longer.py PREPARED MODEL OUT [--epochs 8] [--rate 1e-3]    # MODEL: of `boneage train --fold 0`; writes the model folder OUT

PREPARED may be prepared otherwise than the films that MODEL has seen (`--fit hand`). An interrupted run goes on from its last epoch. The error of OUT is told by best.py."""
import argparse, json
from pathlib import Path
from fastai.vision.all import default_device, set_seed
from boneage_fastai.data import boneage_dls
from boneage_fastai.labels import grouped_folds, read_labels
from boneage_fastai.learner import fit_boneage, load_model, save_model

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for o in ('folder', 'model', 'out'): p.add_argument(o, type=Path)
    p.add_argument('--epochs', type=int, default=8)
    p.add_argument('--rate', type=float, default=1e-3)
    p.add_argument('--sizes', type=int, nargs='+', default=[128, 160])
    p.add_argument('--seed', type=int, default=0)
    p.add_argument('--device', default='cpu')
    a = p.parse_args()
    default_device(a.device=='cuda')
    set_seed(a.seed)
    df = read_labels(a.folder/'labels.csv', verbose=False)
    df = df[df.age_months.notna()].reset_index(drop=True)
    df['fold'] = grouped_folds(df, seed=42)
    learn,config = load_model(a.model, dls=boneage_dls(df, a.folder))
    a.out.mkdir(parents=True, exist_ok=True)
    fit_boneage(learn, a.epochs, lr=a.rate, sizes=a.sizes, checkpoint=a.out)
    save_model(learn, a.out, fold=0, epochs=config['epochs']+a.epochs, seed=a.seed)

if __name__=='__main__': main()
