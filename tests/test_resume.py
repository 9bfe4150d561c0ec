"A training that is killed and started again ends as one that was left alone"
import subprocess, sys, time
import pandas as pd, pytest
from boneage_fastai.phantom import make_phantom_atlas
from boneage_fastai.prepare import prepare


def train(path, out, *more):
    code = 'import sys; from boneage_fastai.cli import main; sys.exit(main())'
    args = ['train', path/'prepared', '--out', path/out, '--arch', 'resnet10t', '--pretrained', 'false', '--epochs', 4, '--bs', 8, '--balance', .5, *more]
    return subprocess.Popen([sys.executable, '-W', 'ignore', '-c', code, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

def epochs(file): return len(pd.read_csv(file)) if file.exists() else 0

@pytest.fixture(scope='module')
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp('resume')
    make_phantom_atlas(path/'atlas', n=160, size=128)
    prepare(path/'atlas', path/'prepared', size=96, format='bank', verbose=False)
    return path

def test_killed_at_epoch_2_of_4(path):
    whole = train(path, 'whole')
    assert whole.communicate(timeout=300) and whole.returncode==0
    cut = train(path, 'cut')
    while epochs(path/'cut/history.csv')<2 and cut.poll() is None: time.sleep(.02)
    cut.kill()
    cut.communicate()
    done = epochs(path/'cut/history.csv')
    assert 2<=done<4 and (path/'cut/checkpoint.pt').exists() and not (path/'cut/learner.pkl').exists()
    again = train(path, 'cut')
    said = again.communicate(timeout=300)
    assert again.returncode==0 and 'going on' in said[1], said
    a,b = (pd.read_csv(path/o/'history.csv') for o in ('whole', 'cut'))
    pd.testing.assert_frame_equal(a, b, rtol=1e-5)
    assert not (path/'cut/checkpoint.pt').exists() and (path/'cut/learner.pkl').exists()

def test_another_training_is_refused(path):
    (path/'other').mkdir()
    cut = train(path, 'other')
    while epochs(path/'other/history.csv')<1 and cut.poll() is None: time.sleep(.02)
    cut.kill()
    cut.communicate()
    other = train(path, 'other', '--lr', '0.01')
    _,err = other.communicate(timeout=300)
    assert other.returncode==2 and 'other lr' in err and 'Traceback' not in err
