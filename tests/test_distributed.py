"Two processes on the CPU average their gradients to what one process finds on both batches at once"
import os, socket, subprocess, sys, time
import pandas as pd, pytest, torch
from boneage_fastai.phantom import make_phantom_atlas
from boneage_fastai.prepare import prepare

pytest.importorskip('accelerate')

SCRIPT = """
import random, sys, numpy as np, pandas as pd, torch
from fastai.vision.all import Callback, CancelFitException, set_seed
from boneage_fastai.data import boneage_dls
from boneage_fastai.distributed import together
from boneage_fastai.labels import read_labels
from boneage_fastai.learner import boneage_learner
from fastai.torch_core import get_model, rank_distrib

folder,bs,out = sys.argv[1],int(sys.argv[2]),sys.argv[3]
set_seed(1)
df = read_labels(folder+'/labels.csv', verbose=False)
dls = boneage_dls(df, folder, bs=bs, fold=None, augs=False, device='cpu')
dls.train.shuffle_fn = lambda idxs: idxs
learn = boneage_learner(dls, 'convnext_atto', pretrained=False)
learn.model[1].sex_dropout,learn.model[1].layers[2].p = 0., 0.
learn.remove_cbs([o for o in learn.cbs if o.name=='progress'])
class Gradients(Callback):
    def before_step(self):
        grads = {k: v.grad.clone() for k,v in get_model(self.learn.model).named_parameters() if v.grad is not None}
        torch.save(dict(grads=grads, n=len(self.y)), f'{out}{rank_distrib()}.pt')
        raise CancelFitException()
learn.unfreeze()
with together(learn), learn.no_logging(): learn.fit(1, 1e-3, cbs=Gradients())
"""

def both():
    "What `accelerate launch` tells two processes"
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        shared = os.environ | dict(WORLD_SIZE='2', MASTER_ADDR='127.0.0.1', MASTER_PORT=str(s.getsockname()[1]), ACCELERATE_USE_CPU='true', OMP_NUM_THREADS='1')
    return [shared | dict(RANK=o, LOCAL_RANK=o) for o in '01']

def test_two_processes_average_their_gradients(tmp_path):
    make_phantom_atlas(tmp_path/'atlas', n=8, size=64)
    prepare(tmp_path/'atlas', tmp_path/'prepared', size=64, format='bank', verbose=False)
    (tmp_path/'train.py').write_text(SCRIPT)
    def start(bs, name, env):
        args = [sys.executable, '-W', 'ignore', tmp_path/'train.py', tmp_path/'prepared', str(bs), str(tmp_path/name)]
        return subprocess.Popen(args, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    runs = [start(4, 'two', env) for env in both()] + [start(8, 'one', os.environ)]
    said = [o.communicate(timeout=300)[0] for o in runs]
    assert [o.returncode for o in runs]==[0]*3, said
    first,second,joined = (torch.load(tmp_path/f'{o}.pt') for o in ('two0', 'two1', 'one0'))
    assert (first['n'], second['n'], joined['n'])==(4, 4, 8)
    for k,g in joined['grads'].items():
        torch.testing.assert_close(first['grads'][k], second['grads'][k], rtol=0, atol=0)
        torch.testing.assert_close(first['grads'][k], g, rtol=1e-3, atol=1e-5*float(g.abs().max()+1))
    assert max(float(g.abs().max()) for g in joined['grads'].values())>1e-3

def test_two_processes_are_killed_and_go_on(tmp_path):
    "One model, written once, and no epoch lost"
    make_phantom_atlas(tmp_path/'atlas', n=48, size=64)
    prepare(tmp_path/'atlas', tmp_path/'prepared', size=64, format='bank', verbose=False)
    out = tmp_path/'model'
    args = [sys.executable, '-c', 'import sys; from boneage_fastai.cli import main; sys.exit(main())', 'train', tmp_path/'prepared', '--out', out,
        '--arch', 'resnet10t', '--pretrained', 'false', '--epochs', '5', '--bs', '2']
    start = lambda: [subprocess.Popen(args, env=o, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for o in both()]
    runs,end = start(),time.time()+200
    while not (out/'history.csv').exists() and time.time()<end and all(o.poll() is None for o in runs): time.sleep(.05)
    for o in runs: o.kill()
    said = [o.communicate() for o in runs]
    assert (out/'history.csv').exists() and not (out/'config.json').exists(), said
    before,runs = pd.read_csv(out/'history.csv'),start()
    said = [o.communicate(timeout=200) for o in runs]
    assert [o.returncode for o in runs]==[0, 0], said[0][1]+said[1][1]
    assert [o[0].count('validation MAE') for o in said]==[1, 0] and 'going on' in said[0][1]
    assert sorted(o.name for o in out.iterdir())==['config.json', 'history.csv', 'learner.pkl']
    after = pd.read_csv(out/'history.csv')
    assert len(after)==5 and after[:len(before)].equals(before)
