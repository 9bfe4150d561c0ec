"What the tests know of the project, read from the notebooks that are there: nothing here lists them by hand."
import ast, importlib.util, json, os, re, shutil, subprocess, sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = 'boneage_fastai'

def script(name):
    "The script nbs/`name`.py as a module"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT/f'nbs/{name}.py')
        sys.modules[name] = mod = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(mod)
    return sys.modules[name]

class Notebook:
    "One page: its cells, the number in its name and the module it writes"
    def __init__(self, path):
        self.path, self.name = path, path.relative_to(ROOT/'nbs').as_posix()
        self.cells = json.loads(path.read_text(encoding='utf-8'))['cells']
        for c in self.cells: c['source'] = ''.join(c['source'])
        exports = re.findall(r'(?m)^#\| *default_exp +(\S+)', '\n'.join(c['source'] for c in self.cells))
        self.module = exports[0] if exports else None
        number = re.match(r'(\d+)([a-z]*)_', path.name)
        self.number = (int(number[1]), number[2]) if number else None

    @property
    def front(self):
        "The front matter in a first raw cell, if there is one"
        import yaml
        first = self.cells[0]
        return yaml.safe_load(first['source'].strip().strip('-')) or {} if first['cell_type']=='raw' else {}

    def code(self, exported):
        "The code cells that are exported, or those that are not, without directives; hidden ones with their flag"
        for c in self.cells:
            if c['cell_type']!='code': continue
            directives = set(re.findall(r'(?m)^#\| *(\w+)', c['source']))
            if bool(directives&{'export', 'exports'})!=exported: continue
            yield re.sub(r'(?m)^#\|.*\n?', '', c['source']), 'hide' in directives

@cache
def notebooks():
    "Every page of nbs/, in the order of their names"
    paths = sorted((ROOT/'nbs').rglob('*.ipynb'))
    return [Notebook(p) for p in paths if not any(o[0] in '._' for o in p.relative_to(ROOT/'nbs').parts)]

def modules():
    "The pages that write a module, by its name"
    return {o.module: o for o in notebooks() if o.module}

def source(module):
    "The syntax tree of a module"
    return ast.parse((ROOT/NAME/f'{module}.py').read_text(encoding='utf-8'))

def files():
    "Every file of the project: what git tracks and what it would track"
    res = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard'], cwd=ROOT, capture_output=True, text=True)
    if res.returncode==0: return [ROOT/o for o in sorted(res.stdout.splitlines()) if (ROOT/o).is_file()]
    skip = {'build', 'dist', '_proc', '_docs', '_site', '__pycache__', '.pytest_cache'}
    return [p for p in sorted(ROOT.rglob('*')) if p.is_file() and not skip&set(p.relative_to(ROOT).parts)]

def copy_tree(dest):
    "A copy of the project's files in `dest`"
    for p in files():
        (dest/p.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(p, dest/p.relative_to(ROOT))
    return dest

def python(*args, cwd=ROOT, exe=sys.executable, **env):
    "Run Python in a process of its own; the result holds both streams in `stdout`"
    env = {k:v for k,v in os.environ.items() if k!='IN_TEST'} | env
    return subprocess.run([exe, *map(str, args)], cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1200)
