"The whole way on real radiographs, which are not part of the project: see the fixture `radiographs`"
import csv, io, json, zipfile
from contextlib import redirect_stdout
import pandas as pd, pytest
from PIL import Image
from boneage_fastai.cli import main
from boneage_fastai.labels import read_labels
from boneage_fastai.learner import load_model


def run(*args):
    "Exit code and standard output of a command"
    with redirect_stdout(io.StringIO()) as out: code = main([str(o) for o in args])
    return code, out.getvalue()

@pytest.fixture(scope='module')
def atlas(radiographs, tmp_path_factory):
    "The 24 originals of the Atlas at 928 pixels"
    out = tmp_path_factory.mktemp('atlas')/'prepared'
    assert run('prepare', radiographs/'atlas/originals', out, '--labels', radiographs/'atlas/originals.csv')[0]==0
    return out

@pytest.fixture(scope='module')
def rsna(radiographs, tmp_path_factory):
    "3000 of the RSNA radiographs at 64 pixels"
    path = tmp_path_factory.mktemp('rsna')
    table = pd.read_csv(radiographs/'rsna100/labels.csv').sample(3000, random_state=0)
    table.to_csv(path/'labels.csv', index=False)
    with zipfile.ZipFile(radiographs/'rsna100/images.zip') as z: z.extractall(path/'images', [f'{o}.png' for o in table.id])
    assert run('prepare', path/'images', path/'prepared', '--labels', path/'labels.csv', '--size', 64)[0]==0
    return path/'prepared'

@pytest.fixture(scope='module')
def model(rsna, tmp_path_factory):
    out = tmp_path_factory.mktemp('model')
    code,said = run('train', rsna, '--out', out, '--arch', 'tf_efficientnet_lite0', '--pretrained', 'offline', '--epochs', 6)
    assert code==0 and 'validation MAE' in said
    return out


def test_every_original_is_prepared(atlas):
    df = read_labels(atlas/'labels.csv', verbose=False)
    assert len(df)==24 and df.age_months.isna().sum()==2
    for o in df.image:
        with Image.open(atlas/'images'/o) as img: assert (img.size, img.mode)==((928, 928), 'L')

def test_it_learns(model):
    "A few epochs on 2400 radiographs of 64 pixels read better than the best constant, whose error is 33 months"
    config = json.loads((model/'config.json').read_text())
    assert config['n_train']+config['n_valid']==3000
    assert config['validation']['mae'] < 25

def test_evaluation_leaves_out_the_training_set(model, rsna, tmp_path):
    assert run('evaluate', model, rsna, '--out', tmp_path/'r')[0]==0
    config = json.loads((model/'config.json').read_text())
    scored = pd.read_csv(tmp_path/'r/predictions.csv', dtype=dict(case_id=str))
    assert len(scored)==config['n_valid']
    assert not set(scored.case_id)&set(config['trained_on']['cases'])
    assert json.loads((tmp_path/'r/summary.json').read_text())['mae']==pytest.approx(config['validation']['mae'], abs=1e-3)

def test_the_atlas_is_scored(model, atlas, tmp_path):
    assert run('evaluate', model, atlas, '--out', tmp_path/'r')[0]==0
    assert len(pd.read_csv(tmp_path/'r/predictions.csv'))==22

def test_predictions_of_originals(model, radiographs):
    code,said = run('predict', model, radiographs/'atlas/originals', '--sex', 'F')
    rows = list(csv.DictReader(io.StringIO(said)))
    assert code==0 and len(rows)==24 and list(rows[0])==['image', 'sex', 'months', 'age']
    assert all(0 < float(o['months']) < 240 for o in rows)

def test_an_original_and_its_prepared_version_agree(model, radiographs, tmp_path):
    out = tmp_path/'prepared'
    run('prepare', radiographs/'atlas/originals', out, '--labels', radiographs/'atlas/originals.csv', '--size', 64)
    learn = load_model(model)[0]
    with learn.no_bar():
        for prepared in sorted((out/'images').iterdir()):
            original = radiographs/'atlas/originals'/f'{prepared.stem}.jpg'
            first,second = (learn.predict({'image': o, 'sex': 'M'})[0] for o in (original, prepared))
            assert abs(first-second) < 0.5, original
