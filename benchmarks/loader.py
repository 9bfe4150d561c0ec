"""Grey radiographs of 928 pixels delivered per second: the bank, and the usual fastai pipeline, in one run.

    python benchmarks/loader.py                  # phantoms; CPU
    python benchmarks/loader.py --device cuda

The usual pipeline opens an original and resizes it in `item_tfms`, in the main process or in two workers. Medians of the rounds, which alternate. Batches of floats in 0–1 as the
network takes them; the bank's bytes before that step too. `a core`: by CPU time of this process on one thread, which other users of a shared machine do not change."""
import argparse, json, statistics, tempfile, time
from pathlib import Path
import numpy as np, pandas as pd, torch
from fastai.vision.all import DataBlock, ImageBlock, PILImageBW, RegressionBlock, Resize, ResizeMethod, ColReader, default_device
from boneage_fastai.bank import open_bank
from boneage_fastai.data import boneage_dls
from boneage_fastai.learner import _keep_memory
from boneage_fastai.phantom import make_phantom_atlas
from boneage_fastai.prepare import prepare
from machine import machine

def usual(df, folder, device, workers):
    block = DataBlock((ImageBlock(PILImageBW), RegressionBlock()), get_x=ColReader('image', pref=f'{folder}/'), get_y=ColReader('age_months'),
        item_tfms=Resize(928, ResizeMethod.Pad, pad_mode='zeros'))
    return block.dataloaders(df, bs=8, num_workers=workers, device=device)[0]

def rate(dl, device, raw=False):
    "Radiographs per second of wall time and of CPU time"
    wall,cpu,n = time.perf_counter(),time.process_time(),0
    if raw:
        order = torch.randperm(len(raw)).repeat(8)
        for i in order.split(dl.bs): n += len(raw.batch(i))
    else:
        for b in dl: n += len(b[0])
    if device=='cuda': torch.cuda.synchronize()
    return n/(time.perf_counter()-wall), n/(time.process_time()-cpu)

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--device', default='cpu')
    p.add_argument('--n', type=int, default=64, help='phantoms; the bank repeats them eight times')
    p.add_argument('--rounds', type=int, default=4)
    a = p.parse_args()
    default_device(a.device=='cuda')
    torch.set_num_threads(1)
    _keep_memory()
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp)
        df = make_phantom_atlas(tmp/'atlas', n=a.n, size=2000)
        bank = prepare(tmp/'atlas', tmp/'bank', format='bank', verbose=False)
        many = pd.concat([bank]*8, ignore_index=True).assign(case_id=[str(i) for i in range(8*a.n)])
        ours = boneage_dls(many, tmp/'bank', bs=8, fold=None, augs=False, sex=False)[0]
        ours.one_batch()
        raw = open_bank(tmp/'bank', 928, ours.device)
        ways = {'usual, 0 workers': usual(df, tmp/'atlas', a.device, 0), 'usual, 2 workers': usual(df, tmp/'atlas', a.device, 2), 'bank': ours}
        rounds = [{name: rate(dl, a.device) for name,dl in ways.items()} | {'bank, bytes': rate(ours, a.device, raw)} for _ in range(a.rounds)]
        middle = {k: np.median([o[k] for o in rounds], axis=0) for k in rounds[0]}
        ratio = statistics.median(o['bank'][0]/max(o['usual, 0 workers'][0], o['usual, 2 workers'][0]) for o in rounds)
    place = raw.place
    where = machine(a.device)
    print(f'{where}; bank in {place}; grey radiographs of 928 pixels a second')
    for k,(wall,cpu) in middle.items(): print(f'{k:18} {wall:8.0f}   {"" if "2" in k else f"{cpu:8.0f} a core"}')
    print(f'bank: {ratio:.1f} × the better usual one')
    rates = {k: dict(wall=round(w)) | ({} if '2' in k else dict(core=round(c))) for k,(w,c) in middle.items()}
    found = dict(**where, place=place, rates=rates, ratio=round(ratio, 1))
    (Path(__file__).parent/'results'/f'loader_{a.device}.json').write_text(json.dumps(found, indent=1)+'\n')

if __name__=='__main__': main()
