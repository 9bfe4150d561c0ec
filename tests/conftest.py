import os

os.environ |= dict(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1', MPLBACKEND='agg')  # Before torch is imported: two workers share the cores

from pathlib import Path
import pytest

@pytest.fixture(scope='session')
def radiographs():
    "The folder of real radiographs, which are not part of the project"
    folder = os.environ.get('BONEAGE_RADIOGRAPHS')
    if not folder: pytest.skip('BONEAGE_RADIOGRAPHS is not set: the real radiographs are not public')
    assert Path(folder).is_dir(), f'BONEAGE_RADIOGRAPHS names {folder}, which is no folder'
    return Path(folder)
