"The phantom atlas: what is promised of many radiographs at once, and of a run that is interrupted."
import json
import numpy as np, pandas as pd, pytest
from PIL import Image
from boneage_fastai import phantom as module
from boneage_fastai.atlas import read_atlas
from boneage_fastai.core import BoneAgeError
from boneage_fastai.labels import check_labels, read_labels
from boneage_fastai.phantom import _plan, make_phantom_atlas, phantom
from boneage_fastai.skeleton import TIMETABLE

@pytest.fixture(scope='module')
def atlas(tmp_path_factory):
    "An atlas of 300 small radiographs: its folder, its table and its landmarks"
    folder = tmp_path_factory.mktemp('phantom')/'atlas'
    df = make_phantom_atlas(folder, n=300, size=64)
    return folder,df,json.loads((folder/'landmarks.json').read_text())

def hands(marks): return np.array([[o['hand']['width'], o['hand']['height']] for o in marks.values()])

def test_size_does_not_tell_the_age(atlas):
    "Least squares of the age on width and height of the hand, on the radiographs that it was fitted to"
    _,df,marks = atlas
    x,age = np.c_[hands(marks), np.ones(len(df))],df.age_months.to_numpy()
    mae = np.abs(x@np.linalg.lstsq(x, age, rcond=None)[0]-age).mean()
    median = np.abs(age-np.median(age)).mean()
    assert mae>=48 and mae>=.9*median, f'{mae:.1f} months; the median predictor misses by {median:.1f}'

def test_size_varies_at_an_age(atlas):
    "Between the small and the large hands of one year lies at least a quarter"
    _,df,marks = atlas
    height = pd.Series(hands(marks)[:,1], df.index).groupby(df.age_months//24).quantile([.1, .9]).unstack()
    assert (height[.9]/height[.1]>1.25).all(), height

def test_landmarks_lie_in_the_picture(atlas):
    folder,df,marks = atlas
    for image,o in marks.items():
        w,h = o['size']
        assert h==64 and .6<=w/h<=.81
        assert set(o['centres'])==set(TIMETABLE.index)
        for c in [o['hand'], *o['centres'].values()]:
            l,t,r,b = c['box']
            assert 0<=l<=r<w and 0<=t<=b<h, (image, c)
    for image in df.image[::30]: assert list(Image.open(folder/image).size)==marks[image]['size']

def test_the_table(atlas):
    folder,df,_ = atlas
    assert df.groupby(['race', 'sex']).size().between(37, 38).all()
    assert df.age_months.floordiv(24).value_counts().between(27, 40).all(), 'ages are spread evenly over 0 to 18 years'
    for _,rows in df.groupby(['race', 'sex']): assert rows.age_months.min()<24 and rows.age_months.max()>192
    ahead = (df.age_months-df.chronological_months)/12
    assert 0<ahead.mean()<.45 and .7<ahead.std()<1.2
    assert df.chronological_months.between(0, 239).all()

def test_other_modules_read_it(atlas):
    folder,df,_ = atlas
    read = read_labels(folder/'labels.csv')
    assert read.age_months.tolist()==pytest.approx(df.age_months.tolist()) and (read.target_kind=='reading').all()
    assert len(check_labels(read, folder))==0
    walked = read_atlas(folder).set_index('case_id').loc[df.case_id]
    assert walked.sex.tolist()==df.sex.tolist() and walked.race.tolist()==df.race.tolist()
    assert (walked.age_months//12).tolist()==(df.chronological_months//12).clip(upper=18).tolist(), 'without readings the target is the folder age'

def test_cases_of_a_large_atlas():
    df = _plan(2500, 0)
    numbers = df.case_id.str.split('/').str[1]
    assert numbers.is_unique and numbers.iloc[0]=='8001' and numbers.iloc[-1]=='10500'
    pd.testing.assert_frame_equal(_plan(700, 0), df[:700])
    assert not _plan(50, 1).age_months.isin(df.age_months[:50]).all()

def test_bones_are_where_the_landmarks_say():
    "A carpal bone that has appeared is brighter than its surroundings, and one that has not leaves nothing to see"
    seen,unseen = [],[]
    for seed in range(24):
        img,marks = phantom(9*seed, 'FM'[seed%2], size=464, seed=seed)
        a = np.asarray(img, float)
        for name in ('capitate', 'hamate', 'triquetrum', 'lunate', 'scaphoid', 'trapezium', 'trapezoid'):
            o = marks['centres'][name]
            (x,y),(l,t,r,b) = o['at'],o['box']
            inside = a[int(y)-1:int(y)+2,int(x)-1:int(x)+2].mean()
            around = np.r_[a[int(t)-3:int(t),int(l):int(r)+1].ravel(), a[int(b)+1:int(b)+4,int(l):int(r)+1].ravel()]
            (seen if o['ossified'] else unseen).append(inside-np.quantile(around, .1))
    assert np.quantile(seen, .02)>15>np.quantile(unseen, .9), (np.quantile(seen, .02), np.quantile(unseen, .9))

def test_maturity_is_seen_at_64_pixels():
    "In one pose, on one exposure, every year from birth to the end of growth changes the picture"
    year = [np.asarray(phantom(12*o, 'M', size=64, variation=0)[0], float)[:,14:] for o in range(18)]
    steps = [np.abs(a-b).mean() for a,b in zip(year, year[1:])]
    assert min(steps)>.4, steps

def test_interrupted(tmp_path, monkeypatch):
    "Nothing half written stays, no table claims what is not there, and the second run is as if there had been no first"
    n = 0
    def stop(*args):
        nonlocal n
        n += 1
        if n==4: raise KeyboardInterrupt
        return phantom(*args)
    with monkeypatch.context() as m:
        m.setattr(module, 'phantom', stop)
        with pytest.raises(KeyboardInterrupt): make_phantom_atlas(tmp_path/'a', n=6, size=48)
    left = [o for o in (tmp_path/'a').rglob('*') if o.is_file()]
    assert len(left)==3 and all(Image.open(o).size[1]==48 for o in left)
    make_phantom_atlas(tmp_path/'a', n=6, size=48), make_phantom_atlas(tmp_path/'b', n=6, size=48)
    files = [{o.relative_to(root).as_posix(): o.read_bytes() for o in root.rglob('*') if o.is_file()} for root in (tmp_path/'a', tmp_path/'b')]
    assert files[0]==files[1] and len(files[0])==9

def test_a_failed_save_leaves_nothing(tmp_path):
    def fail(part):
        part.write_text('half')
        raise OSError('disk full')
    with pytest.raises(OSError): module._write(tmp_path/'x.json', fail)
    assert list(tmp_path.iterdir())==[]

def test_a_smaller_atlas_does_not_go_into_a_larger_one(tmp_path):
    make_phantom_atlas(tmp_path, n=5, size=32)
    with pytest.raises(BoneAgeError, match='something else'): make_phantom_atlas(tmp_path, n=4, size=32)
    assert len(make_phantom_atlas(tmp_path, n=5, size=40))==5
