"Hand the hand-edited facts of settings.ini to setuptools, for the fields that pyproject.toml declares dynamic."
from configparser import ConfigParser
from pathlib import Path
from setuptools import setup

cfg = ConfigParser()
cfg.read(Path(__file__).parent/'settings.ini', encoding='utf-8')
facts,extras = cfg['DEFAULT'],cfg['extras']

def lines(text): return text.split('\n')[1:]

setup(version=facts['version'], author=facts['author'], license_expression=facts['license'], keywords=facts['keywords'].split(', '),
    install_requires=lines(facts['requirements']), extras_require={name: lines(extras[name]) for name in extras if name not in facts})
