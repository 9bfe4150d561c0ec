"The site builds without a complaint, and every link and anchor in it leads somewhere."
import ast, re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit
from house import NAME, ROOT, modules, notebooks, python, script, source

class Page(HTMLParser):
    "The links and anchors of one page"
    def __init__(self, text):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for key,value in attrs:
            if key=='id' or (key=='name' and tag=='a'): self.anchors.add(value)
            if key in ('href', 'src') and value is not None: self.links.append(value)

def crawl(folder):
    "Every link of the pages in `folder` that leads nowhere"
    pages = {p.resolve(): Page(p.read_text(encoding='utf-8')) for p in folder.rglob('*.html')}
    assert pages
    for path,page in pages.items():
        for link in page.links:
            url = urlsplit(link)
            if url.scheme in ('data', 'javascript'): continue
            if url.scheme or url.netloc:
                if url.scheme not in ('http', 'https', 'mailto') or ' ' in link or (url.scheme!='mailto' and '.' not in url.netloc): yield path.name, link
                continue
            target = (path.parent/unquote(url.path)).resolve() if url.path else path
            if target.is_dir(): target = target/'index.html'
            dead = not target.exists() or folder.resolve() not in target.parents
            if dead or (url.fragment and target in pages and unquote(url.fragment) not in pages[target].anchors): yield path.name, link

def check_own_links(site):
    "Links to the own host are relative, so that the site works anywhere"
    host = f"https://{script('facts').facts()['owner']}.github.io"
    links = {l for p in site.rglob('*.html') for l in Page(p.read_text(encoding='utf-8')).links}
    assert not [l for l in links if l.startswith(host)]

def check_documentation_links(site):
    "The page that the docstring of each module names is there"
    own = f"https://{script('facts').facts()['owner']}.github.io/{NAME}/"
    for module in modules():
        link = re.search(r'Docs: (\S+)', ast.get_docstring(source(module)))[1]
        assert link.startswith(own) and (site/link.removeprefix(own)).exists(), f'{module}: {link}'

def check_colab(site):
    "Every tutorial has its badge"
    facts = script('facts').facts()
    for nb in notebooks():
        if not nb.name.startswith('tutorials/'): continue
        html = (site/'tutorials'/re.sub(r'^\d+[a-z]*_', '', nb.path.name)).with_suffix('.html').read_text(encoding='utf-8')
        assert f"https://colab.research.google.com/github/{facts['owner']}/{NAME}/blob/{facts['branch']}/nbs/{nb.name}" in html

def test_site(tmp_path):
    "One build, and all that must be true of it"
    site = tmp_path/'site'
    res = python('nbs/site.py', site)
    assert res.returncode==0, res.stdout
    assert list(crawl(site))==[]
    check_own_links(site)
    check_documentation_links(site)
    check_colab(site)

def test_the_crawl_finds_dead_links(tmp_path):
    (tmp_path/'index.html').write_text('<a href="none.html"></a><a href="#none"></a><a href="#here" id="here"></a><a href="http:/x"></a>')
    assert [o for _,o in crawl(tmp_path)]==['none.html', '#none', 'http:/x']

def test_sidebar_lists_every_page_once():
    listed = re.findall(r'[\w./-]+\.ipynb', (ROOT/'nbs/sidebar.yml').read_text(encoding='utf-8'))
    assert sorted(listed)==sorted(nb.name for nb in notebooks())
