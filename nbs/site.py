"""Build the site: `python nbs/site.py [OUT]` (default `_site`), offline, from stored outputs.

nbdev processes the notebooks (signatures and links), this script gives each page its final name and turns links to the own host into relative ones,
and smalldocs renders and checks. The exit code is 0 when nothing is left to mend."""
import json, os, re, shutil, sys, tempfile
from pathlib import Path
import yaml
from facts import ROOT, facts

def process():
    "The folder of notebooks that nbdev has processed; what a newer module may have changed is processed again"
    from nbdev.quarto import refresh_quarto_yml
    from nbdev.serve import proc_nbs
    os.chdir(ROOT)
    refresh_quarto_yml()
    cache, modules = ROOT/'_proc', [p.stat().st_mtime for p in (ROOT/facts()['lib_name']).glob('*.py')]
    return proc_nbs(n_workers=2, force=cache.exists() and cache.stat().st_mtime<max(modules, default=0))

def front_matter(nb):
    "The front matter that nbdev put into the first cell of `nb`"
    cell = nb['cells'][0]
    return yaml.safe_load(''.join(cell['source']).strip().strip('-')) if cell['cell_type']=='raw' else {}

def badge(path, f):
    "The link that opens the notebook at `path` in Colab"
    link = f"https://colab.research.google.com/github/{f['owner']}/{f['lib_name']}/blob/{f['branch']}/nbs/{path.as_posix()}"
    return dict(cell_type='markdown', id='colab', metadata={}, source=f'[Open in Colab]({link}){{.colab}}')

def texts(nb):
    "Where the prose of `nb` stands: pairs of a dict and its key, in cells and outputs"
    for cell in nb['cells']:
        if cell['cell_type']=='markdown': yield cell, 'source'
        for o in cell.get('outputs', []): yield from ((o['data'], key) for key in {'text/markdown', 'text/html'}&o.get('data', {}).keys())

def anchors(nb): return {h.lower() for part,key in texts(nb) for h in re.findall(r'(?m)^#+ +(\S+)$', ''.join(part[key]))}

def relink(text, here, names, shown, own):
    "`text` of a page in folder `here`: own-host links relative, without an anchor that its page does not show; notebooks by their pages"
    def local(m):
        anchor = m[2] if m[2] and m[2][1:] in shown.get(m[1], ()) else ''
        return '../'*len(here.parts) + (m[1] or 'index.html') + anchor
    def page(m):
        target = os.path.normpath(here/m[1])
        return f"]({os.path.relpath(names[target], here or '.')}{m[2] or ''})" if target in names else m[0]
    text = re.sub(re.escape(own)+r'/?([\w./-]*)(#[\w.-]+)?', local, text)
    return re.sub(r'\]\((?!https?:)([\w./-]+\.ipynb)(#[^)]*)?\)', page, text)

def finish(nb, path, names, shown, f):
    "The notebook `nb` of `path` ready for smalldocs"
    fm, own = front_matter(nb), f"https://{f['owner']}.github.io/{f['lib_name']}"
    fm.pop('output-file', None)
    if fm: nb['cells'][0]['source'] = f'---\n{yaml.safe_dump(fm, allow_unicode=True)}---\n'
    for part,key in texts(nb): part[key] = relink(''.join(part[key]), path.parent, names, shown, own)
    if path.parts[0]=='tutorials': nb['cells'].insert(1, badge(path, f))
    return nb

def build(out):
    "Build the site into `out`; the exit code of `smalldocs check`"
    from smalldocs.check import check
    from smalldocs.site import build as render
    f, cache = facts(), process()
    with tempfile.TemporaryDirectory() as tmp:
        tmp = Path(shutil.copytree(cache, Path(tmp)/'site'))
        pages = {p.relative_to(tmp): json.loads(p.read_text(encoding='utf-8')) for p in sorted(tmp.rglob('*.ipynb'))}
        names = {str(p): p.with_name(front_matter(nb).get('output-file', p.name)).with_suffix('.ipynb') for p,nb in pages.items()}
        shown = {names[str(p)].with_suffix('.html').as_posix(): anchors(nb) for p,nb in pages.items()}
        for path,nb in pages.items():
            (tmp/path).unlink()
            (tmp/names[str(path)]).write_text(json.dumps(finish(nb, path, names, shown, f)), encoding='utf-8')
        for menu in (tmp/'_quarto.yml', tmp/'sidebar.yml'):
            menu.write_text(re.sub(r'[\w./-]+\.ipynb', lambda m: str(names.get(m[0], m[0])), menu.read_text(encoding='utf-8')), encoding='utf-8')
        host = yaml.safe_load((tmp/'nbdev.yml').read_text(encoding='utf-8'))
        host['project'] = {'output-dir': str(out)}
        host['website'] |= {'llms-txt': True}
        del host['format-links']
        (tmp/'nbdev.yml').write_text(yaml.safe_dump(host), encoding='utf-8')
        render(tmp, quiet=True)
        for p in out.rglob('*.llms.md'): shutil.copy(p, p.with_name(p.name.replace('.llms.md', '.html.md')))
        (out/'.nojekyll').touch()
        return check(tmp)

if __name__=='__main__': sys.exit(build(Path(sys.argv[1] if len(sys.argv)>1 else ROOT/'_site').resolve()))
