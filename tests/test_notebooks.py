"Every page runs from top to bottom in a process of its own, through nbdev's runner."
import json, pytest
from house import ROOT, notebooks, python

RUN = """
import sys
from nbdev.config import get_config
from nbdev.test import test_nb
ok,seconds = test_nb(sys.argv[1], skip_flags=get_config().tst_flags.split(), basepath=sys.argv[2])
sys.exit(0 if ok else 'the notebook failed')
"""

def run(path): return python('-c', RUN, path, ROOT)

@pytest.mark.parametrize('nb', sorted(notebooks(), key=lambda o: '/' not in o.name), ids=lambda o: o.name)  # The long ones first
def test_notebook(nb):
    if nb.front.get('skip_exec'):
        reason = nb.front.get('skip_reason')
        assert reason, f'{nb.name} has skip_exec: true; its front matter needs skip_reason, saying what it needs'
        pytest.skip(f'skip_exec: {reason}')
    res = run(nb.path)
    assert res.returncode==0, res.stdout

def write_notebook(path, code):
    cell = dict(cell_type='code', id='a', metadata={}, source=code, outputs=[], execution_count=None)
    meta = dict(kernelspec=dict(name='python3', language='python', display_name='python3'))
    path.write_text(json.dumps(dict(cells=[cell], metadata=meta, nbformat=4, nbformat_minor=5)))
    return path

def test_a_broken_notebook_fails(tmp_path):
    res = run(write_notebook(tmp_path/'broken.ipynb', 'assert 1==2, "one is not two"'))
    assert res.returncode!=0 and 'one is not two' in res.stdout
    assert run(write_notebook(tmp_path/'sound.ipynb', 'assert 1==1')).returncode==0
