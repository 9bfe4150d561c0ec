"""What is said of the worst predictions of a model on radiographs from elsewhere: the section on real hands of nbs/tutorials/worst.ipynb.

    boneage evaluate MODEL ELSEWHERE --out report            # the pictures; look at them yourself
    python benchmarks/worst.py MODEL TRAINED_ON ELSEWHERE [ORIGINALS ...] [--k 12]

MODEL is a model folder, TRAINED_ON the prepared folder that it learned from, ELSEWHERE another one. ORIGINALS are folders that hold the films before they were prepared,
by the same names: they are what is reviewed. Prints one row a radiograph, and how often each finding is made among the best half as well, where it explains nothing.
"""
import argparse
from pathlib import Path
import pandas as pd
from boneage_fastai.explain import FINDINGS
from boneage_fastai.interpret import AgeInterpretation
from boneage_fastai.labels import read_labels
from boneage_fastai.learner import load_model, test_data, unseen
from boneage_fastai.neighbours import Neighbours

def original(folders, image):
    "The film before it was prepared, if it is in one of the folders"
    return next((o for f in folders for o in sorted(Path(f).glob(f'{Path(image).stem}.*'))), None)

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for o in ('model', 'trained_on', 'elsewhere'): p.add_argument(o, type=Path)
    p.add_argument('originals', nargs='*', type=Path)
    p.add_argument('--k', type=int, default=12)
    a = p.parse_args()
    learn,config = load_model(a.model)
    known,new = (read_labels(o/'labels.csv', verbose=False) for o in (a.trained_on, a.elsewhere))
    fresh = unseen(known, a.trained_on, config)
    with learn.no_bar():
        near = Neighbours(learn, test_data(learn, known[known.image.isin(fresh.index[~fresh])], a.trained_on), cache=a.model/'neighbours.npz')
        interp = AgeInterpretation.from_learner(learn, dl=test_data(learn, new, a.elsewhere))
    s = interp.summary()
    print(f"{s['n']} radiographs: MAE {s['mae']:.1f}, bias {s['bias']:+.1f}; compared with {len(near.items)} that the model learned from")
    order = interp.worst(s['n']).index
    def row(i):
        e = interp.explain(int(i), near, film=original(a.originals, interp.table().image[i]))
        found = dict(zip(e.table.what, e.table.found))
        few = found['training radiographs of this sex and age'].split()[0]
        return dict(image=e.row.image, sex=e.row.sex, label=e.row.actual, error=e.row.error, neighbours=e.neighbours.age_months.median(), few=few,
            views=f'{e.views.min():.0f}–{e.views.max():.0f}', verdict=e.verdict, film=found['review of the film'], causes=e.causes)
    rows = pd.DataFrame([row(i) for i in order])
    pd.set_option('display.width', 220, 'display.max_colwidth', 70)
    print(rows.head(a.k).drop(columns='causes').round(0).to_string(index=False))
    half = len(rows)//2
    share = {text: [rows.causes[part].map(lambda o: key in o).mean() for part in (slice(0, a.k), slice(half, None))] for key,text in FINDINGS.items()}
    print(pd.DataFrame(share, index=[f'the {a.k} worst', 'the better half']).mul(100).round(0).to_string())

if __name__=='__main__': main()
