"""The tables of `nbs/explanations/accuracy.ipynb`, out of the files in benchmarks/results; a test holds the page against them.

    python benchmarks/tables.py"""
import json
from pathlib import Path
import pandas as pd

RESULTS = Path(__file__).parent/'results'

def read(name): return json.loads((RESULTS/f'{name}.json').read_text())

def table(head, rows):
    "Lines of a table in Markdown"
    return [f"| {' | '.join(o)} |" for o in (head, ['---']*len(head), *rows)]

def default_recipe():
    "The reference against the default recipe, seed by seed"
    plain = sorted((json.loads(o.read_text()) for o in RESULTS.glob('plain_torch_*.json')), key=lambda o: o['seed'])
    ours = [o for o in read('best') if o['default']]
    rows = [(str(i+1), f"{a['mae']:.2f}", f"{b['one_view']:.2f}", f"{a['mae']-b['one_view']:.2f}", f"{b['four_views']:.2f}") for i,(a,b) in enumerate(zip(plain, ours))]
    mean = lambda i: f'**{sum(float(o[i]) for o in rows)/len(rows):.2f}**'
    return table(('training', '`plain_torch.py`', 'default recipe', 'better by', 'four views'), rows+[('**mean**', *map(mean, range(1, 5)))])

def best():
    "What one more model gives"
    rows = [(f"`{o['arch']}`, {o['epochs']} epochs to {o['reads_at']} pixels", f"{o['one_view']:.2f}", f"{o['four_views']:.2f}", f"{o['ensemble']:.2f}") for o in read('best')]
    return table(('model', 'one view', 'four views', 'mean with those above'), rows)

def ablation():
    "Each part of the recipe left out or exchanged"
    df = pd.DataFrame([json.loads(o) for o in (RESULTS/'ablation.jsonl').read_text().splitlines()])
    by,base = df.groupby('name', sort=False).mae.mean(),df[df.name=='default'].mae
    rows = [('default', f'{base.mean():.2f} ± {base.std():.2f}', '')] + [(k, f'{v:.2f}', f'{v-base.mean():+.2f}') for k,v in by.items() if k!='default']
    d = df[df.name=='default']
    both = sum(pd.Series(o) for o in d.preds)/len(d)
    rows += [('four views', f'{d.views.mean():.2f}', f'{d.views.mean()-base.mean():+.2f}')]
    rows += [(f'mean of {len(d)} trainings', f'{(both-pd.Series(d.truth.iloc[0])).abs().mean():.2f}', f'{(both-pd.Series(d.truth.iloc[0])).abs().mean()-base.mean():+.2f}')]
    return table(('recipe', 'MAE', 'difference'), rows)

def transfer():
    "RSNA's model on the Atlas, by preparation"
    rows = [(o['way'], str(o['views']), f"{o['mae']:.2f}", f"{o['bias']:+.1f}", f"{o['recalibrated']:.2f}") for o in read('transfer')]
    return table(('brought to 100 pixels', 'views', 'MAE', 'bias', 'recalibrated'), rows)

def robust():
    "Changed films"
    name = lambda o: 'as it is' if o['level']==0 or o['change']=='none' else o['change'] if o['change'] in ('flip', 'inversion', 'sex unknown') else f"{o['change']} {o['level']:g}"
    rows = [(name(o), f"{o['mae']:.2f}", f"{o['moves']:+.2f}") for o in next(iter(read('robust').values()))['rows']]
    return table(('film', 'MAE', 'moves by'), rows)

TABLES = default_recipe, best, ablation, transfer, robust

if __name__=='__main__':
    for f in TABLES: print(f'{f.__doc__}\n', *f(), '', sep='\n')
