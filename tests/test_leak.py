"Near duplicates and leaks, on real radiographs where they are at hand: no two different hands are taken for one, and copies are known again."
import io, random, zipfile
import numpy as np, pytest
from PIL import Image, ImageOps
from boneage_fastai.core import LabelError
from boneage_fastai.labels import read_labels
from boneage_fastai.leak import check_leak, group_by_pixels, read_signatures
from boneage_fastai.phantom import make_phantom_atlas
from boneage_fastai.prepare import prepare
from boneage_fastai.radiograph import fit_radiograph
from boneage_fastai.signature import SURE, near_duplicates, signature

WAYS = dict(mirrored=ImageOps.mirror, turned=lambda o: o.rotate(12, Image.Resampling.BILINEAR), quarter=lambda o: o.transpose(Image.Transpose.ROTATE_90),
    darker=lambda o: o.point(lambda v: 255*(v/255)**1.5), inverted=ImageOps.invert,
    both=lambda o: ImageOps.mirror(o).rotate(-8, Image.Resampling.BILINEAR, fillcolor=60))

@pytest.fixture(scope='module')
def atlas(radiographs): return [fit_radiograph(o, 464)[0] for o in sorted((radiographs/'atlas/reduced').glob('*.jpg'))]

@pytest.mark.parametrize('way', WAYS)
def test_a_copy_of_an_atlas_radiograph_is_known_again(atlas, way):
    pile = np.stack([signature(o) for o in atlas+[WAYS[way](o) for o in atlas[:20]]])
    sure = near_duplicates(pile, SURE)
    found = {(o.a, o.b-len(atlas)) for o in sure.itertuples()}
    assert len([i for i in range(20) if (i, i) in found])>=18
    assert all(a==b for a,b in found)

def test_different_children_are_not_one(radiographs, atlas):
    with zipfile.ZipFile(radiographs/'rsna100/images.zip') as z:
        names = random.Random(0).sample(sorted(o for o in z.namelist() if o.endswith('.png')), 400)
        rsna = [Image.open(io.BytesIO(z.read(o))).convert('L') for o in names]
    assert len(near_duplicates(np.stack([signature(o) for o in rsna+atlas]), SURE))==0

@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    "Twelve phantoms, each with two copies that nobody can trace"
    path = tmp_path_factory.mktemp('leak')
    make_phantom_atlas(path/'atlas', n=12, size=256)
    for i,o in enumerate(sorted((path/'atlas').rglob('*.jpg'))):
        img = Image.open(o)
        WAYS['mirrored'](img).save(path/f'atlas/{i}_m.png')
        WAYS['darker'](img).save(path/f'atlas/{i}_d.png')
    prepare(path/'atlas', path/'prepared', size=192, verbose=False)
    return path/'prepared'

def test_untraceable_copies_get_their_case(folder):
    df = read_labels(folder/'labels.csv', verbose=False).drop(columns='case_id')
    assert len(df)==36
    grouped = group_by_pixels(df, folder)
    true = grouped.image.str.extract(r'(\d+)_[md]')[0]
    originals = sorted(o for o in grouped.image if '_m' not in o and '_d' not in o)
    truth = [int(t) if t==t else originals.index(o) for t,o in zip(true, grouped.image)]
    assert grouped.groupby('case_id').apply(lambda g: len({truth[i] for i in g.index}), include_groups=False).max()==1, 'a group mixes two hands'
    assert grouped.case_id.nunique()<=16

def test_a_split_by_pixels_passes_and_a_random_one_does_not(folder):
    df = group_by_pixels(read_labels(folder/'labels.csv', verbose=False).drop(columns='case_id'), folder)
    check_leak(df, folder, df.case_id.isin(df.case_id.unique()[:4]), pixels=True)
    torn = np.arange(len(df))%2==0
    with pytest.raises(LabelError, match='the same case'): check_leak(df, folder, torn)
    with pytest.raises(LabelError, match='are the same radiograph'): check_leak(df.assign(case_id=None), folder, torn, pixels=True)

def test_signatures_of_prepare_are_those_of_the_files(folder):
    names = read_labels(folder/'labels.csv', verbose=False).image
    kept = np.load(folder/'signatures.npy')
    assert (read_signatures(folder, names)==kept).all()
    assert (np.stack([signature(Image.open(folder/'images'/o)) for o in names])==kept).all()

def test_a_table_of_one_or_none(folder):
    df = read_labels(folder/'labels.csv', verbose=False)
    assert group_by_pixels(df[:1], folder).case_id.tolist()==['pixels-0001']
    assert len(near_duplicates(np.zeros((0, 64, 64), np.uint8)))==0
    assert len(near_duplicates(np.zeros((3, 64, 64), np.uint8), SURE))==0, 'blank radiographs are not each other'
