"""Preparing at 928 pixels: us, into files and into a bank, beside the usual script and the bare decode, in one run.

    python benchmarks/prepare.py                                              # 24 phantoms of about the size of an original, four times
    BONEAGE_RADIOGRAPHS=data python benchmarks/prepare.py                     # the 24 originals in data/atlas/originals, four times

CPU time of one thread per radiograph, median of the rounds; all ways take turns in each round.
"""
import argparse, os, shutil, statistics, tempfile, time
from pathlib import Path
from PIL import Image
from boneage_fastai.phantom import phantom
from boneage_fastai.prepare import prepare

SIZE = 928

def originals(folder):
    "Files to prepare: real ones where they are at hand, else phantoms"
    data = os.environ.get('BONEAGE_RADIOGRAPHS')
    folder.mkdir()
    if data: found = sorted((Path(data)/'atlas/originals').glob('*.jpg'))
    else: found = [_draw(folder.parent/f'{i:02d}.jpg', i) for i in range(24)]
    for i in range(4):
        for o in found: shutil.copy(o, folder/f'{i}_{o.name}')
    return sorted(folder.glob('*.jpg')), f'4 × 24 {"originals of the Digital Hand Atlas" if data else "phantoms of 2000 pixels"}'

def _draw(path, i):
    phantom(9*i, 'FM'[i%2], size=2000, seed=i)[0].save(path, quality=92)
    return path

def decode(files, out):
    for o in files: Image.open(o).load()

def usual(files, out):
    "What one writes first: grey, Lanczos, black beside it, PNG"
    out.mkdir()
    for o in files:
        img = Image.open(o).convert('L')
        scale = SIZE/max(img.size)
        img = img.resize([round(side*scale) for side in img.size], Image.Resampling.LANCZOS)
        square = Image.new('L', (SIZE, SIZE))
        square.paste(img, ((SIZE-img.width)//2, (SIZE-img.height)//2))
        square.save(out/f'{o.stem}.png')

def ours(format):
    return lambda files, out: prepare(files[0].parent, out, size=SIZE, format=format, workers=1, verbose=False)

def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--rounds', type=int, default=3)
    rounds = p.parse_args().rounds
    ways = dict(decode=decode, usual=usual, jpg=ours('jpg'), bank=ours('bank'))
    with tempfile.TemporaryDirectory() as tmp:
        files,what = originals(Path(tmp)/'films')
        took = {o: [] for o in ways}
        for _ in range(rounds):
            for name,run in ways.items():
                out = Path(tmp)/name
                shutil.rmtree(out, ignore_errors=True)
                start = time.process_time()
                run(files, out)
                took[name].append(1000*(time.process_time()-start)/len(files))
    ms = {o: statistics.median(v) for o,v in took.items()}
    print(f'{what}, CPU ms a radiograph, median of {rounds} rounds')
    for name,text in dict(decode='bare decode', usual='usual script (Lanczos, PNG)', jpg='boneage_fastai, jpg', bank='boneage_fastai, bank').items():
        print(f'{text:30} {ms[name]:7.1f}   {ms["usual"]/ms[name]:5.1f} × the usual script   {ms[name]/ms["decode"]:5.2f} × the bare decode')

if __name__=='__main__': main()
