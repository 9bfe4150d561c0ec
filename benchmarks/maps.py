"""Which map knows where the bone is that changes with age? Pointing game and mass on maturing bone, on phantoms, whose bones are known.

    python benchmarks/maps.py [--arch A] [--seeds 2] [--n 500] [--size 96] [--epochs 12]

Trains on phantoms and scores, on 128 that are new, every map of the trained network, of the same network with random weights, and of no network at all. `hit`: the
largest value lies on a centre with 0 < progress < 1, give or take 2 % of the side; `mass`: the part of the map that lies there. Only the map that scores best over the
networks is in the package; the formulas of the others stand here. Writes benchmarks/results/maps.json, a part for each network.
"""
import argparse, json, tempfile
from pathlib import Path
import numpy as np, pandas as pd, torch, torch.nn.functional as F
from fastai.vision.all import set_seed
from scipy import ndimage as ndi
from boneage_fastai.data import boneage_dls
from boneage_fastai.learner import boneage_learner, fit_boneage, test_data
from boneage_fastai.maps import _watch, gradient_map, map_layer, map_scores, maturing_mask, occlusion_map, randomised
from boneage_fastai.phantom import make_phantom_atlas
from boneage_fastai.prepare import prepare

OUT = Path(__file__).parent/'results'/'maps.json'
KEPT = 'Grad-CAM, stride 4 × HiRes-CAM, stride 16, either sign'
CAMS = {  # Of features a and slopes g, both (n, c, h, w)
    'Grad-CAM': lambda a, g: (a*g.mean((2, 3), keepdim=True)).sum(1).relu(),
    'Grad-CAM, either sign': lambda a, g: (a*g.mean((2, 3), keepdim=True)).sum(1).abs(),
    'Grad-CAM++': lambda a, g: (a*(g**2/(2*g**2+(a*g**3).sum((2, 3), keepdim=True)+1e-12)*g.relu()).sum((2, 3), keepdim=True)).sum(1).relu(),
    'HiRes-CAM': lambda a, g: (a*g).sum(1).relu(),
    'HiRes-CAM, either sign': lambda a, g: (a*g).sum(1).abs(),
    'Layer-CAM': lambda a, g: (a*g.relu()).sum(1).relu(),
    'Layer-CAM, either sign': lambda a, g: (a*g).abs().sum(1)}

def grown(m, size): return F.interpolate(m[:,None], size=(size, size), mode='bilinear', align_corners=False)[:,0]

def cams(model, x, sex):
    "Every CAM at every stride"
    for stride in (4, 8, 16, 32):
        seen = []
        with _watch(map_layer(model, x, stride), seen): months = model(x.clone().requires_grad_(), sex)
        a,(g,) = seen[0][1],torch.autograd.grad(months.sum(), seen[0][1])
        for name,f in CAMS.items(): yield f'{name}, stride {stride}', grown(f(a.detach(), g), x.shape[-1])

def slopes(model, x, sex):
    "Maps of the slope along the pixels"
    smooth = lambda o: ndi.gaussian_filter(o.numpy(), (0, 2, 2))
    def along(x):
        x = x.clone().requires_grad_()
        return torch.autograd.grad(model(x, sex).sum(), x)[0][:,0]
    yield 'input gradient, size, smoothed', smooth(along(x).abs())
    generator = torch.Generator().manual_seed(0)
    yield 'input gradient × input over 8 noisy copies, smoothed', smooth((sum(along(x+.1*torch.randn(x.shape, generator=generator)) for _ in range(8))*x[:,0]).abs())

def maps_of(model, x, sex):
    model = model.eval()
    yield KEPT, gradient_map(model, x, sex)
    yield from cams(model, x, sex)
    yield from slopes(model, x, sex)
    yield 'occlusion, an eighth of the side', occlusion_map(model, x, sex)

def without(x):
    "Maps that need no network"
    yield 'random map', grown(torch.rand(len(x), x.shape[-1]//8, x.shape[-1]//8, generator=torch.Generator().manual_seed(0)), x.shape[-1])
    yield 'edge detector (Sobel)', np.hypot(*(ndi.sobel(x[:,0].numpy(), a) for a in (1, 2)))
    yield 'the radiograph itself', x[:,0]

def run(tmp, seed, a):
    "Scores of one training: rows (map, network, hit, mass)"
    set_seed(seed)
    dls = boneage_dls(pd.read_csv(tmp/'train/labels.csv').assign(fold=lambda o: (o.index%10)), tmp/'train', bs=16)
    learn = boneage_learner(dls, a.arch, 'offline' if a.arch=='tf_efficientnet_lite0' else False)
    with learn.no_bar(), learn.no_logging(): fit_boneage(learn, a.epochs)
    df,marks = pd.read_csv(tmp/'new/labels.csv'),json.loads((tmp/'films/landmarks.json').read_text())
    x,sex,y = (o.as_subclass(torch.Tensor) for o in test_data(learn, df, tmp/'new').new(bs=len(df)).one_batch())
    masks = np.stack([maturing_mask(marks[str(Path(o).with_suffix('.jpg'))], a.size) for o in df.image])
    with torch.no_grad(): mae = (learn.model.eval()(x, sex)-y[:,None]).abs().mean().item()
    covers = masks[masks.any((1, 2))].mean()
    print(f'seed {seed}: MAE {mae:.1f} months on {len(df)} new phantoms; maturing bone covers {covers:.3f} of the square', flush=True)
    yield dict(mae=mae, covers=covers)
    score = lambda o: {k: np.nanmean(v) for k,v in map_scores(o, masks).items()}
    for which,model in (('trained', learn.model), ('random weights', randomised(learn.model, seed))):
        for name,o in maps_of(model, x, sex): yield dict(map=name, network=which, **score(o))
    for name,o in without(x): yield dict(map=name, network='none', **score(o))

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--arch', default='resnet10t')
    for name,value in dict(seeds=2, n=500, size=96, epochs=12).items(): p.add_argument(f'--{name}', type=int, default=value)
    a = p.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(tmp)
        make_phantom_atlas(tmp/'atlas', n=a.n, size=2*a.size)
        make_phantom_atlas(tmp/'films', n=128, size=2*a.size, seed=1)
        for name,source in (('train', 'atlas'), ('new', 'films')): prepare(tmp/source, tmp/name, size=a.size, verbose=False)
        df = pd.DataFrame([o for seed in range(a.seeds) for o in run(tmp, seed, a)])
    facts = dict(size=a.size, n=a.n, epochs=a.epochs, mae=df.mae.dropna().tolist(), covers=df.covers.mean())
    mean = df.dropna(subset='map').pivot_table(index='map', columns='network', values=['hit', 'mass'], sort=False)
    mean.columns = [f'{s}, {n}' for s,n in mean]
    mean = mean.sort_values('mass, trained', ascending=False).round(3)
    print(mean.to_string(na_rep=''))
    found = json.loads(OUT.read_text()) if OUT.exists() else {}
    OUT.write_text(json.dumps(found | {a.arch: facts | dict(rows=json.loads(mean.to_json(orient='index')))}, indent=1)+'\n')

if __name__=='__main__': main()
