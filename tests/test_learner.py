"One test for each verb that a fastai user expects to work, on phantoms"
import csv, subprocess, sys
import numpy as np, pytest, torch
from fastai.vision.all import CSVLogger, MixedPrecision, SaveModelCallback
from PIL import Image
from boneage_fastai.core import SIZE, BoneAgeError
from boneage_fastai.data import Age, boneage_block, boneage_dls
from boneage_fastai.interpret import AgeInterpretation
from boneage_fastai.learner import boneage_learner, fit_boneage, history
from boneage_fastai.phantom import make_phantom_atlas
from boneage_fastai.prepare import prepare
from boneage_fastai.radiograph import open_radiograph
from boneage_fastai.store import prepared_image


@pytest.fixture(scope='module')
def atlas(tmp_path_factory):
    path = tmp_path_factory.mktemp('phantoms')
    make_phantom_atlas(path/'atlas', n=48, size=256)
    return path

@pytest.fixture(scope='module', params=['jpg', 'bank'])
def data(atlas, request, tmp_path_factory):
    "Folder of a phantom atlas, prepared at 64 pixels as files or as a bank, and its table"
    path = tmp_path_factory.mktemp(request.param)
    (path/'atlas').symlink_to(atlas/'atlas')
    return path, prepare(atlas/'atlas', path/'prepared', size=64, format=request.param, verbose=False)

@pytest.fixture(scope='module', params=[True, False], ids=['sex', 'no sex'])
def learn(data, request):
    path,df = data
    dls = boneage_dls(df, path/'prepared', bs=8, sex=request.param, num_workers=0)
    learn = boneage_learner(dls, 'resnet18', pretrained=False, sex=request.param, path=path)
    learn.remove_cb(learn.progress)
    learn.fit(1, 1e-3)
    return learn


def test_files_and_bank_give_the_same_predictions(atlas, tmp_path):
    "Whole batches out of the bank are what one item at a time would be"
    frames = {o: prepare(atlas/'atlas', tmp_path/o, size=64, format=o, verbose=False) for o in ('jpg', 'bank')}
    dls = {o: boneage_dls(df, tmp_path/o, bs=8, num_workers=0) for o,df in frames.items()}
    learn = boneage_learner(dls['jpg'], 'resnet18', pretrained=False)
    learn.remove_cb(learn.progress)
    learn.fit(1, 1e-3)
    dl = {o: dls[o].test_dl(frames[o], with_labels=True) for o in dls}
    assert dl['jpg']._readers() is None and dl['bank']._readers() is not None
    (p,t),(q,u) = (learn.get_preds(dl=o) for o in dl.values())
    np.testing.assert_array_equal(p, q)
    np.testing.assert_array_equal(t, u)

def test_bank_starts_no_worker(data):
    path,df = data
    dls = boneage_dls(df, path/'prepared', bs=8, num_workers=1)
    next(iter(dls.train))
    assert (dls.train.fake_l.num_workers==0)==(path.name.startswith('bank'))

def test_history_outlives_predictions(data):
    path,df = data
    learn = boneage_learner(boneage_dls(df, path/'prepared', bs=8, num_workers=0), 'resnet10t', pretrained=False)
    learn.remove_cb(learn.progress)
    learn.fit(2, 1e-3)
    first = history(learn)
    assert first.shape==(2, 6) and first.valid_loss.iloc[-1]==pytest.approx(learn.validate()[0], abs=1e-3)
    learn.get_preds()
    assert history(learn).equals(first)
    learn.fit(1, 1e-3)
    assert len(history(learn))==1

def test_summary(learn):
    text = learn.summary()
    assert 'Head' in text or 'Linear' in text

def test_show_batch_unique(learn): learn.dls.show_batch(unique=True, max_n=4)

def test_show_results(learn): learn.show_results(max_n=4)

def test_lr_find(learn):
    lrs = learn.lr_find(num_it=8, show_plot=False)
    assert 1e-8 < lrs.valley < 10

def test_fine_tune(learn): learn.fine_tune(1, 1e-3)

def test_tta(learn):
    preds,targs = learn.tta(n=2)
    assert preds.shape == (len(learn.dls.valid_ds), 1) and len(targs)==len(preds)

def test_get_preds(learn):
    preds,targs = learn.get_preds()
    assert preds.dtype==torch.float32
    np.testing.assert_allclose(targs.numpy(), learn.dls.valid_ds.items.age_months, rtol=1e-5)

def test_test_dl_with_labels(learn, data):
    dl = learn.dls.test_dl(data[1].iloc[:5], with_labels=True)
    preds,targs = learn.get_preds(dl=dl)
    assert len(preds)==5
    np.testing.assert_allclose(targs.numpy(), data[1].age_months[:5], rtol=1e-5)

def test_save_model_callback(learn):
    learn.fit(1, 1e-4, cbs=SaveModelCallback(monitor='mae', fname='best'))
    assert (learn.path/'models'/'best.pth').exists()

def test_csv_logger(learn):
    learn.fit(1, 1e-4, cbs=CSVLogger(fname='log.csv'))
    assert {'mae', 'rmse', 'bias', 'within_12'} <= set(next(csv.reader(open(learn.path/'log.csv'))))

def test_block_summary(data, capsys):
    boneage_block(data[0]/'prepared').summary(data[1])
    assert 'Building one batch' in capsys.readouterr().out

def test_bfloat16_on_the_cpu(learn):
    "The body runs in bfloat16, the answer stays float32: bfloat16 has steps of a whole month above 128"
    x,*rest = learn.dls.one_batch()
    seen = []
    hook = learn.model[0].register_forward_hook(lambda m, i, o: seen.append(o.dtype))
    with torch.autocast('cpu', torch.bfloat16): out = learn.model.eval()(x, *rest[:-1])
    hook.remove()
    assert seen==[torch.bfloat16] and out.dtype==torch.float32

def test_mixed_precision_callback(learn):
    "fastai's callback does no harm where there is no GPU"
    learn.fit(1, 1e-4, cbs=MixedPrecision('bf16'))
    assert learn.get_preds()[0].dtype==torch.float32


def original_of(path, image): return (path/'atlas'/image).with_suffix('.jpg')

def _inputs(path, row):
    found = prepared_image(path/'prepared'/'images'/row.image)
    file = path/'one.png'
    open_radiograph(found).save(file)
    return dict(path=file, text=str(file), bytes=file.read_bytes(), array=np.array(Image.open(file)), image=Image.open(file), row=row,
        dictionary=dict(image=file, sex=row.sex), name=row.image)

def test_predict_takes_what_people_have(learn, data):
    path,df = data
    row,found = df.iloc[0],{}
    for kind,item in _inputs(path, row).items():
        months = learn.predict(item)[0]
        assert isinstance(months, Age)
        found[kind] = float(months)
    bare = [found[o] for o in ('path', 'text', 'bytes', 'array', 'image', 'name')]
    assert max(bare)-min(bare) < 1e-3
    assert abs(found['row']-found['dictionary']) < 1e-3

def test_original_and_prepared_agree(learn, data):
    path,df = data
    for image in df.image[:6]:
        original,prepared = learn.predict(original_of(path, image))[0], learn.predict(path/'prepared/images'/image)[0]
        assert abs(original-prepared) < 0.5

def test_predict_in_a_fresh_process(learn, data):
    path,df = data
    learn.export(path/'learner.pkl')
    file = original_of(path, df.image[0])
    code = f"from fastai.vision.all import load_learner, ProgressCallback; l = load_learner({str(path/'learner.pkl')!r}); l.remove_cb(ProgressCallback); print(float(l.predict({str(file)!r})[0]))"
    out = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True, check=True, cwd=path).stdout
    assert abs(float(out.split()[-1]) - learn.predict(file)[0]) < 1e-3

def test_interpretation_of_fastai(learn):
    interp = AgeInterpretation.from_learner(learn)
    losses,idx = interp.top_losses(3)
    np.testing.assert_allclose(losses, interp.worst(3).loss, rtol=1e-4)
    interp.show_results(idx.tolist())

def test_fit_on_everything(data):
    path,df = data
    dls = boneage_dls(df, path/'prepared', bs=8, fold=None, num_workers=0)
    learn = boneage_learner(dls, 'resnet18', pretrained=False)
    learn.remove_cb(learn.progress)
    fit_boneage(learn, 1)
    assert len(dls.train_ds)==len(df) and 0 < learn.predict(original_of(path, df.image[0]))[0] < 240

def test_no_network(data, monkeypatch, tmp_path):
    "Without the internet the error names what can be done"
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_CACHE', str(tmp_path))
    dls = boneage_dls(data[1], data[0]/'prepared', bs=8, num_workers=0)
    with pytest.raises(BoneAgeError, match='offline'): boneage_learner(dls, 'convnext_atto', pretrained=True)

def test_torchvision_body(data):
    from torchvision.models import mobilenet_v3_small
    learn = boneage_learner(boneage_dls(data[1], data[0]/'prepared', bs=8, num_workers=0), mobilenet_v3_small, pretrained=False)
    assert learn.model(*learn.dls.one_batch()[:2]).shape==(8, 1)

def test_transformer_reads_at_one_size(atlas, tmp_path):
    "Most transformers have a fixed size, so the default sizes leave them alone"
    df = prepare(atlas/'atlas', tmp_path/'prepared', size=160, verbose=False)
    learn = boneage_learner(boneage_dls(df.head(16), tmp_path/'prepared', bs=8, num_workers=0), 'test_vit', pretrained=False)
    learn.remove_cb(learn.progress)
    fit_boneage(learn, 2)
    assert learn.model.size is None and len(history(learn))==2

def test_size_is_928(data):
    "Originals that were never prepared are read at 928 unless another size is asked for"
    path,df = data
    dls = boneage_dls(df.head(12), path/'atlas', bs=2, num_workers=0)
    assert dls.one_batch()[0].shape[-2:]==(SIZE, SIZE)==(928, 928)
