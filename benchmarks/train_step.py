"""Real training against its ceiling: the same model stepping on one fixed batch that is on the device already, in one run.

    python benchmarks/train_step.py                          # CPU: lite0 at 128, resnet18 at 928
    python benchmarks/train_step.py --device cuda            # GPU: resnet34, convnext_tiny, tf_efficientnetv2_s at 928
    python benchmarks/train_step.py [--device cuda] --usual  # and the usual fastai recipe beside the first at 928: fp32, RGB, Resize(928) of originals

Phantoms; random weights. Augmentation, bookkeeping and the optimiser's step are included in ours; the ceiling is forward, backward and step with the same
precision and optimiser. The two take turns; the median of their ratios is given. On a GPU also: waits for the device per step, peak memory per film, and what that makes for a 16 GB card."""
import argparse, json, statistics, tempfile, time, warnings
from pathlib import Path
import pandas as pd, torch
from fastai.vision.all import ColReader, DataBlock, ImageBlock, L1LossFlat, RegressionBlock, Resize, aug_transforms, default_device, vision_learner
from boneage_fastai.data import boneage_dls
from boneage_fastai.hardware import PRECISIONS, best_precision, film_memory
from boneage_fastai.learner import boneage_learner
from boneage_fastai.phantom import make_phantom_atlas
from boneage_fastai.prepare import prepare
from machine import machine

def wait(device):
    if device=='cuda': torch.cuda.synchronize()

def ceiling(learn, batch, steps, device, kind):
    "Films a second of steps on one fixed batch"
    *x,y = batch
    def step():
        with torch.autocast(device, PRECISIONS[kind] if kind!='fp32' else None, enabled=kind!='fp32'): loss = learn.loss_func(learn.model(*x), y)
        loss.backward()
        learn.opt.step()
        learn.opt.zero_grad()
    learn.model.train()
    wait(device)
    start = time.perf_counter()
    for _ in range(steps): step()
    wait(device)
    return steps*len(y)/(time.perf_counter()-start)

def training(learn, device):
    "Films a second of one epoch as fastai runs it, without validation"
    wait(device)
    start = time.perf_counter()
    learn.fit(1, 1e-4)
    wait(device)
    return len(learn.dls.train)*learn.dls.train.bs/(time.perf_counter()-start)

def waits(learn):
    "Times per step that Python waits for the GPU"
    torch.cuda.set_sync_debug_mode('warn')
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        learn.fit(1, 1e-4)
    torch.cuda.set_sync_debug_mode('default')
    return sum('synchroniz' in str(o.message) for o in said)/len(learn.dls.train)

def measure(df, folder, arch, size, bs, steps, a):
    rows = pd.concat([df]*(-(-bs*steps//len(df))), ignore_index=True)[:bs*steps].assign(case_id=[str(i) for i in range(bs*steps)])
    dls = boneage_dls(rows, folder, size=size, bs=bs, fold=None)
    learn = boneage_learner(dls, arch, pretrained=False)
    learn.remove_cb(learn.progress)
    learn.create_opt()
    kind,batch = best_precision(a.device),[o.as_subclass(torch.Tensor) for o in dls.one_batch()]
    with learn.no_logging():
        for _ in range(2 if a.device=='cuda' else 1): training(learn, a.device), ceiling(learn, batch, 3, a.device, kind)
        if a.device=='cuda': torch.cuda.reset_peak_memory_stats()
        base = torch.cuda.memory_allocated() if a.device=='cuda' else 0
        pairs = [(training(learn, a.device), ceiling(learn, batch, steps, a.device, kind)) for _ in range(a.rounds)]
        found = dict(**machine(a.device), arch=arch, size=size, bs=bs, precision=kind, films=statistics.median(o for o,_ in pairs),
            share=statistics.median(100*o/c for o,c in pairs), saved_mb=film_memory(learn.model, size, kind)/1e6)
        if a.device=='cuda':
            each = (torch.cuda.max_memory_allocated()-base)/bs
            found |= dict(peak_mb=each/1e6, largest_on_16gb=int((14e9-1.2e9-base)/each), waits=waits(learn))
    return found

def usual(df, folder, arch, bs, steps, a):
    "Films a second of the usual recipe"
    rows = pd.concat([df]*(-(-bs*steps//len(df))), ignore_index=True)[:bs*steps]
    block = DataBlock((ImageBlock, RegressionBlock), get_x=ColReader('image', pref=f'{folder}/'), get_y=ColReader('age_months'),
        splitter=lambda o: (list(range(len(o))), [0]), item_tfms=Resize(928), batch_tfms=aug_transforms())
    learn = vision_learner(block.dataloaders(rows, bs=bs), arch, pretrained=False, loss_func=L1LossFlat(), n_out=1)
    with learn.no_bar(), learn.no_logging(): return max(training(learn, a.device) for _ in range(2))

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--device', default='cpu')
    p.add_argument('--usual', action='store_true')
    p.add_argument('--rounds', type=int, default=5)
    p.add_argument('--arch', help='one network of the plan')
    p.add_argument('--n', type=int, default=64, help='phantoms')
    a = p.parse_args()
    default_device(a.device=='cuda')
    where = machine(a.device)
    plan = [('resnet34', 928, 16, 30), ('convnext_tiny', 928, 8, 30), ('tf_efficientnetv2_s', 928, 8, 30)] if a.device=='cuda' else [
        ('tf_efficientnet_lite0', 128, 64, 4), ('resnet18', 928, 4, 3)]
    out = Path(__file__).parent/'results'/f'train_step_{a.device}.json'
    print(where)
    with tempfile.TemporaryDirectory() as tmp:
        tmp,found = Path(tmp),[]
        df = make_phantom_atlas(tmp/'atlas', n=a.n, size=2000 if a.usual else 1000)
        bank = prepare(tmp/'atlas', tmp/'bank', format='bank', verbose=False)
        for arch,size,bs,steps in [o for o in plan if a.arch in (None, o[0])]:
            found.append(measure(bank, tmp/'bank', arch, size, bs, steps, a))
            print({k: round(v, 1) if isinstance(v, float) else v for k,v in found[-1].items()}, flush=True)
            if a.usual and arch.startswith('resnet'):
                found[-1]['usual'] = usual(df, tmp/'atlas', arch, bs, steps, a)
                print(f"usual fastai recipe: {found[-1]['usual']:.1f} films a second, ours {found[-1]['films']/found[-1]['usual']:.1f} × that")
            old = json.loads(out.read_text()) if out.exists() else {}
            kept = [o for o in old.get('runs', []) if o.get('device')==where['device'] and o['arch'] not in [f['arch'] for f in found]]
            out.write_text(json.dumps(dict(runs=kept+found), indent=1)+'\n')

if __name__=='__main__': main()
