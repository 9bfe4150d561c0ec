"Where, with what and when a benchmark ran"
import os, platform, torch
from datetime import date

def machine(device='cpu'):
    "What is kept with every figure"
    name = torch.cuda.get_device_name() if device=='cuda' else f'{os.cpu_count()} CPU cores ({platform.machine()})'
    return dict(device=name, torch=torch.__version__, date=str(date.today()))
