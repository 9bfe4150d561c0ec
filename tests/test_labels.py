"Tables as they are met in the wild; the pages 01a, 01b, 02 and 02a hold the rest"
import re, sys, zipfile
import numpy as np, pandas as pd, pytest
from pandas.testing import assert_frame_equal, assert_series_equal
from boneage_fastai.atlas import read_atlas
from boneage_fastai.core import LabelError
from boneage_fastai.files import find_radiographs, match_images
from boneage_fastai.labels import check_labels, grouped_folds, read_labels, write_labels

def write(path, text, encoding='utf-8'):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path

DIALECTS = dict(
    project=('Case ID,Bone Age,Male,Location\n1 (1),7,FALSE,African American\n', dict(image='1 (1)', sex='F', age_months=84, target_kind='chronological', race='BLK')),
    project_turned=('ID Case,Bone Age,Male,Location\n9 (2),0,TRUE,Caucasian\n', dict(image='9 (2)', sex='M', age_months=0, target_kind='chronological', race='CAU')),
    rsna=('id,boneage,male\n0378,94,False\n', dict(image='0378', case_id='0378', sex='F', age_months=94, target_kind='reading')),
    rsna_spaced=(' ID , BoneAge ,MALE\n1378,12,True\n', dict(image='1378', case_id='1378', sex='M', age_months=12, target_kind='reading')),
    rsna_validation=('Image ID,male,Bone Age (months)\n1386,TRUE,30\n', dict(image='1386', case_id='1386', sex='M', age_months=30, target_kind='reading')),
    deeplasia=('image_ID,dir,patient_ID,sex,bone_age\nla_dha_00000.png,la_dha,82104087,F,105.96\n',
        dict(image='la_dha/la_dha_00000.png', case_id='82104087', sex='F', age_months=105.96, target_kind='reading')),
    own=('image,case_id,sex,age_months,target_kind,race,chronological_months\na/1.jpg,BLKM11/3152,M,151.5,reading,BLK,132.0\n',
        dict(image='a/1.jpg', case_id='BLKM11/3152', sex='M', age_months=151.5, target_kind='reading', race='BLK', chronological_months=132)),
    own_short=('Image,Age_Months\nx.png,3\n', dict(image='x.png', sex='unknown', age_months=3, target_kind='unknown')))

@pytest.mark.parametrize('name', DIALECTS)
def test_dialect(name, tmp_path):
    text,row = DIALECTS[name]
    df = read_labels(write(tmp_path/'t.csv', text), verbose=False)
    assert df.iloc[0].to_dict()==row and list(df)==list(row)
    assert df.attrs['problems']==[] and df.age_months.dtype==float

@pytest.mark.parametrize('separator', [',', ';', '\t'])
@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'latin-1', 'utf-16'])
def test_encodings_and_separators(separator, encoding, tmp_path):
    text = 'image,age_months,sex\r\nMüller.png,12.5,F\r\n\r\n0017.png,13,M\r\n'.replace(',', separator)
    df = read_labels(write(tmp_path/'t.csv', text, encoding), verbose=False)
    assert df.image.tolist()==['Müller.png', '0017.png'] and df.age_months.tolist()==[12.5, 13] and df.sex.tolist()==['F', 'M']
    assert [i+2 for i in df.index]==[2, 4]

@pytest.mark.parametrize('name', DIALECTS)
def test_excel(name, tmp_path):
    pytest.importorskip('openpyxl')
    text,row = DIALECTS[name]
    csv = pd.read_csv(write(tmp_path/'t.csv', text), dtype={0: str} if '0378' in text else None)
    csv.to_excel(tmp_path/'t.xlsx', index=False)
    assert read_labels(tmp_path/'t.xlsx', verbose=False).iloc[0].to_dict()==row

def test_excel_blank_rows_keep_lines(tmp_path):
    openpyxl = pytest.importorskip('openpyxl')
    book = openpyxl.Workbook()
    for row in ([], ['id', 'boneage', 'male'], [1378, 12, True], [], [1379.0, 94.5, False]): book.active.append(row)
    book.active.cell(5, 1, 1379.0)
    book.save(tmp_path/'t.xlsx')
    df = read_labels(tmp_path/'t.xlsx', verbose=False)
    assert df.image.tolist()==['1378', '1379'] and df.age_months.tolist()==[12, 94.5] and df.sex.tolist()==['M', 'F']
    assert [i+2 for i in df.index]==[3, 5]

def test_excel_without_openpyxl(tmp_path, monkeypatch):
    pytest.importorskip('openpyxl')
    pd.DataFrame(dict(image=['a'], age_months=[1])).to_excel(tmp_path/'t.xlsx', index=False)
    monkeypatch.setitem(sys.modules, 'openpyxl', None)
    with pytest.raises(LabelError, match=re.escape("pip install 'boneage_fastai[excel]'")): read_labels(tmp_path/'t.xlsx')

def test_not_a_workbook(tmp_path):
    pytest.importorskip('openpyxl')
    with pytest.raises(LabelError, match='cannot be read'): read_labels(write(tmp_path/'t.xlsx', 'id,boneage'))

@pytest.mark.parametrize('data, reason', [(b'', 'is empty'), (b'\n \n', 'is empty'), (b'\x89PNG\r\n\x1a\n\0\0', 'not a text table'), (b'image,age_months\n"a,1\n'+b'x'*200000, 'not a row')])
def test_not_a_table(data, reason, tmp_path):
    (tmp_path/'t.csv').write_bytes(data)
    with pytest.raises(LabelError, match=reason): read_labels(tmp_path/'t.csv')

def test_lines_with_quoted_line_breaks(tmp_path):
    df = read_labels(write(tmp_path/'t.csv', '\nimage,age_months,remark\na,1,"two\nlines"\nb,2,\n'), verbose=False)
    assert [i+2 for i in df.index]==[3, 5] and df.remark[1]=='two\nlines'

def test_decimal_comma_unquoted_is_an_error_of_the_row(tmp_path):
    df = read_labels(write(tmp_path/'t.csv', 'id,boneage,male\n1,12,5,True\n2,13,True\n'), verbose=False)
    assert df.age_months.isna().tolist()==[True, False] and df.sex.tolist()==['unknown', 'M']
    assert check_labels(df).query('severity=="error"')[['line', 'problem']].values.tolist()==[[2, 'has more cells than the header']]

def test_header_without_rows(tmp_path):
    df = read_labels(write(tmp_path/'t.csv', 'image,age_months\n'), verbose=False)
    assert len(df)==len(check_labels(df, tmp_path))==0
    with pytest.raises(LabelError, match='0 cases'): grouped_folds(df.assign(case_id=''))

UNKNOWN = ['file,BA,gender\na.png,7.5,F\n', 'Patient;Bild;Alter\n1;a;3\n', 'Name,Skeletal age,Sex\n"Doe, J",150,1\nx,12,0\n', 'x\n1\n', 'hospital id,film file,bone age [y],m/f\n1,a.png,3,m\n']

@pytest.mark.parametrize('text', UNKNOWN)
def test_the_suggested_call_reads_the_table(text, tmp_path):
    path = write(tmp_path/"a table's.csv", text)
    with pytest.raises(LabelError, match='no dialect') as e: read_labels(path)
    for column in re.split('[,;]', text.splitlines()[0]): assert column in str(e.value)
    call = e.value.remedy.removeprefix('say what they mean: ').split(', or boneage labels ')[0]
    df = eval(call)
    assert len(df)==len(text.splitlines())-1
    assert '--columns' in e.value.remedy and not df.attrs['problems']

COLUMNS = dict(image='file', age='BA')
def clinic(tmp_path, *ages): return write(tmp_path/'c.csv', 'file,BA,g,male\n' + ''.join(f'{i}.png,{a},{i%2},{i%2}.0\n' for i,a in enumerate(ages)))

@pytest.mark.parametrize('ages, unit, first', [((5, 20), 'years', 60), ((5, 26), 'months', 5), ((5.5, 180), 'months', 5.5)])
def test_unit_is_inferred_and_said(ages, unit, first, tmp_path, capsys):
    df = read_labels(clinic(tmp_path, *ages), COLUMNS)
    assert df.age_months[0]==first and f'{unit}' in df.attrs['notes'][1] and 'inferred' in df.attrs['notes'][1]
    assert capsys.readouterr().out.splitlines()==df.attrs['notes']

@pytest.mark.parametrize('ages', [(5, 21), (5.5, 13), (5, 25)])
def test_unit_in_doubt_is_asked(ages, tmp_path):
    with pytest.raises(LabelError, match='may be years or months'): read_labels(clinic(tmp_path, *ages), COLUMNS)
    assert read_labels(clinic(tmp_path, *ages), COLUMNS, unit='years', verbose=False).age_months.tolist()==[12*a for a in ages]

@pytest.mark.parametrize('codes', [{1: 'M', 0: 'F'}, {'1': 'boy', '0': 'girl'}, {1.0: 'M', 0.0: 'F'}])
@pytest.mark.parametrize('column', ['g', 'male'])
def test_codes_of_sex(codes, column, tmp_path):
    df = read_labels(clinic(tmp_path, 100, 90), COLUMNS|dict(sex=column, case='file'), sex=codes, target_kind='reading', verbose=False)
    assert df.sex.tolist()==['F', 'M'] and df.case_id.tolist()==df.image.tolist() and set(df.target_kind)=={'reading'}

def test_a_code_of_sex_is_never_guessed(tmp_path):
    df = read_labels(clinic(tmp_path, 100, 90), COLUMNS|dict(sex='g'), verbose=False)
    assert set(df.sex)=={'unknown'} and check_labels(df).value.tolist()==['0', '1']

@pytest.mark.parametrize('columns, reason', [(dict(age='BA'), 'names no image'), (dict(image='file', weight='BA'), 'does not know'), (dict(image='nofile'), 'has no column')])
def test_wrong_columns(columns, reason, tmp_path):
    with pytest.raises(LabelError, match=reason): read_labels(clinic(tmp_path, 100), columns)

def test_years_that_reach_months_are_refused(tmp_path):
    path = write(tmp_path/'t.csv', 'Case ID,Bone Age,Male,Location\n1,180,TRUE,Asian\n')
    with pytest.raises(LabelError, match='should hold years'): read_labels(path)
    assert read_labels(path, unit='months', verbose=False).age_months[0]==180

def test_whole_years_are_doubted(tmp_path):
    rows = ''.join(f'{i},{12*(i%15)},True\n' for i in range(40))
    warned = lambda text: any('whole year' in o for o in read_labels(write(tmp_path/'t.csv', 'id,boneage,male\n'+text), verbose=False).attrs['notes'])
    assert warned(rows) and not warned(rows+'99,121,True\n') and not warned(rows[:100])

def test_years_called_months_are_doubted(tmp_path):
    df = read_labels(write(tmp_path/'t.csv', 'id,boneage,male\n'+''.join(f'{i},{i%18},True\n' for i in range(30))), verbose=False)
    assert any("pass unit='years'" in o for o in df.attrs['notes'])

def test_what_is_not_understood_is_remembered(tmp_path):
    df = read_labels(write(tmp_path/'t.csv', 'image,sex,age_months,target_kind,reading1_months\na,F,abc,reading,1\n\nb,x,12,guess,2\nc,girl,-,reading,y\n'), verbose=False)
    assert [(o['line'], o['image'], o['column'], o['value']) for o in df.attrs['problems']]==[
        (4, 'b', 'sex', 'x'), (2, 'a', 'age_months', 'abc'), (4, 'b', 'target_kind', 'guess'), (5, 'c', 'reading1_months', 'y')]
    assert all(o['problem'] and o['remedy'] for o in df.attrs['problems'])
    assert check_labels(df).line.tolist()==[2, 4, 4, 5, 5]
    assert check_labels(df[df.image=='c']).line.tolist()==[5, 5]

def test_check_against_a_loop(tmp_path):
    rng = np.random.default_rng(0)
    values = dict(image=['a', 'b', 'c', 'd', None], sex=['F', 'boy', 'q', None], age_months=[0, 240, -.1, 240.1, np.nan, np.inf])
    df = pd.DataFrame({c: rng.choice(o, 60) for c,o in values.items()})
    want,seen = [],{}
    for i,o in enumerate(df.itertuples()):
        if o.image is None or o.image!=o.image: want.append((i+2, 'image', 'error'))
        elif o.image in seen: want.append((i+2, 'image', 'note' if seen[o.image]==(str(o.sex), str(o.age_months)) else 'error'))
        else: seen[o.image] = (str(o.sex), str(o.age_months))
        if o.sex=='q': want.append((i+2, 'sex', 'error'))
        if np.isnan(o.age_months): want.append((i+2, 'age_months', 'note'))
        elif not 0<=o.age_months<=240: want.append((i+2, 'age_months', 'error'))
    got = check_labels(df)
    assert sorted(zip(got.line, got.column, got.severity))==sorted(want)

def test_missing_and_ambiguous_radiographs(tmp_path):
    for o in ('x/1.png', 'y/1.jpg', '2.png', 'z/3.PNG'): write(tmp_path/o, '')
    df = pd.DataFrame(dict(image=['1', '2', '2.png', '3.png', '4'], sex='F', age_months=1.))
    got = check_labels(df, tmp_path)
    assert got[['line', 'severity']].values.tolist()==[[2, 'error'], [4, 'note'], [6, 'note']]
    assert got.problem[0]=='is ambiguous: x/1.png, y/1.jpg' and 'twice' in got.problem[1] and 'is not in' in got.problem[2]

MATCHES = [ # files, images, what they find
    (['a.png', 'a.PNG'], ['a.png', 'a.PNG', 'a'], ['a.png', 'a.PNG', None]),
    (['1 (1).jpg', '1 (10).jpg'], ['1 (1)', '1 (10)', '1 (2)'], ['1 (1).jpg', '1 (10).jpg', None]),
    (['JPEGimages/BLKM/BLKM13/7250.jpg', 'JPEGimages/CAUF/CAUF07/7250.jpg'], ['CAUF/CAUF07/7250.jpg', r'BLKM\BLKM13\7250'],
        ['JPEGimages/CAUF/CAUF07/7250.jpg', 'JPEGimages/BLKM/BLKM13/7250.jpg']),
    (['CAUF/CAUF07/7250.jpg'], ['CAUF/CAUF07/7250.jpg', 'BLKM/BLKM13/7250.jpg'], ['CAUF/CAUF07/7250.jpg', None]),
    (['7250.jpg'], ['CAUF/CAUF07/7250.jpg', 'BLKM/BLKM13/7250.jpg'], [None, None]),
    (['7250.jpg'], ['CAUF/CAUF07/7250.jpg', 'CAUF/CAUF07/7250.jpg'], ['7250.jpg', '7250.jpg']),
    (['scan.1.jpg', 'b.dcm'], ['scan.1', 'b', './b.dcm', None, '../x/b.png'], ['scan.1.jpg', 'b.dcm', 'b.dcm', None, None]),
    (['sub/.hidden/a.png', 'sub/._b.png', 'notes.txt'], ['a', 'b', 'notes'], [None, None, None])]

@pytest.mark.parametrize('files, images, want', MATCHES)
def test_match(files, images, want, tmp_path):
    try:
        for o in files: write(tmp_path/o, '')
        if len(find_radiographs(tmp_path))<len({o for o in files if '.txt' not in o and '/.' not in o}): pytest.skip('the file system does not tell capitals apart')
    except OSError: pytest.skip('the file system refuses these names')
    df = pd.DataFrame(dict(image=images), index=range(7, 7+len(images)))
    got = match_images(df, tmp_path)
    assert got.tolist()==want and got.index.equals(df.index)

def test_ten_thousand_rows(tmp_path):
    n = 10_000
    path = write(tmp_path/'t.csv', 'id,boneage,male\n'+''.join(f'{i:05d},{i%228},{bool(i%2)}\n' for i in range(n)))
    for i in range(0, n, 10): write(tmp_path/f'images/{i%7}/{i:05d}.png', '')
    df = read_labels(path, verbose=False)
    file = match_images(df, tmp_path/'images')
    assert file.notna().sum()==n//10 and file[10]=='3/00010.png' and len(check_labels(df, tmp_path/'images'))==n-n//10
    assert df.image[17]=='00017' and df.age_months.tolist()==[i%228 for i in range(n)]

def atlas_like(n=90, copies=3, seed=0):
    rng = np.random.default_rng(seed)
    cases = pd.DataFrame(dict(case_id=range(n), sex=rng.choice(['F', 'M', 'unknown'], n), age_months=rng.uniform(0, 230, n)))
    df = cases.loc[np.repeat(cases.index, copies)].reset_index(drop=True)
    df.loc[df.case_id%11==0, 'age_months'] = np.nan
    return df.assign(image=[f'{c}_{i}.png' for i,c in enumerate(df.case_id)])

@pytest.mark.parametrize('n', [2, 5, 10])
def test_folds_group_balance_and_order(n):
    df = atlas_like()
    fold = grouped_folds(df, n)
    assert fold.groupby(df.case_id).nunique().max()==1 and set(fold)==set(range(n)) and fold.dtype.kind=='i'
    for seed in range(3):
        mixed = df.sample(frac=1, random_state=seed)
        assert_series_equal(grouped_folds(mixed, n).sort_index(), fold)
    assert fold[df.age_months.isna()].nunique()>1

def test_folds_are_more_even_than_by_chance():
    df = atlas_like(400, 1)
    spread = lambda fold: pd.crosstab(fold, [df.age_months.fillna(-30)//24, df.sex]).std().sum()
    chance = [spread(pd.Series(np.random.default_rng(i).permutation(len(df))%5, df.index)) for i in range(20)]
    assert spread(grouped_folds(df))<min(chance)

@pytest.mark.parametrize('n', [3, 5])
def test_no_fold_is_empty_in_small_tables(n):
    for seed in range(30):
        rng = np.random.default_rng(seed)
        df = atlas_like(rng.integers(n, 12), int(rng.integers(1, 4)), seed)
        assert set(grouped_folds(df, n, seed))==set(range(n))

def test_copies_follow_their_parent():
    df = atlas_like(30, 1)
    copies = df.assign(parent=df.image, image='copy_'+df.image, case_id=None)
    again = copies.assign(parent=copies.image, image='again_'+copies.image)
    both = pd.concat([df.assign(parent=None), copies, again], ignore_index=True)
    fold = grouped_folds(both).to_numpy().reshape(3, -1)
    assert (fold==fold[0]).all()

@pytest.mark.parametrize('change, reason', [(lambda o: o.drop(columns='case_id'), 'has no case_id'), (lambda o: o.assign(case_id=o.case_id.astype(object).mask(o.index==4)), '^line 6: has no case_id')])
def test_folds_without_cases_are_refused(change, reason):
    with pytest.raises(LabelError, match=reason): grouped_folds(change(atlas_like(10, 1)))

def test_round_trip(tmp_path):
    df = pd.DataFrame(dict(image=['0017', 'b c.png', 'ü,"q".png'], case_id=['1', None, 'x'], sex=['F', 'M', 'unknown'], age_months=[1/3, np.nan, 228],
        target_kind=['reading', 'unknown', 'chronological'], race=['ASI', None, None], chronological_months=[0, np.nan, 1e-9], fold=[0, 4, 2], predicted=[.1+.2, 7, np.nan],
        parent=[None, '0017', None], operator=[None, 'turn', None], params=[None, '{"angle": -3.5, "b": [1, 2]}', None], site=['007', 'x', 'y']))
    df = df.where(df.notna(), np.nan)
    got = read_labels(write_labels(df.sample(frac=1, axis=1, random_state=1), tmp_path/'new/labels.csv'), verbose=False)
    assert_frame_equal(got, df, check_dtype=False)
    assert_frame_equal(read_labels(write_labels(got, tmp_path/'again.csv'), verbose=False), got)
    assert [o.name for o in (tmp_path/'new').iterdir()]==['labels.csv']

def test_a_failed_write_leaves_the_old_table(tmp_path, monkeypatch):
    path = write_labels(pd.DataFrame(dict(image=['a'], age_months=[1.])), tmp_path/'labels.csv')
    def fail(*args, **kwargs):
        write(args[1], 'half')
        raise OSError('disk full')
    monkeypatch.setattr(pd.DataFrame, 'to_csv', fail)
    with pytest.raises(OSError): write_labels(pd.DataFrame(dict(image=['b'])), path)
    assert path.read_text()=='image,age_months\na,1.0\n' and [o.name for o in tmp_path.iterdir()]==['labels.csv']

# Real input

def test_real_project_table(radiographs, capsys):
    df = read_labels(radiographs/'atlas'/'seed_labels_7393.csv')
    said = capsys.readouterr().out
    for o in ('7393 rows', "original project's", 'whole years → months', 'chronological', 'not readings', 'about 10 months', 'No case_id', 'refuse', 'by their pixels'): assert o in said
    assert len(df)==7393 and df.age_months.isin(np.arange(19)*12).all() and 'case_id' not in df and set(df.race)=={'ASI', 'BLK', 'CAU', 'HIS'}
    assert len(check_labels(df))==0
    with pytest.raises(LabelError, match='by their pixels'): grouped_folds(df)

def test_real_rsna_table(radiographs):
    df = read_labels(radiographs/'rsna100'/'labels.csv', verbose=False)
    oracle = pd.read_csv(radiographs/'rsna100'/'labels.csv')
    assert df.image.tolist()==oracle.id.astype(str).tolist() and df.age_months.tolist()==oracle.boneage.tolist()
    assert ((df.sex=='M')==oracle.male).all() and len(check_labels(df))==0
    fold = grouped_folds(df)
    assert fold.value_counts().max()-fold.value_counts().min()<=2
    mean = df.groupby(fold).age_months.mean()
    assert mean.max()-mean.min()<1

def test_real_radiographs_are_found(radiographs, tmp_path):
    for name in ('originals', 'reduced'):
        df = read_labels(radiographs/'atlas'/f'{name}.csv', verbose=False)
        assert match_images(df, radiographs/'atlas'/name).tolist()==df.image.tolist()
    df = read_labels(radiographs/'rsna100'/'labels.csv', verbose=False)
    with zipfile.ZipFile(radiographs/'rsna100'/'images.zip') as z: names = [o for o in z.namelist() if o.endswith('.png')]
    for o in names: write(tmp_path/o, '')
    assert sorted(match_images(df, tmp_path))==sorted(names)

def test_real_atlas_table(radiographs, tmp_path):
    df = read_labels(radiographs/'atlas'/'all_cases.csv', verbose=False)
    for o in df.image: write(tmp_path/'JPEGimages'/o, '')
    race,bare = dict(BLK='1', CAU='2', HIS='3', ASI='4'),{'BLK', 'CAU'}
    ids = [f"8{race[c[:3]]}{'MF'.index(c[3])}{'0' if c[:3] in bare and int(c[4:6])<10 else int(c[4:6])}{c[7:]}" for c in df.case_id]
    rows = df.assign(patient_ID=ids, image_ID=df.image.str[-8:], dir='la_dha', bone_age=df.age_months)[['image_ID', 'dir', 'patient_ID', 'sex', 'bone_age']].dropna()
    rows = pd.concat([rows, pd.DataFrame(dict(image_ID=['x.png'], dir='la_dha', patient_ID='BLKM13', sex='M', bone_age=157.5))])
    rows.sample(frac=1, random_state=0).to_csv(tmp_path/'la_dha.csv', index=False)
    for readings in (tmp_path/'la_dha.csv', radiographs/'atlas'/'all_cases.csv'):
        got = read_atlas(tmp_path, readings, verbose=False).sort_values('case_id', ignore_index=True)
        want = df.sort_values('case_id', ignore_index=True)
        assert_frame_equal(got.drop(columns='image'), want.drop(columns='image'))
        assert got.age_months.notna().sum()==1378 and any(o.startswith('Radiographs without a reading: 12 (') for o in got.attrs['notes'])
    assert any('BLKM13' in o for o in read_atlas(tmp_path, tmp_path/'la_dha.csv', verbose=False).attrs['notes'])
    assert len(check_labels(got, tmp_path).query('severity=="error"'))==0
