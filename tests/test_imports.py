"What each module may import: DESIGN's floors, one direction, and nothing undeclared."
import ast, re, sys
from collections import Counter
from importlib import import_module
from importlib.metadata import packages_distributions
import pytest
from house import NAME, modules, python, script, source

HEAVY = 'torch', 'torchvision', 'timm', 'fastai'
BLOCK = """
import sys
blocked, names = sys.argv[1].split(','), sys.argv[2].split(',')
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in blocked: raise ImportError(f'{name} is blocked')
sys.meta_path.insert(0, Block())
for name in names: __import__(name)
print(*(o for o in blocked if o in sys.modules))
"""

def blocked(*packages): return lambda *names: python('-c', BLOCK, ','.join(packages), ','.join(names))

def floor(page):
    "What must be importable without: the table of numbers"
    if page.number[0]<=13 or page.number[0]==60: return HEAVY
    if page.number[0] in (30, 50): return ('fastai',)

@pytest.mark.parametrize('module', [m for m,page in modules().items() if floor(page)])
def test_floor(module):
    res = blocked(*floor(modules()[module]))(f'{NAME}.{module}')
    assert (res.returncode, res.stdout.strip())==(0, ''), res.stdout

def test_the_block_blocks():
    res = blocked('json')('email.mime', 'json.tool')
    assert res.returncode!=0 and 'is blocked' in res.stdout

def test_package_is_light():
    res = blocked('numpy', 'pandas', 'PIL', *HEAVY)(NAME)
    assert (res.returncode, res.stdout.strip())==(0, ''), res.stdout

def imports(module):
    "Every import of `module`: dotted name, and whether it stands at module level"
    tree = source(module)
    for node in ast.walk(tree):
        top = node in tree.body
        if isinstance(node, ast.Import): yield from ((o.name, top) for o in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = '.'.join(filter(None, [NAME if node.level else '', node.module]))
            yield from [(base, top)] if base!=NAME else [(f'{NAME}.{o.name}', top) for o in node.names]

@pytest.mark.parametrize('module', modules())
def test_direction(module):
    pages = modules()
    for name,_ in imports(module):
        own = name.split('.')[1] if name.startswith(NAME+'.') else None
        if own in pages: assert pages[own].number<pages[module].number, f'{module} imports {own}, which comes later'

def normal(name): return re.sub(r'[-_.]+', '-', name).lower()

def declared(text): return {normal(re.match(r'[\w.-]+', o)[0]) for o in text.split()}

@pytest.mark.parametrize('module', modules())
def test_imports_are_declared(module):
    facts, homes = script('facts').facts(), packages_distributions()
    always = declared(facts['requirements'])
    extras = set().union(*(declared(o) for o in script('facts').extras().values()))
    for name,top in imports(module):
        package = name.split('.')[0]
        if package in sys.stdlib_module_names or package==NAME: continue
        dists = {normal(o) for o in homes.get(package, [package])}
        assert dists&(always if top else always|extras), f'{module} imports {package}, which settings.ini does not declare'

@pytest.mark.skipif('all' not in modules(), reason='there is no page for boneage_fastai.all')
def test_all_has_every_public_name():
    names = import_module(f'{NAME}.all').__all__
    public = {m: import_module(f'{NAME}.{m}').__all__ for m in modules() if m not in ('all', 'arguments', 'cli')}
    assert set(names)=={o for m in public for o in public[m]}
    objects = {(o, id(getattr(import_module(f'{NAME}.{m}'), o))) for m in public for o in public[m]}
    twice = [o for o,n in Counter(o for o,_ in objects).items() if n>1]
    assert not twice, f'one name for two things: {twice}'
