"The report as a file that others open: self-contained, unbreakable by names, whole or not there, and the same numbers everywhere"
import json, re, shutil, subprocess
from html.parser import HTMLParser
import numpy as np, pandas as pd, pytest
from PIL import Image
from boneage_fastai import report as module
from boneage_fastai.core import RadiographError
from boneage_fastai.interpret import AgeInterpretation
from boneage_fastai.layout import Section
from boneage_fastai.phantom import make_phantom_atlas
from boneage_fastai.prepare import prepare

EVIL = ['<script>alert(1)</script>.png', '"><img src=x onerror=alert(1)>', "a' onmouseover='alert(1)", '$x_1$ & co %s {0}.png', '</table></script><!--', 'gnp.\u202egpj',
    '\u2028line\u2029', 'x'*300, 'ünïcödé 手.png', 'bad \udcff byte.png', '-1', '=1+1']
VOID = {'meta', 'img', 'br', 'input', 'link', 'hr'}

class Page(HTMLParser):
    "The elements, attributes and words of a page; what is not closed in order is noted"
    def __init__(self, text):
        super().__init__()
        self.elements,self.words,self.open,self.wrong = [],[],[],[]
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID: self.open.append(tag)

    def handle_startendtag(self, tag, attrs): self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop()!=tag: self.wrong.append(tag)

    def handle_data(self, data): self.words.append(data)

@pytest.fixture(scope='module')
def atlas(tmp_path_factory):
    folder = tmp_path_factory.mktemp('report')
    make_phantom_atlas(folder/'atlas', n=60, size=200)
    df = prepare(folder/'atlas', folder/'prepared', size=160, verbose=False)
    rng = np.random.default_rng(0)
    return folder/'prepared',df.assign(predicted=df.age_months+rng.normal(1, 9, len(df)))

@pytest.fixture(scope='module')
def made(atlas, tmp_path_factory):
    interp = AgeInterpretation.from_table(atlas[1], atlas[0])
    return interp,interp.report(tmp_path_factory.mktemp('made')/'report', notes=['On phantoms.'], command='boneage evaluate m d')

def test_it_stands_alone(made):
    text = made[1].read_text(encoding='utf-8')
    page = Page(text)
    assert not page.wrong and not page.open
    assert 'http' not in text and '@import' not in text and 'url(' not in re.sub(r'url\(#', '', text)
    outside = [v for tag,attrs in page.elements for k,v in attrs.items() if k in ('src', 'href') and not v.startswith(('data:image/jpeg;base64,', '#'))]
    assert not outside
    assert all('alt' in attrs for tag,attrs in page.elements if tag=='img') and sum(tag=='img' for tag,_ in page.elements)==24
    ids = {attrs['id'] for _,attrs in page.elements if 'id' in attrs}
    assert {attrs['href'][1:] for tag,attrs in page.elements if tag=='a'}<=ids
    assert 'prefers-color-scheme:dark' in text and '@media print' in text and 'width=device-width' in text

def test_the_numbers_agree(made):
    interp,page = made
    t,s = interp.table(),json.loads((page.parent/'summary.json').read_text())
    saved = pd.read_csv(page.parent/'predictions.csv', dtype=dict(case_id=str))
    assert list(saved)[:6]==['image', 'case_id', 'sex', 'actual', 'predicted', 'error'] and 'race' in saved and saved.image.tolist()==t.image.tolist()
    assert np.allclose(saved.predicted, t.predicted) and s['mae']==pytest.approx((saved.predicted-saved.actual).abs().mean())
    text = page.read_text(encoding='utf-8')
    assert f"<b>{s['mae']:.1f} <small>months" in text and f"{s['mae_low']:.1f} to {s['mae_high']:.1f}" in text
    data = json.loads(re.search(r'id="data">(.*?)</script>', text)[1])
    assert len(data['rows'])==len(t) and [o[-1] for o in data['rows']]==sorted(t.error.abs().round(1), reverse=True)
    assert s['made']['Command']=='boneage evaluate m d' and s['notes']==['On phantoms.'] and len(s['data']['Labels SHA-256'])==64

def test_it_can_be_made_again(made, tmp_path):
    again = made[0].report(tmp_path, notes=['On phantoms.'], command='boneage evaluate m d')
    same = lambda page: re.sub(r'\d{4}-\d\d-\d\d \d\d:\d\d UTC', '', page.read_text(encoding='utf-8'))
    assert same(again)==same(made[1])

def hostile(atlas):
    "A table whose names and labels want to be HTML, and a folder that holds none of them"
    rng = np.random.default_rng(1)
    n = len(EVIL)
    actual = rng.uniform(0, 200, n)
    return pd.DataFrame(dict(image=EVIL, case_id=EVIL[::-1], race=EVIL, sex=['F', 'M', 'unknown']*(n//3), site=[EVIL[0], EVIL[1], EVIL[3]]*(n//3),
        actual=actual, predicted=actual+rng.normal(0, 20, n)))

def test_names_are_escaped(atlas, tmp_path):
    interp = AgeInterpretation.from_table(hostile(atlas), atlas[0])
    extra = Section(EVIL[0], EVIL[:2], pd.DataFrame({EVIL[0]: [EVIL[1]]}))
    path = interp.report(tmp_path, title=EVIL[0], notes=EVIL[:5], by=['site', 'race'], sections=[extra], command=EVIL[1], facts={EVIL[0]: EVIL[4]})
    text = path.read_text(encoding='utf-8')
    page = Page(text)
    assert not page.wrong and not page.open
    assert sum(tag=='script' for tag,_ in page.elements)==2 and sum(tag=='img' for tag,_ in page.elements)==0
    assert not [k for _,attrs in page.elements for k in attrs if k.startswith('on')]
    words = ''.join(page.words)
    assert all(o in words for o in EVIL if '\udcff' not in o)
    rows = json.loads(re.search(r'id="data">(.*?)</script>', text, re.S)[1])['rows']
    assert {o[0] for o in rows}=={o for o in EVIL}
    assert pd.read_csv(tmp_path/'predictions.csv').image.tolist()[:9]==EVIL[:9]

def test_a_film_that_is_gone_stops_nothing(atlas, tmp_path):
    folder,df = atlas
    shutil.copytree(folder, tmp_path/'p')
    interp = AgeInterpretation.from_table(df, tmp_path/'p')
    first,second = interp.worst(2).image
    (tmp_path/'p/images'/first).unlink()
    (tmp_path/'p/images'/second).write_bytes(b'no image')
    text = interp.report(tmp_path/'r').read_text(encoding='utf-8')
    assert text.count('Cannot be read') == 2 and text.count('<img')==22
    assert [o.get_text() for o in interp.plot_top_losses(2).axes[0].texts][0].startswith('cannot be read')

@pytest.mark.parametrize('at', ['worst_cards', 'html_page', 'by_groups'])
def test_interrupted(made, tmp_path, monkeypatch, at):
    "What stops it leaves the old report, or no folder at all"
    def stop(*args, **kwargs): raise KeyboardInterrupt
    old = shutil.copytree(made[1].parent, tmp_path/'old')
    before = {o.name: o.read_bytes() for o in old.iterdir()}
    monkeypatch.setattr(module, at, stop)
    for folder in (old, tmp_path/'new'):
        with pytest.raises(KeyboardInterrupt): made[0].report(folder)
    assert {o.name: o.read_bytes() for o in old.iterdir()}==before and not (tmp_path/'new').exists()

def test_interrupted_while_writing(made, tmp_path, monkeypatch):
    old = shutil.copytree(made[1].parent, tmp_path/'old')
    before = {o.name: o.read_bytes() for o in old.iterdir()}
    def full(self, data): raise OSError(28, 'No space left on device')
    monkeypatch.setattr(module.Path, 'write_bytes', full)
    with pytest.raises(OSError): made[0].report(old)
    assert {o.name: o.read_bytes() for o in old.iterdir()}==before

def test_radiographs_are_read_when_shown(atlas, tmp_path, monkeypatch):
    interp,read = AgeInterpretation.from_table(atlas[1], atlas[0]),[]
    reader = interp.reader
    interp.reader = lambda row: read.append(row['image']) or reader(row)
    interp.reader.folder,interp.reader.preparation = reader.folder,reader.preparation
    interp.table(), interp.summary(), interp.by('sex'), interp.plot_actual()
    assert not read
    interp.report(tmp_path/'r', k=5)
    assert sorted(read)==sorted(interp.worst(5).image)

def test_maps_and_what_fails_in_them(made, tmp_path):
    def maps(interp, o):
        if o.name%2: raise RadiographError(o.image, 'has no map', '')
        return Image.new('RGB', (80, 80), 'red')
    text = made[0].report(tmp_path, k=10, maps=maps).read_text(encoding='utf-8')
    even = sum(i%2==0 for i in made[0].worst(10).index)
    assert 'class="films maps"' in text and text.count('<img')==10+even and text.count('has no map')==10-even

@pytest.mark.parametrize('n', [1, 2, 9])
def test_of_few(atlas, tmp_path, n):
    "One radiograph is enough for a report; what cannot be known is a dash, and null for programs"
    page = AgeInterpretation.from_table(atlas[1].head(n), atlas[0]).report(tmp_path)
    s = json.loads((tmp_path/'summary.json').read_text())
    seen = Page(re.sub('(?s)<script.*?</script>', '', page.read_text(encoding='utf-8')))
    assert not seen.wrong and not re.search(r'\bnan\b', ' '.join(seen.words), re.I)
    assert s['n']==n and (s['mae_low'] is None)==(n==1)

def test_size_and_memory(atlas, tmp_path):
    "1390 radiographs stay far below 5 MB"
    df = pd.concat([atlas[1].assign(case_id=lambda o: o.case_id+f'/{i}') for i in range(24)]).head(1390)
    page = AgeInterpretation.from_table(df, atlas[0]).report(tmp_path)
    assert page.stat().st_size < 3e6

SHOT = 'chromium', 'google-chrome'

@pytest.mark.skipif(not any(map(shutil.which, SHOT)), reason='there is no Chromium')
@pytest.mark.parametrize('evil', [False, True], ids=['phantoms', 'hostile names'])
def test_in_a_browser(atlas, made, tmp_path, evil):
    "The script runs: rows are drawn, sorting and finding work, no error is thrown, nothing is wider than the window"
    page = AgeInterpretation.from_table(hostile(atlas), atlas[0]).report(tmp_path/'r', by=['site']) if evil else made[1]
    probe = '''<script>addEventListener('load', () => { const q = o => [...document.querySelectorAll(o)], body = q('#cases tbody tr')
      const first = () => q('#cases tbody tr')[0].cells[0].textContent, size = () => q('#cases tbody tr').map(o => +o.lastElementChild.textContent)
      const out = {rows: body.length, wide: document.documentElement.scrollWidth-innerWidth}
      q('#cases th button').at(-1).click(); out.down = size(); q('#cases th button').at(-1).click(); out.up = size()
      const find = q('#find')[0]; find.value = first(); find.dispatchEvent(new Event('input')); out.found = q('#cases tbody tr').length
      const film = q('button.film')[0]; if (film) { film.click(); out.open = q('dialog')[0].open; out.big = q('dialog img').length }
      document.title = 'DONE'+JSON.stringify(out)+'DONE' })</script>'''
    (tmp_path/'probe.html').write_text('<!doctype html><script>onerror = e => document.documentElement.dataset.error = e</script>'+page.read_text(encoding='utf-8')
        .replace('</body>', probe+'</body>'), encoding='utf-8')
    browser = next(filter(None, map(shutil.which, SHOT)))
    args = '--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --window-size=500,900 --virtual-time-budget=4000 --dump-dom'.split()
    out = subprocess.run([browser, *args, f'--user-data-dir={tmp_path/"profile"}', f'file://{tmp_path/"probe.html"}'], capture_output=True, text=True, timeout=120).stdout
    assert 'data-error' not in out.split('<head')[0]
    o = json.loads(re.search('DONE(.*?)DONE</title>', out)[1].replace('&lt;', '<').replace('&amp;', '&'))
    n = len(EVIL) if evil else 60
    assert o['rows']==n and o['wide']<=0 and o['down']==sorted(o['down'], reverse=True) and o['up']==sorted(o['up']) and o['found']>=1
    assert evil or (o['open'] and o['big']==1)
