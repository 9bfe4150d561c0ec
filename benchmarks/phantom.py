"Milliseconds a phantom radiograph takes on one core: drawn and written as JPEG, and the JPEG write alone"
import os

os.environ |= dict(OMP_NUM_THREADS='1', OPENBLAS_NUM_THREADS='1', MKL_NUM_THREADS='1')  # Before numpy is imported

import statistics, tempfile
from pathlib import Path
from time import perf_counter
from boneage_fastai.phantom import phantom

def median_ms(f, n):
    "Median of n calls of f(i), after one that is not counted"
    times = []
    for i in range(n+1):
        start = perf_counter()
        f(i)
        times.append(1000*(perf_counter()-start))
    return statistics.median(times[1:])

def main():
    print('size   phantom + JPEG   bare JPEG write   (median ms a radiograph, one core)')
    with tempfile.TemporaryDirectory() as folder:
        for size,n in ((928, 40), (256, 80), (128, 80)):
            img,file = phantom(100, 'F', size)[0],Path(folder)/'a.jpg'
            drawn = median_ms(lambda i: phantom(216*i/n, 'FM'[i%2], size, i)[0].save(file, quality=92), n)
            bare = median_ms(lambda i: img.save(file, quality=92), n)
            print(f'{size:4} {drawn:16.1f} {bare:17.1f}')

if __name__=='__main__': main()
