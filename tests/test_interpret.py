"Every number of an interpretation against scikit-learn, SciPy or a plain loop; the tests of groups against what they promise"
import math, re
import numpy as np, pandas as pd, pytest, scipy.stats as st, sklearn.metrics as skm
from boneage_fastai.baselines import baselines, is_it_good
from boneage_fastai.core import BoneAgeError, LabelError
from boneage_fastai.groups import by_groups, permutation_test
from boneage_fastai.interpret import AgeInterpretation
from boneage_fastai.measures import age_bands, cases_of, measures, predictions_table
from boneage_fastai.plots import agreement, error_by_age, error_histogram
from boneage_fastai.report import data_facts


def invented(n=300, seed=0, copies=1):
    "Children with errors of about nine months that grow with age, and `copies` radiographs of each"
    rng = np.random.default_rng(seed)
    df = pd.DataFrame(dict(image=[f'{i}.png' for i in range(n)], case_id=[f'c{i}' for i in range(n)], sex=rng.choice(['F', 'M', 'unknown'], n, p=[.5, .45, .05]),
        race=rng.choice(['ASI', 'BLK', 'CAU', 'HIS'], n), age_months=rng.uniform(1, 225, n)))
    df['predicted'] = .95*df.age_months+8+rng.normal(0, 4+df.age_months/30)
    df['chronological_months'] = df.age_months+rng.normal(0, 12, n)
    df['reading1_months'],df['reading2_months'] = df.age_months+rng.normal(0, 5, n),df.age_months+rng.normal(0, 5, n)
    return pd.concat([df.assign(image=df.image+str(i), predicted=df.predicted+i) for i in range(copies)], ignore_index=True)

@pytest.fixture(scope='module')
def interp(): return AgeInterpretation.from_table(invented())

@pytest.fixture(scope='module')
def t(interp): return interp.table()


def test_summary(interp, t):
    s,e = interp.summary(),(t.predicted-t.actual).to_numpy()
    line = st.linregress((t.actual+t.predicted)/2, e)
    oracle = dict(n=len(t), cases=len(t), mae=skm.mean_absolute_error(t.actual, t.predicted), rmse=skm.root_mean_squared_error(t.actual, t.predicted),
        bias=np.mean(e), sd=np.std(e, ddof=1), r2=skm.r2_score(t.actual, t.predicted), slope=line.slope, slope_p=line.pvalue,
        loa_lower=np.mean(e)-1.96*np.std(e, ddof=1), loa_upper=np.mean(e)+1.96*np.std(e, ddof=1), mae_years=np.mean(np.abs(e))/12,
        median_mae=skm.mean_absolute_error(t.actual, np.full(len(t), np.median(t.actual))),
        chronological_mae=skm.mean_absolute_error(t.actual, t.chronological_months),
        readers_rmse=skm.root_mean_squared_error(t.reading1_months, t.reading2_months))
    oracle |= {f'within_{k}': 100*sum(abs(o)<=k for o in e)/len(e) for k in (6, 12, 24)}
    medians = {o: np.median([a for a,s in zip(t.actual, t.sex) if s==o]) for o in set(t.sex)}
    oracle['median_by_sex_mae'] = np.mean([abs(a-medians[s]) for a,s in zip(t.actual, t.sex)])
    for k,v in oracle.items(): assert s[k]==pytest.approx(v, rel=1e-9, abs=1e-12), k
    assert set(s)==set(oracle)|{f'{k}_{end}' for k in measures(t, 10).index for end in ('low', 'high')}

@pytest.mark.parametrize('copies', [1, 3])
def test_intervals_by_case(copies):
    "A loop that draws whole cases and lets scikit-learn count finds the same intervals"
    t = predictions_table(invented(80, copies=copies))
    rows = list(t.groupby('case_id').indices.values())
    rng,drawn = np.random.default_rng(7),[]
    a,p = t.actual.to_numpy(),t.predicted.to_numpy()
    for _ in range(1500):
        i = np.concatenate([rows[k] for k in rng.integers(len(rows), size=len(rows))])
        e = p[i]-a[i]
        sd = e.std(ddof=1)
        drawn.append((np.abs(e).mean(), np.sqrt((e**2).mean()), e.mean(), sd, skm.r2_score(a[i], p[i]), 100*(np.abs(e)<=12).mean(), e.mean()-1.96*sd,
            st.linregress((a[i]+p[i])/2, e).slope))
    m = measures(t, 4000).loc[['mae', 'rmse', 'bias', 'sd', 'r2', 'within_12', 'loa_lower', 'slope']]
    low,high = np.percentile(drawn, [2.5, 97.5], axis=0)
    width = high-low
    assert (np.abs(m.low-low)<.12*width).all() and (np.abs(m.high-high)<.12*width).all(), (m, low, high)

def test_intervals_cover():
    "Of 300 samples of 60 children, about 95 % of the intervals hold the truth; the percentile bootstrap of so few stays a little below"
    truth,hits = 9*math.sqrt(2/math.pi),0
    for i in range(300):
        rng = np.random.default_rng(i)
        a = rng.uniform(0, 200, 60)
        o = measures(predictions_table(pd.DataFrame(dict(actual=a, predicted=a+rng.normal(0, 9, 60)))), 400).loc['mae']
        hits += o.low<=truth<=o.high
    assert .90<=hits/300<=.98

def test_baselines(t):
    b = baselines(t)
    both = (t.reading1_months-t.reading2_months)
    assert b.mae['two readers']==pytest.approx(both.abs().mean()) and b.source['two readers']=='these radiographs'
    assert b.gain['chronological age']==pytest.approx((t.chronological_months-t.actual).abs().mean()-t.error.abs().mean())
    diff = ((t.chronological_months-t.actual).abs()-t.error.abs()).to_numpy()
    theirs = st.bootstrap((diff,), np.mean, n_resamples=5000, method='percentile', rng=0).confidence_interval
    assert tuple(b.loc['chronological age', ['gain_low', 'gain_high']])==pytest.approx(tuple(theirs), abs=.25)
    some = t.assign(chronological_months=t.chronological_months.where(t.index<50))
    assert (b.n['chronological age'], baselines(some).n['chronological age'])==(len(t), 50)
    assert baselines(some).model_mae['chronological age']==pytest.approx(t.error[:50].abs().mean())
    bare = baselines(t.drop(columns=['reading1_months', 'reading2_months', 'chronological_months']))
    assert bare.rmse['two readers']==pytest.approx(.63*12) and 'Thodberg' in bare.source['two readers']

def test_the_words_hold_the_numbers(t):
    said = is_it_good(t)
    assert f'{t.error.abs().mean():.1f} months on average' in said[0]
    noise = t.assign(chronological_months=t.predicted+np.where(t.index%2, 1e-6, -1e-6))
    assert 'no more than noise' in is_it_good(noise)[2]
    worse = t.assign(chronological_months=t.actual+1)
    shown = re.search(r'The model is worse by (\S+) months \(95 % interval (\S+) to (\S+)\)', is_it_good(worse)[2])
    value,low,high = (float(o.replace('−', '-')) for o in shown.groups())
    assert low<=value<=high and value==pytest.approx(t.error.abs().mean()-1, abs=.06)


def test_slope_of_copies():
    "Several radiographs of a case: the sandwich of statsmodels' clustered errors, written out"
    t = predictions_table(invented(60, copies=4))
    x,e,case = np.stack([np.ones(len(t)), (t.actual+t.predicted)/2], 1),t.error.to_numpy(),cases_of(t)
    bread = np.linalg.inv(x.T@x)
    b = bread@x.T@e
    scores = [x[case==k].T@(e-x@b)[case==k] for k in range(60)]
    cov = 60/59*(len(t)-1)/(len(t)-2)*bread@sum(np.outer(o, o) for o in scores)@bread
    p = 2*st.t.sf(abs(b[1])/np.sqrt(cov[1,1]), 59)
    assert measures(t, 10).attrs['slope_p']==pytest.approx(p, rel=1e-8)


def test_groups(t):
    for columns in ('sex', ['race', 'sex'], 'age_band'):
        b,x = by_groups(t, columns, 200),t.assign(age_band=pd.cut(t.actual/12, [0, 2, 5, 8, 11, 14, 17, 99], right=False).astype(str))
        columns = [columns] if isinstance(columns, str) else columns
        assert b.n.sum()==len(t) and list(b.index.names)==columns
        assert sorted(b.n)==sorted(x.groupby(columns).size())
        assert sorted(b.mae)==pytest.approx(sorted(x.error.abs().groupby([x[c] for c in columns]).mean()))
        assert sorted(b.bias)==pytest.approx(sorted(x.error.groupby([x[c] for c in columns]).mean()))
        assert ((b.mae_low<=b.mae) & (b.mae<=b.mae_high)).all()

def test_p_values_of_a_brute_force(t):
    "The adjusted p-value of the largest of Welch's t, by a plain loop over permutations"
    x,g = t.error.abs().to_numpy()[:90],np.repeat([0, 1, 2], 30)
    welch = lambda x, g: [abs(st.ttest_ind(x[g==k], x[g!=k], equal_var=False).statistic) for k in range(3)]
    seen,rng = np.array(welch(x, g)),np.random.default_rng(3)
    above = sum(max(welch(rng.permutation(x), g))>=seen for _ in range(600))
    assert permutation_test(x[:,None], g, n=3000)[:,0]==pytest.approx((above+1)/601, abs=.06)

def rate(draw, n=300, sizes=(12, 20, 30, 60)):
    "How often a table with nothing to find calls something"
    group = np.repeat(range(len(sizes)), sizes)
    return np.mean([(permutation_test(draw(np.random.default_rng(i), group), group, n=199, seed=i)<=.05).any() for i in range(n)])

def both(e): return np.stack([np.abs(e), e], 1)

@pytest.mark.parametrize('draw', [lambda rng, g: both(rng.normal(0, 9, len(g))), lambda rng, g: both(9*rng.standard_t(3, len(g))),
    lambda rng, g: both(rng.exponential(9, len(g))-9)], ids=['normal', 'heavy tails', 'skewed'])
def test_nothing_is_found_where_nothing_is(draw):
    "5 % ± three standard errors of 300 tables"
    assert .012<=rate(draw)<=.088

def test_level_with_unequal_scatter():
    "Equal means, but the largest group scatters three times as much: a test that does not studentise would call too much or too little"
    scatter = np.repeat([1, 1, 1, 3], [12, 20, 30, 60])
    assert .005<=rate(lambda rng, g: (rng.normal(0, 9, len(g))*scatter)[:,None])<=.10

def test_what_is_there_is_found():
    df = invented(400)
    df.loc[df.race=='HIS', 'predicted'] += 9
    b = by_groups(predictions_table(df), 'race')
    assert 'bias' in b.verdict['HIS'] and b.bias_p['HIS']<.01

def test_errors_without_scatter():
    "Two groups with one error each are as far apart as can be, and the same from either side"
    df = pd.DataFrame(dict(actual=100., predicted=[100.]*20+[124.]*20, site=['a']*20+['b']*20, image=range(40)))
    p = by_groups(predictions_table(df), 'site', 400)[['mae_p', 'bias_p']].to_numpy()
    assert (p<.02).all() and (p==p[0,0]).all()
    even = by_groups(predictions_table(df.assign(predicted=124.)), 'site', 100)
    assert set(even.verdict)=={'no more than noise'}

def test_groups_with_an_order_and_gaps(t):
    site = pd.Categorical(['low', 'high', None]*(len(t)//3), ['low', 'high'], ordered=True)
    x = t.assign(site=site)
    assert by_groups(x, 'site', 20).index.tolist()==['low', 'high', 'unknown']
    assert AgeInterpretation.from_table(x).worst(1, within='site').site.isna().sum()==1
    assert by_groups(t.assign(_group=t.sex), '_group', 20).n.sum()==len(t)

def test_copies_are_no_evidence():
    "Twenty copies of forty children say as little about sex as the forty do"
    df = invented(40)
    df['sex'] = np.where(df.index%2, 'F', 'M')
    once,many = by_groups(predictions_table(df), 'sex'),by_groups(predictions_table(pd.concat([df]*20)), 'sex')
    for o in ('mae_p', 'bias_p', 'mae_low', 'bias_high'): assert many[o].to_numpy()==pytest.approx(once[o].to_numpy())
    assert many.n.sum()==800 and many.cases.sum()==40


def test_worst(interp, t):
    for by,key in dict(abs=lambda o: -abs(o), over=lambda o: -o, under=lambda o: o).items():
        rows = sorted(t.index, key=lambda i: key(t.error[i]))[:7]
        assert interp.worst(7, by=by).index.tolist()==rows
    for column in ('sex', 'race', 'age_band'):
        groups = age_bands(t.actual).astype(str) if column=='age_band' else t[column].to_numpy()
        found = interp.worst(2, within=column)
        for g in set(groups):
            mine = sorted(t.index[groups==g], key=lambda i: -abs(t.error[i]))[:2]
            assert found.index[[o in set(t.index[groups==g]) for o in found.index]].tolist()==mine

def test_tables_behind_plots(t):
    a = agreement(t)
    assert a.attrs['slope']==pytest.approx(st.linregress(a['mean'], a.error).slope)
    h = error_histogram(t)
    assert h.n.tolist()==np.histogram(t.error, [*h.low, h.high.iloc[-1]])[0].tolist() and h.n.sum()==len(t)
    for o in error_by_age(t).itertuples():
        near = t.error[(t.actual>=o.age_months-12) & (t.actual<=o.age_months+12)]
        assert (o.n, o.median, o.mae)==pytest.approx((len(near), near.median(), near.abs().mean()))

def test_tables_of_other_people():
    odd = pd.DataFrame(dict(actual=['120', '60', None, 'inf'], predicted=[130, 55, 80, 90], ID=[1, 2, 3, 4]), index=[9, 9, 9, 9])
    t = predictions_table(odd)
    assert t.error.tolist()==[10, -5] and t.index.tolist()==[0, 1] and t.ID.tolist()==[1, 2]
    assert cases_of(t).tolist()==[0, 1]
    own = predictions_table(pd.DataFrame(dict(image=['a', 'a_1', 'b'], parent=[None, 'a', ''], actual=1., predicted=2.)))
    assert cases_of(own).tolist()==[0, 0, 1]
    with pytest.raises(LabelError, match='row 1: has .féminin. in `sex`'): predictions_table(pd.DataFrame(dict(actual=[1, 2], predicted=[1, 2], sex=['f', 'féminin'])))
    kept = AgeInterpretation.from_table(odd)
    assert kept.worst(1).index.tolist()==[0] and len(kept.dl.items)==4 and data_facts(kept)['Left out'].startswith('2 ')
    with pytest.raises(BoneAgeError, match='is not a table'): AgeInterpretation.from_table('predictions.csv')
    with pytest.raises(LabelError, match='no number'): predictions_table(pd.DataFrame(dict(actual=['ten'], predicted=[1])))
    with pytest.raises(BoneAgeError): predictions_table(pd.DataFrame(dict(actual=[], predicted=[])))

def test_small_tables():
    for n in (1, 2, 3):
        interp = AgeInterpretation.from_table(invented(n))
        assert interp.summary(n_boot=50)['n']==n and interp.by('sex', n_boot=50).n.sum()==n and len(interp.is_it_good(n_boot=50))>=2
        for plot in (interp.plot_actual, interp.plot_agreement, interp.plot_error_by_age, interp.plot_errors, interp.plot_baselines): assert plot().axes
