"The project as a whole: one fact in one place, generated files in step, a wheel that installs."
import ast, json, re, subprocess, sys, tomllib, zipfile
from pathlib import Path
import yaml
from house import NAME, ROOT, copy_tree, files, modules, python, script

FACTS = script('facts').facts()

def text(path): return (ROOT/path).read_text(encoding='utf-8')

def test_version():
    assert re.fullmatch(r'\d+\.\d+\.\d+(\.dev\d+|rc\d+)?', FACTS['version'])
    init = ast.parse(text(f'{NAME}/__init__.py')).body
    assert [o.value.value for o in init if isinstance(o, ast.Assign) and o.targets[0].id=='__version__']==[FACTS['version']]
    assert yaml.safe_load(text('CITATION.cff'))['version']==FACTS['version']
    assert f"\n## {FACTS['version']}" in text('CHANGELOG.md')

def test_pyproject():
    project = tomllib.loads(text('pyproject.toml'))['project']
    assert project['name']==FACTS['lib_name']==NAME
    assert project['requires-python']==f">={FACTS['min_python']}"
    assert project['urls']==dict(Repository=f"https://github.com/{FACTS['owner']}/{NAME}", Documentation=f"https://{FACTS['owner']}.github.io/{NAME}/")

def test_licence():
    assert FACTS['license']==yaml.safe_load(text('CITATION.cff'))['license']=='Apache-2.0'
    assert text('LICENSE').lstrip().startswith('Apache License\n') and 'END OF TERMS AND CONDITIONS' in text('LICENSE')

def test_workflows_use_supported_python():
    tests = yaml.safe_load(text('.github/workflows/test.yml'))['jobs']['test']['strategy']['matrix']['python']
    site = re.search(r'python-version: "(.+)"', text('.github/workflows/site.yml'))[1]
    assert tests[0]==FACTS['min_python'] and site in tests

def test_every_link_has_the_owner():
    link = re.compile(fr'github\.com/([\w.-]+)/{NAME}|([\w.-]+)\.github\.io/{NAME}|colab\.research\.google\.com/github/([\w.-]+)/')
    found = {}
    for path in files():
        try: matches = link.findall(path.read_text(encoding='utf-8'))
        except UnicodeDecodeError: continue
        for m in matches: found.setdefault(''.join(m), set()).add(path.relative_to(ROOT).as_posix())
    assert set(found)=={FACTS['owner']}, found
    assert {'pyproject.toml', 'CITATION.cff', 'README.md', f'{NAME}/core.py'}<=found[FACTS['owner']]

def test_facts_writes_every_copy(tmp_path):
    tree = copy_tree(tmp_path)
    settings = (tree/'settings.ini').read_text()
    settings = re.sub(r'(?m)^owner = .*$', 'owner = somebody-else', settings)
    (tree/'settings.ini').write_text(re.sub(r'(?m)^version = .*$', 'version = 9.8.7', settings))
    res = python('nbs/facts.py', cwd=tree)
    assert res.returncode==0, res.stdout
    assert 'somebody-else.github.io' in (tree/NAME/'core.py').read_text() and 'somebody-else' in (tree/'README.md').read_text()
    assert "9.8.7" in (tree/NAME/'__init__.py').read_text() and 'version: 9.8.7' in (tree/'CITATION.cff').read_text()
    old = fr"github\.com/{re.escape(FACTS['owner'])}/{NAME}|{re.escape(FACTS['owner'])}\.github\.io/{NAME}"
    assert not [p for p in tree.rglob('*') if p.suffix in ('.toml', '.cff', '.py', '.md', '.ipynb') and re.search(old, p.read_text())]

def test_readme_is_in_step(): assert text('README.md')==script('readme').readme(), 'run: python nbs/readme.py'

def test_readme_commands():
    commands = [o for o in text('README.md').splitlines() if o.startswith('pip ')]
    assert commands==['pip install . && boneage demo', "pip install -e '.[dev]' && pytest"]

def test_clean_and_export_leave_no_diff(tmp_path):
    tree = copy_tree(tmp_path)
    for p in (tree/NAME).glob('*.py'):
        if p.name!='__init__.py': p.unlink()
    res = python('-c', 'from nbdev.clean import nbdev_clean; from nbdev.doclinks import nbdev_export; nbdev_clean(); nbdev_export()', cwd=tree)
    assert res.returncode==0, res.stdout
    state = {base: {p.relative_to(base).as_posix(): p.read_bytes() for p in paths if p.suffix in ('.py', '.ipynb', '.toml', '.txt')}
        for base,paths in ((ROOT, files()), (tree, [p for p in tree.rglob('*') if p.is_file() and '__pycache__' not in p.parts]))}
    differ = [o for o in state[ROOT]|state[tree] if state[ROOT].get(o)!=state[tree].get(o)]
    assert not differ, f'run nbdev-clean and nbdev-export: {differ}'

def test_chkstyle():
    res = subprocess.run([Path(sys.executable).parent/'chkstyle', 'nbs', 'tests', 'setup.py'], cwd=ROOT, capture_output=True, text=True)
    assert 'found 0 potential violation' in res.stdout+res.stderr, res.stdout

def test_sdist_wheel_install(tmp_path):
    "Build an sdist, a wheel from it, and install that into an empty environment"
    tree, dist = copy_tree(tmp_path/'tree'), tmp_path/'dist'
    res = python('-m', 'build', '--no-isolation', '--outdir', dist, tree)
    assert res.returncode==0, res.stdout
    [wheel] = dist.glob('*.whl')
    assert wheel.name.startswith(f"{NAME}-{FACTS['version']}-py3-")
    packed = {o for o in zipfile.ZipFile(wheel).namelist() if o.startswith(f'{NAME}/')}
    assert {f'{NAME}/{m}.py' for m in [*modules(), '__init__', '_modidx']}<=packed
    python('-m', 'venv', tmp_path/'venv')
    exe = next(p for p in (tmp_path/'venv/bin/python', tmp_path/'venv/Scripts/python.exe') if p.exists())
    assert python('-m', 'pip', 'install', '--no-deps', '--no-index', wheel, exe=exe, cwd=tmp_path).returncode==0
    code = f"""
import {NAME}, json
from importlib.metadata import entry_points, metadata
points = [[e.group, e.name, e.value] for g in ('console_scripts', 'nbdev') for e in entry_points(group=g)]
print(json.dumps([{NAME}.__version__, {NAME}.__file__, metadata('{NAME}').json, points]))"""
    version, file, meta, points = json.loads(python('-I', '-c', code, exe=exe, cwd=tmp_path).stdout)
    assert version==meta['version']==FACTS['version'] and Path(file).is_relative_to(tmp_path/'venv')
    assert meta['author']==FACTS['author'] and meta['license_expression']==FACTS['license']
    assert meta['requires_python']==f">={FACTS['min_python']}" and sorted(meta['provides_extra'])==sorted(script('facts').extras())
    assert {o for o in meta['requires_dist'] if 'extra' not in o}==set(FACTS['requirements'].split())
    assert ['console_scripts', 'boneage', f'{NAME}.cli:main'] in points and ['nbdev', NAME, f'{NAME}._modidx:d'] in points

def test_dev_has_every_extra():
    extras = script('facts').extras()
    named = re.search(r'\[(.+)\]', extras['dev'])[1].split(',')
    assert sorted(named)==sorted(set(extras)-{'dev'})
    assert not re.search(r'[<=~!]=?\d|==', FACTS['requirements'].replace('>=', ' ')), 'an upper bound'
