"Operators, plan and copies: what is promised of every film, every table and every interrupted run."
import signal, subprocess, sys, time
import numpy as np, pandas as pd, pytest
from pathlib import Path
from scipy import ndimage as ndi
from boneage_fastai.augment import OPERATORS, augment, augment_plan, replay
from boneage_fastai.core import BoneAgeError, LabelError
from boneage_fastai.labels import grouped_folds, read_labels
from boneage_fastai.manual import _curve, brightness, exposure_gamma, measure, resolve, rotate
from boneage_fastai.phantom import make_phantom_atlas, phantom
from boneage_fastai.plan import _DECKS
from boneage_fastai.prepare import prepare
from boneage_fastai.radiograph import letterbox, open_radiograph

def square(seed, size=128): return letterbox(phantom(10+seed*37%200, 'FM'[seed%2], size, seed)[0], size)[0]

def whole(folder): return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(Path(folder).rglob('*')) if p.is_file()}

@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
    "A prepared folder of 16 phantoms and its table"
    folder = tmp_path_factory.mktemp('augment')
    make_phantom_atlas(folder/'atlas', n=16, size=160)
    return folder/'A',prepare(folder/'atlas', folder/'A', size=128, verbose=False)

def table(rng, n):
    "A table as untidy as tables are"
    return pd.DataFrame(dict(image=[f'{i//9}/{i}.jpg' for i in range(n)], case_id=[f'c{i}' for i in range(n)], sex=rng.choice(['F', 'M', 'unknown'], n),
        race=rng.choice(['ASI', 'BLK', None], n, p=[.3, .6, .1]), fold=rng.integers(0, 5, n),
        age_months=np.where(rng.random(n)<.1, np.nan, np.round(rng.beta(2, 1, n)*60, 1))))

BY = ['race', 'sex', 'age_year']

@pytest.mark.parametrize('seed', range(12))
def test_plan_on_any_table(seed):
    "Every clause of the contract, the sizes against water poured drop by drop"
    rng = np.random.default_rng(seed)
    df,most = table(rng, int(rng.integers(20, 120))),int(rng.integers(2, 14))
    aged = int(df.age_months.notna().sum())
    target = int(rng.integers(len(df), len(df)+aged*(most-1)+1))
    plan = augment_plan(df, target, BY, most, seed=seed)
    assert len(plan)==target and plan.image.is_unique
    first,copies = plan[plan.operator==''],plan[plan.operator!='']
    pd.testing.assert_frame_equal(first[df.columns], df, check_dtype=False)
    assert (first.parent=='').all() and (first.params=='').all()
    assert not copies.duplicated(['parent', 'operator', 'params']).any()
    assert copies.parent.value_counts().max()<=most-1 if len(copies) else True
    parent = df.set_index('image').loc[copies.parent]
    assert parent.age_months.notna().all()
    for c in ('case_id', 'sex', 'age_months', 'fold'): assert (parent[c].to_numpy()==copies[c].to_numpy()).all(), c
    key = lambda o: o.assign(race=o.race.fillna('')).dropna(subset='age_year').groupby(BY).size()
    have = key(first)
    size,full = have.copy(),have*most
    for _ in range(target-len(df)): size[size.where(size<full, 10**9).idxmin()] += 1
    assert sorted(zip(have, key(plan)))==sorted(zip(have, size)) or sorted(key(plan))==sorted(size)
    for _,o in copies.groupby(copies.race.fillna('')+copies.sex+copies.age_year.astype(str)):
        n = o.parent.value_counts()
        assert n.max()-n.min()<=1

def test_plan_needs_no_order_and_no_luck():
    df = table(np.random.default_rng(3), 80)
    key = lambda o: set(zip(o.image, o.parent, o.operator, o.params))
    plan = augment_plan(df, 300, ('sex',), seed=5)
    assert key(plan)==key(augment_plan(df.sample(frac=1, random_state=1), 300, ('sex',), seed=5))
    assert key(plan)!=key(augment_plan(df, 300, ('sex',), seed=6))

def test_plan_takes_your_years():
    df = pd.DataFrame(dict(image=list('abcd'), age_months=[10., 30, 50, np.nan], age_year=[7, 7, 8, 8]))
    plan = augment_plan(df, 12, ('age_year',))
    assert plan.age_year.value_counts().to_dict()=={7: 6, 8: 6}
    assert set(plan.parent)=={'', 'a', 'b', 'c'}, 'a film without an age counts in its group, and is not copied'

def test_plan_names_the_cap():
    df = table(np.random.default_rng(0), 50)
    most = 50+2*int(df.age_months.notna().sum())
    assert len(augment_plan(df, most, 'sex', max_per_film=3))==most
    with pytest.raises(LabelError, match=f'max_per_film=3 makes at most {most} of 50'): augment_plan(df, most+1, 'sex', max_per_film=3)
    with pytest.raises(LabelError, match='less than'): augment_plan(df, 49, 'sex')
    assert len(augment_plan(df, 50, 'sex', max_per_film=1))==50
    with pytest.raises(LabelError, match='is listed twice'): augment_plan(pd.concat([df, df]), 200, 'sex')

def test_plan_of_the_atlas(radiographs):
    df = pd.read_csv(radiographs/'atlas/all_cases.csv')
    df = df.assign(age_year=df.chronological_months//12)
    plan = augment_plan(df)
    before,after = (o.groupby(BY).size() for o in (df, plan))
    capped = after==12*before
    assert len(plan)==7393 and capped.sum()==8
    assert after[~capped].between(49, 50).all() and after[capped].max()<=49

def test_every_card_is_another_radiograph():
    "No two cards of the decks, and no card and the film, give the same pixels"
    film = square(3)
    found,made = measure(film),[film.tobytes()]
    for o,deck in _DECKS.items(): made += [replay(film, o, resolve(o, p, found)).tobytes() for p in deck]
    assert len(made)==1+sum(map(len, _DECKS.values()))>100 and len(set(made))==len(made)

def test_curves_rise_from_black_to_white():
    curves = [_curve(p['gamma'], p['contrast']) for p in _DECKS['tone']]
    curves += [_curve(float(exposure_gamma(e, s)), 1.) for e in range(0, 256, 5) for s in (.4, 1.)]
    for o in curves: assert (np.diff(o)>=0).all() and o[0]==0 and o[255]==255

def test_brightness_goes_the_right_way():
    e = np.arange(1, 255)
    g,after = exposure_gamma(e),255*(e/255)**exposure_gamma(e)
    assert ((g>1)==(e>=150)).all() and (.4999<=g).all() and (g<=2.0001).all()
    assert ((after-e)*(150-e)>=0).all()
    assert (np.abs(after-150)<=np.maximum(np.abs(e-150), 25)).all()

@pytest.mark.parametrize('angle', [-17.3, 4.2, 90., 180.])
def test_rotate_against_scipy(angle):
    a = np.asarray(square(5))
    other,inner = ndi.rotate(a.astype(float), angle, reshape=False, order=1),np.s_[44:84,44:84]
    assert np.abs(np.asarray(rotate(a, angle)).astype(float)-other)[inner].max()<1.6

def test_rotate_leaves_no_black_corner():
    for seed in range(12):
        film = square(seed)
        a,m = np.asarray(rotate(film, 15)),measure(film)
        low = min(m['background'][0]+x*m['background'][1]+y*m['background'][2] for x in (-.5, .5) for y in (-.5, .5))
        corners = np.concatenate([a[:6,:6], a[:6,-6:], a[-6:,:6], a[-6:,-6:]]).astype(float)
        assert corners.min()>=max(0, low)-2

def test_operators_take_what_people_have(tmp_path):
    film = square(1)
    film.save(tmp_path/'a.png')
    for o,p in dict(rotate=dict(angle=5), flip={}, brightness={}, tone={}, colour_filter=dict(name='green')).items():
        made = {OPERATORS[o](source, **p).tobytes() for source in (film, np.asarray(film), tmp_path/'a.png', film.convert('RGB'))}
        assert len(made)==1
    assert rotate(np.full((40, 70), 9, np.uint8), 30).size==(70, 40)
    for flat in (0, 255): assert {*np.unique(np.asarray(brightness(np.full((50, 50), flat, np.uint8))))}=={flat}

def test_real_films(radiographs, tmp_path):
    "The exposure is that of the hand that `find_hand` outlines; no bone is clipped by `brightness`"
    from boneage_fastai.hand import find_hand
    for source in sorted((radiographs/'atlas').glob('*/*/*/*.jpg'))[::3] or sorted((radiographs/'atlas').rglob('*.jpg'))[::3]:
        film = letterbox(open_radiograph(source), 464)[0]
        hand,m = find_hand(film).mask,measure(film)
        before = np.asarray(film)[hand]
        assert abs(np.median(before)-m['exposure'])<=10, source.name
        after = np.asarray(brightness(film))[hand]
        assert (after==255).mean()<=(before>=254).mean() and (after==0).mean()<=(before<=11).mean()
        assert (after<=1).mean()-(before<=1).mean()<.01 and (after>=254).mean()-(before>=254).mean()<.01, source.name
        assert np.ptp(np.percentile(after, [5, 95]))>.5*np.ptp(np.percentile(before, [5, 95])), source.name

@pytest.mark.parametrize('seed', range(6))
def test_batch_agrees(seed):
    import torch
    from boneage_fastai.operators import replay_batch
    rng,film = np.random.default_rng(seed),square(seed, 232)
    x = torch.tensor(np.array(film))[None,None]/255
    for o,deck in _DECKS.items():
        p = resolve(o, deck[rng.integers(len(deck))], measure(film))
        off = np.abs(np.asarray(replay(film, o, p)).astype(float)-255*replay_batch(x, o, p)[0,0].numpy())
        assert np.percentile(off, 99.8)<(3 if o=='rotate' else 1.1) and off.mean()<.6, (o, p, off.max())

def test_batch_measures_alike():
    import torch
    from boneage_fastai.operators import measure_batch
    films = [square(i, 232) for i in range(16)]
    found,known = measure_batch(torch.stack([torch.tensor(np.array(o)) for o in films])[:,None]/255),[measure(o) for o in films]
    assert found['box'].tolist()==[o['box'] for o in known]
    assert np.abs(found['exposure'].numpy()-[o['exposure'] for o in known]).max()<=5
    assert np.abs(found['background'][:,0].numpy()-[o['background'][0] for o in known]).max()<=5

def test_batches_of_a_training(prepared):
    from boneage_fastai.data import boneage_dls
    from boneage_fastai.operators import atlas_augs
    folder,df = prepared
    dls = boneage_dls(df, folder, bs=8, augs=atlas_augs())
    x = dls.one_batch()[0]
    assert x.shape[1:]==(1, 128, 128) and 0<=x.min() and x.max()<=1
    assert any(type(o).__name__=='ManualAugment' for o in dls.train.after_batch.fs)

def test_copies_can_be_replayed(prepared, tmp_path):
    folder,df = prepared
    plan = augment_plan(df, 110, ('sex',))
    augment(plan, folder, tmp_path/'B', verbose=False)
    table = read_labels(tmp_path/'B/labels.csv', verbose=False)
    copies = table[table.parent.notna()]
    assert len(table)==110 and set(copies.operator)==set(OPERATORS)
    for o in copies.itertuples():
        replay(tmp_path/'B/images'/o.parent, o.operator, o.params).save(tmp_path/'again.png', compress_level=1)
        assert (tmp_path/'again.png').read_bytes()==(tmp_path/'B/images'/o.image).read_bytes(), o.image

def test_jpegs_can_be_replayed(tmp_path):
    "Above 256 pixels radiographs are JPEGs: the parent lies there as it was, so that the copy comes out to the byte"
    make_phantom_atlas(tmp_path/'atlas', n=3, size=300)
    df = prepare(tmp_path/'atlas', tmp_path/'A', size=300, verbose=False)
    for start in ('A', 'bank'):
        if start=='bank': prepare(tmp_path/'atlas', tmp_path/'bank', size=300, format='bank', verbose=False)
        rows = read_labels(tmp_path/start/'labels.csv', verbose=False)
        made = augment(augment_plan(rows, 12, 'sex'), tmp_path/start, tmp_path/f'B{start}', format='jpg', verbose=False)
        for o in made[made.parent!=''].itertuples():
            replay(tmp_path/f'B{start}/images'/o.parent, o.operator, o.params).save(tmp_path/'again.jpg', quality=95)
            assert (tmp_path/'again.jpg').read_bytes()==(tmp_path/f'B{start}/images'/o.image).read_bytes(), o.image
    assert {o.split('.')[-1] for o in made.image} | {o.split('.')[-1] for o in made.parent if o}=={'jpg'}

def test_a_copy_cannot_leak(prepared, tmp_path):
    from boneage_fastai.leak import check_leak
    folder,df = prepared
    augment(augment_plan(df, 100, ('sex',)), folder, tmp_path/'B', verbose=False)
    table = read_labels(tmp_path/'B/labels.csv', verbose=False)
    check_leak(table, tmp_path/'B', grouped_folds(table)==0)
    with pytest.raises(LabelError): check_leak(table, tmp_path/'B', np.random.default_rng(0).random(100)<.2)
    blind = table.assign(case_id=table.image).drop(columns='parent')
    with pytest.raises(LabelError, match='identical file'): check_leak(blind, tmp_path/'B', np.random.default_rng(0).random(100)<.2)

RUN = """
import sys
from boneage_fastai.augment import augment
augment(sys.argv[1]+'/plan.csv', sys.argv[2], sys.argv[1]+'/B', format=sys.argv[3], workers=2, verbose=False)
"""

@pytest.mark.parametrize('format', ['jpg', 'bank'])
def test_killed_and_run_again(prepared, tmp_path, format):
    folder,df = prepared
    plan = augment_plan(df, 160, ('sex',))
    plan.to_csv(tmp_path/'plan.csv', index=False)
    augment(plan, folder, tmp_path/'clean', format=format, workers=1, verbose=False)
    codes = []
    for pause in (.05, .15):
        job = subprocess.Popen([sys.executable, '-c', RUN, tmp_path, folder, format])
        while job.poll() is None and not (tmp_path/'B/manifest.jsonl.part').exists(): time.sleep(.005)
        time.sleep(pause)
        job.send_signal(signal.SIGKILL)
        codes.append(job.wait())
    assert -signal.SIGKILL in codes, 'no run was interrupted'
    augment(plan, folder, tmp_path/'B', format=format, verbose=False)
    assert whole(tmp_path/'B')==whole(tmp_path/'clean')

def test_another_plan_is_refused(prepared, tmp_path):
    folder,df = prepared
    augment(augment_plan(df, 40, ()), folder, tmp_path/'B', verbose=False)
    before = whole(tmp_path/'B')
    with pytest.raises(BoneAgeError, match='another plan'): augment(augment_plan(df, 40, (), seed=1), folder, tmp_path/'B')
    with pytest.raises(BoneAgeError, match='lies inside'): augment(augment_plan(df, 40, ()), folder, folder/'B')
    assert whole(tmp_path/'B')==before
