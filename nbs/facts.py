"""Write the facts of settings.ini wherever they are repeated: `python nbs/facts.py` after every edit of that file.

The owner goes into each link, the version into `__version__` and CITATION.cff; then the modules and README.md are written again."""
import re
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

def settings():
    cfg = ConfigParser()
    cfg.read(ROOT/'settings.ini', encoding='utf-8')
    return cfg

def facts():
    "The facts of settings.ini by name"
    return settings()['DEFAULT']

def extras():
    "The requirements of each extra, as text"
    cfg = settings()
    return {name: cfg['extras'][name] for name in cfg['extras'] if name not in cfg['DEFAULT']}

def copies(f):
    "Where facts are repeated: pattern of files, pattern in their text, what stands there"
    name,owner = f['lib_name'],f['owner']
    links = ((fr'github\.com/[\w.-]+/{name}', f'github.com/{owner}/{name}'), (fr'[\w.-]+\.github\.io/{name}', f'{owner}.github.io/{name}'))
    for files in ('pyproject.toml', 'CITATION.cff', 'nbs/**/*.ipynb'): yield from ((files, *o) for o in links)
    yield 'pyproject.toml', r'(?m)^requires-python = .*$', f'requires-python = ">={f["min_python"]}"'
    yield f'{name}/__init__.py', r'(?m)^__version__ = .*$', f'__version__ = "{f["version"]}"'
    yield 'CITATION.cff', r'(?m)^version: .*$', f'version: {f["version"]}'
    yield 'CITATION.cff', r'(?m)^license: .*$', f'license: {f["license"]}'

def write():
    "Write every copy that differs; name what was written"
    for files,pattern,text in copies(facts()):
        for path in ROOT.glob(files):
            old = path.read_text(encoding='utf-8')
            new = re.sub(pattern, text, old)
            if new==old: continue
            path.write_text(new, encoding='utf-8')
            print(f'{path.relative_to(ROOT)}: {text}')

if __name__=='__main__':
    import os
    from nbdev.doclinks import nbdev_export
    import readme
    write()
    os.chdir(ROOT)
    nbdev_export()
    readme.write()
