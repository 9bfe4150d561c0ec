"STYLE in numbers: the head of a page, the size of its cells and outputs, and how often it checks what it claims."
import ast, json, re, tempfile
from pathlib import Path
import pytest
from house import NAME, ROOT, modules, notebooks

every = pytest.mark.parametrize('nb', notebooks(), ids=lambda o: o.name)
library = pytest.mark.parametrize('nb', list(modules().values()), ids=lambda o: o.name)
DEFS = ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef

def parse(code):
    "The tree of a cell; what only a notebook understands is left out"
    return ast.parse(re.sub(r'(?m)^( *)[%!].*$', r'\1pass', code))

def lines(code): return [o for o in code.splitlines() if o.strip()]

@every
def test_head(nb):
    cells = nb.cells[1:] if nb.cells[0]['cell_type']=='raw' else nb.cells
    first, second = cells[:2]
    assert first['cell_type']==second['cell_type']=='markdown'
    assert re.fullmatch(r'# [^\n]+\n\n> [^\n]*[^\n.]', first['source']), 'the first cell is a title and a subtitle of one sentence, alone'
    assert not re.search(r'[.!?] ', first['source'].split('\n> ')[1]), 'the subtitle is one sentence'
    assert not second['source'].startswith('#') and len(re.findall(r'[.!?](?=\s|$)', second['source']))<=3, 'then at most three sentences'

@every
def test_example_cells(nb):
    for code,_ in nb.code(exported=False):
        n = len([o for o in lines(code) if not o.lstrip().startswith('#')])
        assert n<=10, f'{n} lines: {code}'
        assert not [o for o in code.splitlines() if len(o)>160]

def head_lines(node):
    "Lines of signature and docstring of a definition and of those inside it"
    total = 0
    for o in ast.walk(node):
        if not isinstance(o, DEFS): continue
        body = o.body[1:] if ast.get_docstring(o) is not None else o.body
        first = min([o.lineno, *(d.lineno for d in o.decorator_list)])
        total += (body[0].lineno if body else o.end_lineno+1)-first
    return total

@library
def test_exported_cells(nb):
    for code,_ in nb.code(exported=True):
        tree = parse(code)
        n = len(lines(code))-sum(head_lines(o) for o in tree.body)
        assert n<=25, f'{n} lines without signatures and docstrings: {code}'
        assert sum(isinstance(o, DEFS) for o in tree.body)<=3, code
        assert not [o for o in code.splitlines() if len(o)>160]

@library
def test_module_length(nb):
    code = lines((ROOT/NAME/f'{nb.module}.py').read_text(encoding='utf-8'))
    n = sum(not o.startswith('# %%') for o in code)
    assert n<=250, f'{n} lines, without blank ones and the marks of cells: split the page'

def is_check(node):
    "Whether `node` of a tree checks something: an assertion, or a call of a `test_…`, `expect_fail` or `assert_…` function"
    if isinstance(node, ast.Assert): return True
    if not isinstance(node, ast.Call): return False
    return bool(re.match(r'test_|expect_fail|assert_', getattr(node.func, 'id', getattr(node.func, 'attr', ''))))

@library
def test_checks_per_export(nb):
    defined = [o.name for code,_ in nb.code(exported=True) for o in parse(code).body if isinstance(o, DEFS) and o.name[0]!='_']
    checks = sum(is_check(o) for code,_ in nb.code(exported=False) for o in ast.walk(parse(code)))
    assert checks>=2*len(defined), f'{checks} checks for {len(defined)} exports: {defined}'

@every
def test_outputs(nb):
    outputs = [o for c in nb.cells for o in c.get('outputs', [])]
    room = 300_000 if '/' in nb.name else 60_000
    assert len(json.dumps(outputs))<=room, f'{len(json.dumps(outputs))} characters of outputs; {room} are allowed'
    texts = [''.join(v) for o in outputs for k,v in [*o.get('data', {}).items(), ('text', o.get('text', ''))] if not k.startswith('image/p') and k!='image/jpeg']
    places = {str(ROOT), str(Path.home()), tempfile.gettempdir(), '/home', '/root', '/tmp', '/usr', '/opt', '/Users', 'C:\\'}-{'/'}
    for out in texts:
        assert not re.search(rf"(?<![\w.:/])({'|'.join(map(re.escape, places))})[/\\]", out), f'a path of one machine: {out[:300]}'
        assert not re.search(r'<progress|\r|\d%\|', out), f'a progress bar: {out[:300]}'
    assert not [k for o in outputs for k in o.get('data', {}) if 'widget' in k], 'a widget'

@every
def test_no_errors_stored(nb):
    for c in nb.cells:
        for o in c.get('outputs', []): assert o['output_type']!='error', c['source']
