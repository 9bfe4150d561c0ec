"Preparing a folder: interrupted, killed, changed and run again, it always ends as if it had been made at once."
import os, random, signal, subprocess, sys, time
import pandas as pd, pytest
from PIL import Image
from boneage_fastai.core import BoneAgeError
from boneage_fastai.phantom import make_phantom_atlas
from boneage_fastai.prepare import prepare

N = 150

@pytest.fixture(scope='module')
def atlas(tmp_path_factory):
    path = tmp_path_factory.mktemp('prepare')/'atlas'
    make_phantom_atlas(path, n=N, size=160)
    bad = sorted(path.rglob('*.jpg'))[7]
    bad.write_bytes(bad.read_bytes()[:500])
    return path

@pytest.fixture(scope='module', params=['jpg', 'bank'])
def whole(request, atlas, tmp_path_factory):
    "A folder that was prepared at once, with its format"
    out = tmp_path_factory.mktemp('whole')/request.param
    prepare(atlas, out, size=300, format=request.param, verbose=False)
    return request.param, out

def content(folder): return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob('*')) if p.is_file()}

def test_killed_at_random_moments(atlas, whole, tmp_path):
    fmt,clean = whole
    out,rng,cut = tmp_path/'out',random.Random(0),0
    code = f"from boneage_fastai.prepare import prepare; print('ready', flush=True); prepare({str(atlas)!r}, {str(out)!r}, size=300, format={fmt!r}, workers=1, verbose=False)"
    for _ in range(5):
        p = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True)
        assert p.stdout.readline()=='ready\n'
        journal,stop = out/'manifest.jsonl.part',rng.randrange(N)
        while p.poll() is None and not (journal.exists() and len(journal.read_text().splitlines())>=min(stop, N-20)): time.sleep(.001)
        p.send_signal(signal.SIGKILL if os.name=='posix' else signal.SIGTERM)
        p.communicate()
        cut += (out/'manifest.jsonl.part').exists()
        for o in (out/'images').rglob('*.jpg') if fmt=='jpg' else (): Image.open(o).load()
    assert cut, 'it was never interrupted in the middle'
    prepare(atlas, out, size=300, format=fmt, verbose=False)
    assert content(out)==content(clean)

def test_a_second_run_writes_no_radiograph(atlas, whole):
    fmt,out = whole
    before = {p: p.stat().st_mtime_ns for p in out.rglob('*') if p.suffix=='.jpg' or p.name=='bank.npy'}
    prepare(atlas, out, size=300, format=fmt, verbose=False)
    assert before=={p: p.stat().st_mtime_ns for p in out.rglob('*') if p.suffix=='.jpg' or p.name=='bank.npy'}

def test_a_changed_radiograph_is_prepared_again(atlas, tmp_path):
    small = tmp_path/'small'
    make_phantom_atlas(small, n=6, size=96)
    for fmt in 'jpg', 'bank':
        out = tmp_path/fmt
        first = prepare(small, out, size=64, format=fmt, verbose=False)
        changed = sorted(small.rglob('*.jpg'))[2]
        Image.new('L', (90, 96), 77 if fmt=='jpg' else 99).save(changed)
        prepare(small, out, size=64, format=fmt, verbose=False)
        prepare(small, tmp_path/f'{fmt}2', size=64, format=fmt, verbose=False)
        assert content(out)==content(tmp_path/f'{fmt}2') and len(first)==6

def test_a_grown_folder_and_a_changed_table(atlas, tmp_path):
    small = tmp_path/'small'
    df = make_phantom_atlas(small, n=8, size=96)
    for fmt in 'jpg', 'bank':
        prepare(small, tmp_path/fmt, df[df.index!=3], size=64, format=fmt, verbose=False)
        prepare(small, tmp_path/fmt, df, size=64, format=fmt, verbose=False)
        prepare(small, tmp_path/f'{fmt}2', df, size=64, format=fmt, verbose=False)
        assert content(tmp_path/fmt)==content(tmp_path/f'{fmt}2')

def test_another_format_needs_another_folder(atlas, whole):
    fmt,out = whole
    with pytest.raises(BoneAgeError, match='other settings'): prepare(atlas, out, size=300, format=dict(jpg='bank', bank='jpg')[fmt])

def test_rejected_by_name(atlas, whole):
    _,out = whole
    rejected = pd.read_csv(out/'rejected.csv')
    assert rejected.kind.tolist()==['unreadable'] and len(pd.read_csv(out/'labels.csv'))==N-1
    for name in 'rejected.csv', 'manifest.jsonl', 'labels.csv', 'prepare.json': assert str(atlas) not in (out/name).read_text()
