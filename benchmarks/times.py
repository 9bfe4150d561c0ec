"""How long the steps of the README take here: `python benchmarks/times.py`.

Prints the median time of each step for one radiograph, and what that makes for the 1390 of the Digital Hand Atlas. Phantoms of the Atlas's
size stand in for its radiographs. With a GPU, training and prediction run on it."""
import statistics, tempfile, time
from pathlib import Path
import torch
from boneage_fastai.data import boneage_dls
from boneage_fastai.learner import boneage_learner
from boneage_fastai.phantom import make_phantom_atlas
from boneage_fastai.prepare import prepare
from machine import machine

ATLAS, N = 1390, 24

def median(f, times=3):
    "Median of the seconds that `f` takes, after one call that is not counted"
    f()
    def once():
        start = time.perf_counter()
        f()
        if torch.cuda.is_available(): torch.cuda.synchronize()
        return time.perf_counter()-start
    return statistics.median(once() for _ in range(times))

def step(learn, batch):
    "One training step, as fastai makes it"
    *x,y = batch
    loss = learn.loss_func(learn.model.train()(*x), y)
    loss.backward()
    learn.opt.step()
    learn.opt.zero_grad()

def main():
    print(machine('cuda' if torch.cuda.is_available() else 'cpu'))
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        df = make_phantom_atlas(folder/'atlas', n=N, size=2000)
        seconds = median(lambda: prepare(folder/'atlas', folder/'prepared', verbose=False))/N
        print(f'prepare at 928: {1000*seconds:.0f} ms a radiograph, {ATLAS*seconds:.0f} s for the Atlas')
        for arch,size,bs in [('resnet34', 928, 4), ('tf_efficientnet_lite0', 128, 64)]:
            dls = boneage_dls(df, folder/'prepared', size=size, bs=min(bs, 24), num_workers=0, fold=None)
            learn = boneage_learner(dls, arch, pretrained=False)
            learn.create_opt()
            batch = dls.one_batch()
            seconds = median(lambda: step(learn, batch))/len(batch[-1])
            print(f'training step, {arch} at {size}: {1000*seconds:.0f} ms a radiograph, {ATLAS*seconds/60:.1f} min an epoch of the Atlas')
            item = next((folder/'atlas').rglob('*.jpg'))
            with learn.no_bar(): print(f'learn.predict of an original, {arch} at {size}: {1000*median(lambda: learn.predict(item)):.0f} ms')

if __name__=='__main__': main()
