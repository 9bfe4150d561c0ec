"Write README.md from nbs/index.ipynb: `python nbs/readme.py`. Prose and code, without outputs; pictures are files of nbs/images."
import json, re
from facts import ROOT, facts

def absolute(md, f):
    "Links to pages lead to the site; links to pictures into this repository"
    def page(m):
        path = re.sub(r'(^|/)\d+[a-zA-Z0-9]*_', r'\1', m[1])
        return f"](https://{f['owner']}.github.io/{f['lib_name']}/{path}.html{m[2] or ''})"
    md = re.sub(r'\]\((?!https?:)([\w./-]+)\.ipynb(#[\w.-]+)?\)', page, md)
    return re.sub(r'\]\(images/', '](nbs/images/', md)

def readme():
    "The text of README.md"
    parts, f = [], facts()
    for cell in json.loads((ROOT/'nbs/index.ipynb').read_text(encoding='utf-8'))['cells']:
        src = ''.join(cell['source'])
        directives = re.findall(r'(?m)^#\| *(\S+)', src)
        if cell['cell_type']=='markdown': parts.append(absolute(src, f))
        elif cell['cell_type']=='code' and 'hide' not in directives: parts.append('```python\n' + re.sub(r'(?m)^#\|.*\n', '', src) + '\n```')
    return '<!-- Written from nbs/index.ipynb by nbs/readme.py: edit the notebook, not this file. -->\n\n' + '\n\n'.join(parts) + '\n'

def write(): (ROOT/'README.md').write_text(readme(), encoding='utf-8')

if __name__=='__main__': write()
