"""The report of 1390 phantoms at 928 pixels with invented predictions: seconds, size and memory, for two numbers of radiographs.

    python benchmarks/report.py                              # 1390, as files; drawing them takes some minutes
    python benchmarks/report.py --n 1390 --format bank
    python benchmarks/report.py --n 1390 --few 100           # how many different phantoms are drawn; the others are copies of them

Writes benchmarks/results/report.json. Without maps, and without the time that the network takes. The peak of memory is that of a fresh process (Linux); that of a report of a tenth of
the radiographs stands above it, to see whether it grows.
"""
import argparse, json, shutil, subprocess, sys, tempfile, time
import numpy as np, pandas as pd
from pathlib import Path
from machine import machine

def folder(path, n, few, format):
    "A prepared folder of `n` radiographs at 928 pixels, `few` of them different, with invented predictions"
    from boneage_fastai.phantom import make_phantom_atlas
    from boneage_fastai.prepare import prepare
    df = make_phantom_atlas(path/'atlas', n=min(n, few), size=1200)
    rows = []
    for i in range(n):
        o = df.iloc[i%len(df)]
        name = o.image if i<len(df) else o.image.replace('.jpg', f'_{i//len(df)}.jpg')
        if i>=len(df): shutil.copy(path/'atlas'/o.image, path/'atlas'/name)
        rows.append(o.to_dict() | dict(image=name, case_id=f'{o.case_id}_{i//len(df)}'))
    df = prepare(path/'atlas', path/'prepared', pd.DataFrame(rows), format=format, verbose=False)
    rng = np.random.default_rng(0)
    df.assign(predicted=df.age_months+rng.normal(0, 9, n)).to_csv(path/'predictions.csv', index=False)

def peak():
    "The most memory that this process has held, MB"
    return int(next(o for o in Path('/proc/self/status').read_text().splitlines() if o.startswith('VmHWM')).split()[1])/1024

def once(path, n):
    "The report of the first `n` rows, timed; run in a process of its own"
    from boneage_fastai.interpret import AgeInterpretation
    before,start = peak(),time.perf_counter()
    page = AgeInterpretation.from_table(pd.read_csv(path/'predictions.csv').head(n), path/'prepared').report(path/f'report{n}')
    took = time.perf_counter()-start
    print(json.dumps(dict(n=n, seconds=took, bytes=page.stat().st_size, peak=peak(), before=before)))

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--n', type=int, default=1390)
    p.add_argument('--few', type=int, default=1390)
    p.add_argument('--format', choices=['jpg', 'bank'], default='jpg')
    p.add_argument('--once', nargs=2, help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.once: return once(Path(a.once[0]), int(a.once[1]))
    with tempfile.TemporaryDirectory() as tmp:
        folder(Path(tmp), a.n, a.few, a.format)
        found = []
        for n in (a.n//10, a.n):
            said = subprocess.run([sys.executable, '-W', 'ignore', __file__, '--once', tmp, str(n)], capture_output=True, text=True, check=True).stdout
            found.append(o := json.loads(said.splitlines()[-1]))
            print(f"{o['n']:5} radiographs   {o['seconds']:5.1f} s   {o['bytes']/1e6:4.2f} MB   peak {o['peak']:.0f} MB ({o['before']:.0f} MB before)")
    facts = dict(**machine(), format=a.format, different=min(a.few, a.n))
    (Path(__file__).parent/'results'/'report.json').write_text(json.dumps(facts | dict(runs=found), indent=1)+'\n')

if __name__=='__main__': main()
