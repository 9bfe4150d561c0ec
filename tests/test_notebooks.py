"Every page runs from top to bottom in a process of its own, through nbdev's runner."
import json, multiprocessing, os, pytest, sys
from types import SimpleNamespace
from house import ROOT, notebooks

fork = multiprocessing.get_context('forkserver')  # A page starts from a clean process that has imported the libraries, not ours: that takes longer than most pages
fork.set_forkserver_preload(['fastai.vision.all', 'matplotlib.pyplot', 'nbdev.test', 'timm'])

def page(path, said):
    from nbdev.config import get_config
    from nbdev.test import test_nb
    with open(said, 'w') as f:
        for o in (1, 2): os.dup2(f.fileno(), o)
    os.chdir(ROOT)
    ok,seconds = test_nb(path, skip_flags=get_config().tst_flags.split(), basepath=ROOT)
    sys.exit(0 if ok else 'the notebook failed')

def run(path, said):
    job = fork.Process(target=page, args=(path, said))
    job.start()
    job.join(1200)
    job.kill()
    return SimpleNamespace(returncode=job.exitcode, stdout=said.read_text())

@pytest.mark.parametrize('nb', sorted(notebooks(), key=lambda o: '/' not in o.name), ids=lambda o: o.name)  # The long ones first
def test_notebook(nb, tmp_path):
    if nb.front.get('skip_exec'):
        reason = nb.front.get('skip_reason')
        assert reason, f'{nb.name} has skip_exec: true; its front matter needs skip_reason, saying what it needs'
        pytest.skip(f'skip_exec: {reason}')
    res = run(nb.path, tmp_path/'said')
    assert res.returncode==0, res.stdout

def write_notebook(path, code):
    cell = dict(cell_type='code', id='a', metadata={}, source=code, outputs=[], execution_count=None)
    meta = dict(kernelspec=dict(name='python3', language='python', display_name='python3'))
    path.write_text(json.dumps(dict(cells=[cell], metadata=meta, nbformat=4, nbformat_minor=5)))
    return path

def test_a_broken_notebook_fails(tmp_path):
    res = run(write_notebook(tmp_path/'broken.ipynb', 'assert 1==2, "one is not two"'), tmp_path/'said')
    assert res.returncode!=0 and 'one is not two' in res.stdout
    assert run(write_notebook(tmp_path/'sound.ipynb', 'assert 1==1'), tmp_path/'said').returncode==0
