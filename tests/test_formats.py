"What `open_radiograph` opens and what it refuses: every kind of file that people have, whole, cut short and altered."
import random, struct, sys, warnings, zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
import numpy as np, pydicom, pytest
from PIL import Image, ImageOps
from pydicom import encaps, uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_voi_lut, apply_windowing
from boneage_fastai import radiograph as module
from boneage_fastai.core import RadiographError
from boneage_fastai.dicom import dicom_facts, open_dicom
from boneage_fastai.formats import MAX_PIXELS, grey_window, to_8bit
from boneage_fastai.radiograph import fit_radiograph, letterbox, open_radiograph

WIDTH, HEIGHT = 70, 90
GREY = np.add.outer(np.arange(HEIGHT), np.arange(WIDTH)).astype(np.uint8)+np.random.default_rng(0).integers(0, 60, (HEIGHT, WIDTH), dtype=np.uint8)
L = Image.fromarray(GREY)
RGB = Image.merge('RGB', (L, ImageOps.flip(L), ImageOps.mirror(L)))
LUMA = np.array(RGB.convert('L'))

def saved(img, format, **kwargs):
    f = BytesIO()
    img.save(f, format, **kwargs)
    return f.getvalue()

def sixteen(a, top=65535): return Image.fromarray(np.round(a*(top/255)).astype(np.uint16))

def alpha(img):
    "Every pixel of the upper half transparent"
    a = Image.new('L', img.size, 255)
    a.paste(0, (0, 0, WIDTH, HEIGHT//2))
    img = img.copy()
    img.putalpha(a)
    return img

HALF = np.where(np.arange(HEIGHT)[:,None]<HEIGHT//2, 0, GREY)
PALETTE = RGB.quantize(200)
INVERTED = {262: 0}  # TIFF: 0 is white

LOSSLESS = dict(
    png=(saved(L, 'PNG'), GREY), png1=(saved(L.convert('1'), 'PNG'), np.array(L.convert('1').convert('L'))), png_rgb=(saved(RGB, 'PNG'), LUMA),
    png16=(saved(sixteen(GREY), 'PNG'), GREY), png12=(saved(sixteen(GREY, 4095), 'PNG'), GREY), png_palette=(saved(PALETTE, 'PNG'), np.array(PALETTE.convert('L'))),
    png_la=(saved(alpha(L), 'PNG'), HALF), png_rgba=(saved(alpha(L.convert('RGB')), 'PNG'), HALF),
    png_key=(saved(L, 'PNG', transparency=int(GREY[5,5])), np.where(GREY==GREY[5,5], 0, GREY)),
    tif=(saved(L, 'TIFF'), GREY), tif16=(saved(sixteen(GREY), 'TIFF'), GREY), tif_lzw=(saved(sixteen(GREY), 'TIFF', compression='tiff_lzw'), GREY),
    tif32=(saved(Image.fromarray(GREY.astype(np.int32)*257), 'TIFF'), GREY), tif_float=(saved(Image.fromarray((GREY/255).astype(np.float32)), 'TIFF'), GREY),
    tif_white=(saved(sixteen(255-GREY), 'TIFF', tiffinfo=INVERTED), GREY), tif_cmyk=(saved(RGB.convert('CMYK'), 'TIFF'), LUMA),
    tif_lab=(saved(Image.merge('LAB', (L, L, L)), 'TIFF'), GREY), tif_deflate=(saved(RGB, 'TIFF', compression='tiff_adobe_deflate'), LUMA),
    bmp=(saved(RGB, 'BMP'), LUMA), gif=(saved(L, 'GIF'), GREY), webp=(saved(L.convert('RGB'), 'WEBP', lossless=True), GREY), ppm=(saved(RGB, 'PPM'), LUMA),
    pgm16=(saved(sixteen(GREY), 'PPM'), GREY), tga=(saved(L, 'TGA'), GREY), jp2=(saved(L, 'JPEG2000'), GREY), jp2_16=(saved(sixteen(GREY), 'JPEG2000'), GREY))

def without_app14(data):
    at = data.index(b'\xff\xee')
    return data[:at]+data[at+2+int.from_bytes(data[at+2:at+4]):]

CMYK = saved(RGB.convert('CMYK'), 'JPEG', quality=95)
JPEG = dict(grey=(saved(L, 'JPEG', quality=95), GREY), rgb=(saved(RGB, 'JPEG', quality=95), LUMA), progressive=(saved(RGB, 'JPEG', quality=95, progressive=True), LUMA),
    cmyk=(CMYK, LUMA), cmyk_plain=(without_app14(CMYK), LUMA),
    rgb_kept=(saved(RGB, 'JPEG', quality=95, keep_rgb=True), LUMA), mpo=(saved(RGB, 'MPO', quality=95, save_all=True, append_images=[RGB]), LUMA))

def agree(a, b, eps=0): assert np.abs(np.array(a, int)-np.array(b, int)).max()<=eps

@pytest.mark.parametrize('name', LOSSLESS)
def test_lossless(name, tmp_path):
    "The luma that Pillow makes of what was saved, from path, bytes, file object and image, opened and fitted"
    data,expected = LOSSLESS[name]
    (tmp_path/'x').write_bytes(data)
    with open(tmp_path/'x', 'rb') as f:
        for source in (tmp_path/'x', str(tmp_path/'x'), data, memoryview(data), f, Image.open(BytesIO(data))):
            img = open_radiograph(source)
            assert img.mode=='L'
            agree(img, expected)
    for fit in ('pad', 'squash'): agree(fit_radiograph(data, 64, fit)[0], letterbox(img, 64, fit)[0])

@pytest.mark.parametrize('name', JPEG)
def test_jpeg(name):
    data,expected = JPEG[name]
    with warnings.catch_warnings(action='error'): img = open_radiograph(data)
    assert np.abs(np.array(img, int)-expected).mean()<4
    (small,geometry),slow = fit_radiograph(data, 32),letterbox(img, 32)
    assert np.abs(np.array(small, int)-np.array(slow[0], int)).mean()<4 and geometry==slow[1]

def test_jpeg_is_not_decoded_in_full(monkeypatch):
    sizes,decode = [],module._decode
    monkeypatch.setattr(module, '_decode', lambda img,*args: sizes.append((img.mode, img.size)) or decode(img, *args))
    fit_radiograph(saved(RGB.resize((1400, 1800)), 'JPEG'), 100)
    assert sizes==[('L', (175, 225))]

@pytest.mark.parametrize('format', ['JPEG', 'PNG', 'TIFF', 'WEBP', 'MPO'])
@pytest.mark.parametrize('turn', range(1, 9))
def test_exif(format, turn):
    "All eight notes, as Pillow follows them; what was opened by others is followed once, too"
    exif = Image.Exif()
    exif[0x0112] = turn
    data = saved(L, format, exif=exif, **{} if format in ('PNG', 'TIFF') else dict(quality=95))
    upright = ImageOps.exif_transpose(Image.open(BytesIO(data))).convert('L')
    for source in (data, Image.open(BytesIO(data)), ImageOps.exif_transpose(Image.open(BytesIO(data)))): agree(open_radiograph(source), upright, 2)
    square,geometry = fit_radiograph(data, 90)
    assert (geometry.width, geometry.height)==upright.size and open_radiograph(data).size==upright.size
    agree(square, letterbox(upright, 90)[0], 2)

@pytest.mark.parametrize('format', ['TIFF', 'GIF', 'WEBP', 'PNG'])
def test_pages(format):
    "The first of several, and it is said; an image that stands at another page is taken there"
    data = saved(L, format, save_all=True, append_images=[ImageOps.flip(L), ImageOps.mirror(L)], **dict(lossless=True) if format=='WEBP' else {})
    for read in (open_radiograph, lambda o: fit_radiograph(o, HEIGHT, 'squash')[0]):
        with pytest.warns(UserWarning, match='holds 3 pictures; the first one is read'): img = read(data)
    agree(open_radiograph(Image.open(BytesIO(LOSSLESS['png'][0]))), GREY)
    agree(img, letterbox(L, HEIGHT, 'squash')[0])
    later = Image.open(BytesIO(data))
    later.seek(1)
    agree(open_radiograph(later), ImageOps.flip(L))

def test_images_are_not_changed():
    for img in (L, RGB, alpha(RGB), PALETTE, sixteen(GREY), Image.fromarray(GREY/np.float32(255)), L.convert('1')):
        before,mode = np.array(img),img.mode
        for res in (open_radiograph(img), fit_radiograph(img, HEIGHT)[0]): assert res is not img
        assert img.mode==mode and (np.array(img)==before).all()
    a = GREY.copy()
    open_radiograph(a).putpixel((0, 0), 255-int(a[0,0]))
    assert (a==GREY).all()

ARRAYS = dict(grey=GREY, channel=GREY[...,None], bits16=GREY*np.uint16(257), bits12=GREY.astype(np.int16)*16, swapped=(GREY*np.uint16(257)).astype('>u2'),
    int64=GREY.astype(int), fraction=GREY/255, half=(GREY/255).astype(np.float16), float32=GREY.astype(np.float32), view=GREY[::-1][::-1],
    colour=np.dstack([GREY]*3), colour_fraction=np.dstack([GREY]*3)/255)

@pytest.mark.parametrize('name', ARRAYS)
def test_arrays(name): agree(open_radiograph(ARRAYS[name]), GREY, 1 if name in ('bits12', 'half') else 0)

@pytest.mark.parametrize('shape', [(), (8,), (8, 8, 2), (8, 8, 4), (3, 8, 8), (1, 8, 8, 1), (0, 8), (8, 0, 3)])
def test_array_shapes(shape):
    for dtype in (np.uint8, np.uint16, float):
        with pytest.raises(RadiographError): open_radiograph(np.zeros(shape, dtype))

def test_array_kinds():
    for a in (np.zeros((8, 8), complex), np.full((8, 8), 'a'), np.full((8, 8), None), np.full((8, 8), np.nan), np.full((8, 8), np.inf)):
        with pytest.raises(RadiographError): open_radiograph(a)

def test_window_keeps_the_order():
    "Never decreasing, the same again, and dark and bright are used, whatever the values"
    rng = np.random.default_rng(1)
    whole = rng.gamma(2, 900, 5000).astype(np.uint16), rng.integers(-3000, 3000, 5000), rng.integers(9000, 12000, 5000)
    for a in (*whole, rng.normal(0, 1, 5000), rng.uniform(0, 1e9, 5000)):
        grey = to_8bit(a[None])[0]
        assert (np.diff(grey[np.argsort(a)].astype(int))>=0).all() and (grey==to_8bit(a[None].copy())[0]).all()
        assert grey.min()<64 and grey.max()>190 and len(set(grey))>100

def test_window_is_not_moved_by_a_marker():
    "A few pixels at the top of 16 bits do not make 12-bit values dark; a constant picture is black"
    a = np.round(GREY*(4095/255)).astype(np.uint16)
    a[0,:4] = 65535
    grey = to_8bit(a)[5:]
    assert np.corrcoef(grey.ravel(), GREY[5:].ravel())[0,1]>.99 and grey.max()>240
    assert to_8bit(np.full((4, 4), 7.5)).max()==0
    assert grey_window(np.r_[np.zeros(9999), 300.])==(0, 0)

def forged_png(width, height, rows=b'\0', bits=8, colour=0):
    head = struct.pack('>IIBBBBB', width, height, bits, colour, 0, 0, 0)
    def chunk(kind, body): return struct.pack('>I', len(body))+kind+body+struct.pack('>I', zlib.crc32(kind+body))
    return b'\x89PNG\r\n\x1a\n'+chunk(b'IHDR', head)+chunk(b'IDAT', zlib.compress(rows))+chunk(b'IEND', b'')

def test_deep_colour():
    "Of 16-bit colour the upper 8 bits are read"
    rows = (np.array(RGB).astype('>u2')*256+77).astype('>u2')
    agree(open_radiograph(forged_png(WIDTH, HEIGHT, b''.join(b'\0'+o.tobytes() for o in rows), 16, 2)), LUMA)

@pytest.mark.parametrize('side', [8193, 10_000, 20_000, 2**31-1])
def test_too_many_pixels(side):
    "Refused by the header alone; Pillow's own warning and error stay inside"
    before = warnings.filters[:]
    with warnings.catch_warnings(action='error'):
        with pytest.raises(RadiographError, match='too many pixels'): open_radiograph(forged_png(side, side))
    assert warnings.filters==before
    assert side**2>MAX_PIXELS

def test_threads():
    before,data = warnings.filters[:],[LOSSLESS['png16'][0], forged_png(12_000, 12_000), JPEG['rgb'][0]]*20
    def attempt(o):
        try: return open_radiograph(o).size
        except RadiographError as e: return e.reason[:19]
    with ThreadPoolExecutor(8) as pool: res = list(pool.map(attempt, data))
    assert res==[(WIDTH, HEIGHT), 'has too many pixels', (WIDTH, HEIGHT)]*20 and warnings.filters==before

def test_what_is_not_there(tmp_path):
    (tmp_path/'empty.png').touch()
    (tmp_path/'notes.jpg').write_text('Dear Sir or Madam')
    (tmp_path/'x.png').write_bytes(LOSSLESS['png'][0])
    said = {tmp_path/'no.png': 'does not exist', tmp_path: 'is a folder', tmp_path/'empty.png': 'is empty', tmp_path/'notes.jpg': 'is not an image', tmp_path/'x.png'/'y': 'cannot be read',
        b'': 'is empty', b'GIF': 'is not an image', 7: 'cannot be opened', None: 'cannot be opened', 'a\0b': 'cannot be read', BytesIO(): 'is empty'}
    for source,reason in said.items():
        for read in (open_radiograph, fit_radiograph):
            with pytest.raises(RadiographError, match=reason) as e: read(source)
            assert e.value.source and e.value.remedy
    with open(tmp_path/'notes.jpg') as f, pytest.raises(RadiographError, match='as text'): open_radiograph(f)
    closed = open(tmp_path/'x.png', 'rb')
    closed.close()
    with pytest.raises(RadiographError): open_radiograph(closed)

def damaged(data, rng):
    "Cut at fifty places, and sixty times some bytes altered, most of them near the beginning"
    yield from (data[:len(data)*i//50] for i in range(50))
    for i in range(60):
        a = bytearray(data)
        for _ in range(rng.choice((1, 4, 30))): a[rng.randrange(min(len(a), 200 if i%3 else len(a)))] = rng.randrange(256)
        yield bytes(a)

def attempt(read, data, whole=None):
    "A radiograph, or a `RadiographError` with its three parts; where the file was only cut, the whole radiograph or none"
    try: img = read(data)
    except RadiographError as e:
        assert e.reason and e.remedy and ' at 0x' not in e.reason and '\n' not in e.reason
        return
    assert img.mode=='L'
    if whole is not None: agree(img, whole)

@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('name', [*LOSSLESS, *JPEG])
def test_damage(name):
    data = (LOSSLESS|JPEG)[name][0]
    whole = open_radiograph(data)
    for i,bad in enumerate(damaged(data, random.Random(name))):
        attempt(open_radiograph, bad, whole if i<50 else None)
        if i%5==0: attempt(lambda o: fit_radiograph(o, 32)[0], bad)

SHIPPED = Path(pydicom.__file__).parent/'data'
TEST_FILES = SHIPPED/'test_files'

def dicom(pixels, syntax=uid.ExplicitVRLittleEndian, **header):
    "The bytes of a DICOM file"
    ds,f,bits = Dataset(),BytesIO(),8*pixels.itemsize
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID,ds.file_meta.MediaStorageSOPClassUID,ds.file_meta.MediaStorageSOPInstanceUID = syntax,'1.2.840.10008.5.1.4.1.1.1','1.2.3'
    ds.update(dict(SOPClassUID='1.2.840.10008.5.1.4.1.1.1', SOPInstanceUID='1.2.3', PatientSex='F', PatientAge='011Y'))
    ds.update(dict(Rows=pixels.shape[0], Columns=pixels.shape[1], BitsAllocated=bits, BitsStored=bits, HighBit=bits-1))
    ds.update(dict(PixelRepresentation=int(pixels.dtype.kind=='i'), SamplesPerPixel=1, PhotometricInterpretation='MONOCHROME2'))
    ds.PixelData = pixels.astype(pixels.dtype.newbyteorder('<')).tobytes()
    ds.update(header)
    ds.save_as(f, enforce_file_format=True)
    return f.getvalue()

def lut(entries, first, bits):
    item = Dataset()
    item.add_new('LUTDescriptor', 'US' if first>=0 else 'SS', [len(entries), first, bits])
    item.add_new('LUTData', 'US', [int(o) for o in entries])
    return pydicom.Sequence([item])

TWELVE = np.linspace(0, 4095, HEIGHT*WIDTH).reshape(HEIGHT, WIDTH).astype(np.uint16)

@pytest.mark.filterwarnings('ignore')
def test_every_dicom_that_pydicom_ships():
    "Each opens or is refused with a reason, and the same from bytes; what has pixels that pydicom can decode does open"
    opened,files = [],[o for o in sorted(SHIPPED.rglob('*')) if o.is_file()]
    for path in files:
        try: opened.append((path.name, open_radiograph(path)))
        except RadiographError as e: assert e.source==str(path) and e.remedy and e.reason.startswith(('has no pixel data', 'is damaged', 'is not an image')), e
        else: agree(opened[-1][1], open_radiograph(path.read_bytes()))
        attempt_facts(path)
    names = {name for name,_ in opened}
    assert len(files)>100 and len(opened)>90
    refused = {'JPEG-lossy.dcm', 'JPEG2000-embedded-sequence-delimiter.dcm', 'MR_truncated.dcm', 'badVR.dcm', 'no_meta.dcm'}  # Damaged on purpose
    for path in TEST_FILES.glob('*.dcm'):
        ds = pydicom.dcmread(path, force=True)
        if 'PixelData' in ds and 'Rows' in ds: assert (path.name in names)!=(path.name in refused), path.name

def attempt_facts(source):
    try: facts = dicom_facts(source)
    except RadiographError as e: assert e.reason and e.remedy
    else: assert facts['sex'] in ('unknown', 'F', 'M')

@pytest.mark.filterwarnings('ignore:The pixel data is 8320')
def test_compression():
    "A radiograph that was compressed without loss is the one that was not; of 16-bit colour the luma is the 8-bit one"
    for name in ('MR_small_RLE', 'MR_small_jp2klossless', 'MR_small_jpeg_ls_lossless', 'MR_small_bigendian', 'MR_small_implicit', 'MR_small_padded'):
        agree(open_radiograph(TEST_FILES/f'{name}.dcm'), open_radiograph(TEST_FILES/'MR_small.dcm'))
    for name in ('rle_16bit', 'rle_32bit', 'jpeg_gdcm'): agree(open_radiograph(TEST_FILES/f'SC_rgb_{name}.dcm'), open_radiograph(TEST_FILES/'SC_rgb_rle.dcm'), 1)
    jpeg = saved(Image.fromarray(GREY), 'JPEG', quality=95)
    data = dicom(GREY, uid.JPEGBaseline8Bit, PixelData=encaps.encapsulate([jpeg]))
    agree(open_radiograph(data), open_radiograph(jpeg), 1)

@pytest.mark.parametrize('function', [None, 'LINEAR', 'LINEAR_EXACT', 'SIGMOID'])
@pytest.mark.parametrize('kind', ['MONOCHROME1', 'MONOCHROME2'])
def test_dicom_window(function, kind):
    "As pydicom windows, stretched to 8 bits; bone is bright in the end"
    header = dict(WindowCenter=[1500, 9], WindowWidth=[900, 9], PhotometricInterpretation=kind, BitsStored=12, HighBit=11)
    data = dicom(TWELVE, **header, **dict(VOILUTFunction=function) if function else {})
    seen = apply_windowing(TWELVE, pydicom.dcmread(BytesIO(data)))*(255/4095)
    agree(open_radiograph(data), np.round(seen if kind=='MONOCHROME2' else 255-seen), 1)

@pytest.mark.parametrize('slope,intercept', [(1, 0), (2, -1000), (.5, 10), (-1, 4095)])
def test_dicom_rescale(slope, intercept):
    "The window speaks of values after slope and intercept, a falling slope included; brute force, pixel by pixel"
    low,high = sorted((1000*slope+intercept, 2000*slope+intercept))
    data = dicom(TWELVE, RescaleSlope=slope, RescaleIntercept=intercept, WindowCenter=(low+high)/2, WindowWidth=high-low, VOILUTFunction='LINEAR_EXACT')
    expected = [[255*min(max((v*slope+intercept-low)/(high-low), 0), 1) for v in map(float, row)] for row in TWELVE]
    agree(open_radiograph(data), np.round(expected), 1)

def test_dicom_signed():
    a = TWELVE.astype(np.int16)-2048
    agree(open_radiograph(dicom(a, WindowCenter=0, WindowWidth=4096)), np.round(TWELVE*(255/4095)), 1)

def test_dicom_tables():
    "A table of the header, by a plain look-up; one of 8 bits and one that starts below 0, where pydicom 3.0 wraps around, included"
    curve = np.round(np.sqrt(np.arange(4096)/4095)*1023).astype(int)
    data = dicom(TWELVE, VOILUTSequence=lut(curve, 0, 10), WindowCenter=5, WindowWidth=5)
    agree(open_radiograph(data), np.round(curve[TWELVE]*(255/1023)), 0)
    agree(open_radiograph(data), np.round(apply_voi_lut(TWELVE, pydicom.dcmread(BytesIO(data)))*(255/1023)))
    agree(open_radiograph(dicom(TWELVE, VOILUTSequence=lut(curve//4, 0, 8))), curve[TWELVE]//4)
    agree(open_radiograph(dicom(TWELVE.astype(np.int16)-2048, VOILUTSequence=lut(curve, -2048, 10))), np.round(curve[TWELVE]*(255/1023)))
    agree(open_radiograph(dicom(TWELVE, VOILUTSequence=lut(curve[:1000], 500, 10))), np.round(curve[np.clip(TWELVE.astype(int)-500, 0, 999)]*(255/1023)))
    modal = dicom(TWELVE, ModalityLUTSequence=lut(4095-np.arange(4096), 0, 12), WindowCenter=2048, WindowWidth=4096)
    agree(open_radiograph(modal), np.round((4095-TWELVE.astype(float))*(255/4095)), 1)

def test_dicom_without_a_window():
    agree(open_radiograph(dicom(TWELVE)), to_8bit(TWELVE))
    agree(open_radiograph(dicom(GREY)), GREY)
    agree(open_radiograph(dicom(GREY, RescaleSlope=1, RescaleIntercept=0, WindowCenter=None, WindowWidth=None)), GREY)
    agree(open_radiograph(dicom(GREY, PhotometricInterpretation='MONOCHROME1')), 255-GREY)
    agree(open_radiograph(dicom(GREY, WindowCenter=100, WindowWidth=0)), GREY)
    agree(open_radiograph(dicom(GREY, WindowCenter=128, WindowWidth=256)), GREY)

def test_dicom_colour():
    rgb = dict(SamplesPerPixel=3, PlanarConfiguration=0, PhotometricInterpretation='RGB')
    agree(open_radiograph(dicom(np.array(RGB), **rgb)), LUMA)
    palette = TEST_FILES/'examples_palette.dcm'
    ds = pydicom.dcmread(palette)
    deep = pydicom.pixels.apply_color_lut(ds.pixel_array, ds)
    agree(open_radiograph(palette), np.round((deep/(256**deep.itemsize-1)*255)@[.299, .587, .114]), 1)
    with pytest.raises(RadiographError, match='colours of a kind'): open_radiograph(dicom(GREY, PhotometricInterpretation='ARGB'))

def test_dicom_frames():
    frames = np.stack([GREY, 255-GREY])
    data = dicom(GREY, NumberOfFrames=2, PixelData=frames.tobytes())
    with pytest.warns(UserWarning, match='holds 2 pictures; the first one is read'): agree(open_radiograph(data), GREY)

def test_dicom_by_content(tmp_path):
    "By content and not by name; a beginning that looks like a TIFF, and none at all"
    data = dicom(GREY)
    for name,o in {'hand.jpg': data, 'hand': data, 'tiff.dcm': b'II*\0'+data[4:], 'bare.dcm': data[132:], 'bare_header.dcm': data[data.index(b'\x08\0\x16\0'):]}.items():
        (tmp_path/name).write_bytes(o)
        agree(open_radiograph(tmp_path/name), GREY)
        assert dicom_facts(tmp_path/name)['age_months']==132
        agree(fit_radiograph(tmp_path/name, 64)[0], letterbox(L, 64)[0])
    (tmp_path/'photo.dcm').write_bytes(LOSSLESS['png'][0])
    agree(open_radiograph(tmp_path/'photo.dcm'), GREY)
    with pytest.raises(RadiographError, match='not a DICOM'): dicom_facts(tmp_path/'photo.dcm')

def test_dicom_too_many_pixels():
    with pytest.raises(RadiographError, match='too many pixels'): open_radiograph(dicom(GREY, Rows=60_000, Columns=60_000))

def test_without_the_extra(monkeypatch, tmp_path):
    "What is missing is named, with the command that brings it"
    (tmp_path/'a.dcm').write_bytes(dicom(GREY))
    with monkeypatch.context() as m:
        m.setitem(sys.modules, 'pydicom', None)
        with pytest.raises(RadiographError, match=r"pip install 'boneage_fastai\[dicom\]'") as e: open_radiograph(tmp_path/'a.dcm')
        assert e.value.source==str(tmp_path/'a.dcm')
        agree(open_radiograph(L), GREY)
    monkeypatch.setattr(pydicom.pixels.get_decoder(uid.JPEGLSLossless), '_available', {})
    with pytest.raises(RadiographError, match=r'compressed as JPEG-LS.*\[dicom\]'): open_dicom(TEST_FILES/'MR_small_jpeg_ls_lossless.dcm')

@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('name', ['MR_small', 'MR_small_RLE', 'MR_small_jp2klossless', 'MR_small_jpeg_ls_lossless', 'SC_rgb_jpeg_dcmtk', 'SC_rgb_jpeg_gdcm', 'SC_rgb_rle_2frame', 'image_dfl'])
def test_dicom_damage(name):
    data = (TEST_FILES/f'{name}.dcm').read_bytes()
    whole = open_radiograph(data)
    for i,bad in enumerate(damaged(data, random.Random(name))):
        attempt(open_radiograph, bad, whole if i<50 else None)
        attempt_facts(bad)
