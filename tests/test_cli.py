"The command line as a person in a shell meets it: exit codes, streams, messages"
import csv, io, json, shutil, subprocess, sys
import pandas as pd, pytest
from PIL import Image
from boneage_fastai.phantom import make_phantom_atlas


def boneage(*args, cwd=None):
    "Run the command; exit code, standard output, standard error"
    code = 'import sys; from boneage_fastai.cli import main; sys.exit(main())'
    res = subprocess.run([sys.executable, '-c', code, *map(str, args)], capture_output=True, text=True, cwd=cwd, timeout=600)
    return res.returncode, res.stdout, res.stderr

@pytest.fixture(scope='module')
def atlas(tmp_path_factory):
    path = tmp_path_factory.mktemp('cli')
    make_phantom_atlas(path/'atlas', n=30, size=128)
    return path

@pytest.fixture(scope='module')
def model(atlas):
    assert boneage('prepare', atlas/'atlas', atlas/'prepared', '--size', 64)[0]==0
    code,out,err = boneage('train', atlas/'prepared', '--out', atlas/'model', '--arch', 'resnet18', '--pretrained', 'false', '--epochs', 1)
    assert code==0 and out.startswith('validation MAE ') and 'Training' in err and 'Training' not in out
    return atlas/'model'


def test_help_imports_nothing_heavy():
    code = "import sys; from boneage_fastai.cli import main; assert main(['--help'])==0; print(sorted({'pandas', 'numpy', 'torch', 'fastai', 'PIL'}&set(sys.modules)))"
    assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout.splitlines()[-1]=='[]'

@pytest.mark.parametrize('command', ['labels', 'prepare', 'train', 'evaluate', 'predict', 'demo'])
def test_every_command_has_help(command):
    code,out,_ = boneage(command, '--help')
    assert code==0 and out.startswith(f'usage: boneage {command}')

@pytest.mark.parametrize('args', [(), ('fly',), ('train', 'somewhere'), ('labels', 'nobody.csv'), ('prepare', 'nowhere', 'out'), ('predict', 'nowhere', 'a.jpg'),
    ('evaluate', 'nowhere', 'data', '--out', 'r'), ('prepare', '.', 'out', '--fit', 'crop')])
def test_wrong_use(args, tmp_path):
    code,out,err = boneage(*args, cwd=tmp_path)
    assert code==2 and not out and err and 'Traceback' not in err

def test_unknown_dialect_names_the_call(tmp_path):
    (tmp_path/'t.csv').write_text('file,BA\na.png,7.5\nb.png,13\n')
    code,_,err = boneage('labels', tmp_path/'t.csv')
    assert code==2 and "columns=dict(image='file', age='BA')" in err and '--columns image=file,age=BA' in err
    code,out,_ = boneage('labels', tmp_path/'t.csv', '--columns', 'image=file,age=BA', '--unit', 'years')
    assert code==0 and 'years → months' in out

def test_rows_that_are_not_understood(tmp_path):
    (tmp_path/'t.csv').write_text('image,sex,age_months\na.png,F,12\nb.png,x,20\nc.png,M,999\n')
    code,out,_ = boneage('labels', tmp_path/'t.csv')
    assert code==1 and 'line 3' in out and 'line 4' in out

def test_a_damaged_radiograph_does_not_stop_the_others(atlas, tmp_path):
    shutil.copytree(atlas/'atlas', tmp_path/'a')
    bad = sorted((tmp_path/'a').rglob('*.jpg'))[3]
    bad.write_bytes(bad.read_bytes()[:900])
    code,_,err = boneage('prepare', tmp_path/'a', tmp_path/'p', '--size', 64)
    assert code==1 and bad.name in err
    assert len(pd.read_csv(tmp_path/'p/labels.csv'))==29
    assert bad.name in (tmp_path/'p/rejected.csv').read_text()

def test_a_warning_is_one_plain_line(tmp_path):
    (tmp_path/'a').mkdir()
    page = Image.new('L', (90, 120), 60)
    page.save(tmp_path/'a/two.tif', save_all=True, append_images=[page])
    code,_,err = boneage('prepare', tmp_path/'a', tmp_path/'p', '--size', 64)
    assert code==0 and 'two.tif: holds 2 pictures; the first one is read' in err and '.py' not in err

def test_evaluate_leaves_out_what_was_trained_on(model, atlas, tmp_path):
    code,out,err = boneage('evaluate', model, atlas/'prepared', '--out', tmp_path/'r')
    config = json.loads((model/'config.json').read_text())
    assert code==0 and out.startswith('held-out MAE') and f"{config['n_train']} of 30" in err
    assert {o.name for o in (tmp_path/'r').iterdir()}=={'index.html', 'predictions.csv', 'summary.json'}
    table = pd.read_csv(tmp_path/'r/predictions.csv')
    assert list(table)[:6]==['image', 'case_id', 'sex', 'actual', 'predicted', 'error']
    assert set(table.image)<=set(pd.read_csv(atlas/'prepared/labels.csv').image)

def test_evaluate_goes_on_without_a_film_that_is_gone(model, atlas, tmp_path):
    df = pd.read_csv(atlas/'prepared/labels.csv')
    new = df[~df.case_id.isin(json.loads((model/'config.json').read_text())['trained_on']['cases'])].image
    shutil.copytree(atlas/'prepared', tmp_path/'p')
    (tmp_path/'p/images'/new.iloc[0]).unlink()
    code,_,err = boneage('evaluate', model, tmp_path/'p', '--out', tmp_path/'r')
    assert code==1 and 'left out: ' in err and new.iloc[0] in err
    assert len(pd.read_csv(tmp_path/'r/predictions.csv'))==len(new)-1 and new.iloc[0] in (tmp_path/'r/index.html').read_text()

def test_a_report_in_the_place_of_a_file(model, atlas, tmp_path):
    (tmp_path/'r').write_text('mine')
    code,_,err = boneage('evaluate', model, atlas/'prepared', '--out', tmp_path/'r')
    assert code==2 and 'is a file' in err and (tmp_path/'r').read_text()=='mine'

def test_evaluate_takes_originals(model, atlas, tmp_path):
    "A folder that was never prepared is prepared as the model needs it, and known again by its files"
    code,_,err = boneage('evaluate', model, atlas/'atlas', '--out', tmp_path/'r')
    assert code==0 and json.loads((tmp_path/'r/summary.json').read_text())['n']==json.loads((model/'config.json').read_text())['n_valid'], err

def test_evaluate_shows_radiographs_of_another_folder(model, tmp_path):
    "Their names are not in the folder that the model was trained from"
    df = make_phantom_atlas(tmp_path/'a', n=4, size=128, seed=3)
    for o in df.image: (tmp_path/'a'/o).rename((tmp_path/'a'/o).with_suffix('.jpeg'))
    df.assign(image=df.image.str.replace('.jpg', '.jpeg')).to_csv(tmp_path/'a/labels.csv', index=False)
    code,_,err = boneage('evaluate', model, tmp_path/'a', '--out', tmp_path/'r', '--include-training')
    assert code==0 and (tmp_path/'r/index.html').read_text().count('<figure>')==4, err

def test_maps_and_stress_in_the_report(model, atlas, tmp_path):
    code,_,err = boneage('evaluate', model, atlas/'prepared', '--out', tmp_path/'r')
    text = (tmp_path/'r/index.html').read_text()
    assert code==0 and 'class="films maps"' in text and text.count('class="film two"')==text.count('<figure>') and 'Stress test' not in text, err
    code,_,err = boneage('evaluate', model, atlas/'prepared', '--out', tmp_path/'s', '--stress', '--no-maps')
    text = (tmp_path/'s/index.html').read_text()
    assert code==0 and 'class="films"' in text and 'class="film two"' not in text and 'id="stress-test"' in text and 'Films turned by' in text, err

def test_nothing_left_to_evaluate(model, atlas, tmp_path):
    df = pd.read_csv(atlas/'prepared/labels.csv')
    seen = json.loads((model/'config.json').read_text())['trained_on']['cases']
    shutil.copytree(atlas/'prepared', tmp_path/'p')
    df[df.case_id.isin(seen)].to_csv(tmp_path/'p/labels.csv', index=False)
    code,_,err = boneage('evaluate', model, tmp_path/'p', '--out', tmp_path/'r')
    assert code==2 and 'has not seen' in err
    code,out,_ = boneage('evaluate', model, tmp_path/'p', '--out', tmp_path/'r', '--include-training')
    assert code==0 and 'training data included' in out and 'not an evaluation' in (tmp_path/'r/index.html').read_text()

def test_predict_prints_csv(model, atlas, tmp_path):
    (tmp_path/'letter.jpg').write_text('Dear Sir or Madam')
    files = sorted((atlas/'atlas').rglob('*.jpg'))[:2]
    code,out,err = boneage('predict', model, files[0], tmp_path/'letter.jpg', files[1], '--sex', 'F')
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code==1 and 'letter.jpg' in err and [o['image'] for o in rows]==[str(o) for o in files]
    assert all(o['sex']=='F' and 0<float(o['months'])<240 and ' y ' in o['age'] for o in rows)

def test_train_on_everything(atlas, model, tmp_path):
    code,out,_ = boneage('train', atlas/'prepared', '--out', tmp_path/'m', '--arch', 'resnet18', '--pretrained', 'false', '--epochs', 1, '--fold', 'none')
    assert code==0 and out.startswith('trained on all 30') and json.loads((tmp_path/'m/config.json').read_text())['fold'] is None

def test_a_small_demo_ends_with_its_report(tmp_path):
    code,out,err = boneage('demo', '--out', tmp_path/'d', '--n', 40, '--epochs', 1)
    assert code==0 and out.startswith('validation MAE ') and (tmp_path/'d/report/index.html').exists(), err
