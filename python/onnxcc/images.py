"""Pixels of encoded images, for models with ImageDecoder: by Pillow, where it is installed."""
import ctypes
import io
from ctypes import POINTER, c_int, c_int64, c_uint8, c_void_p

import numpy as np

E_IMAGE = -13
RGB, BGR, GRAYSCALE = range(3)


class Image(ctypes.Structure):
    """onnxcc_image of onnxcc_rt.h."""
    _fields_ = [("data", c_void_p), ("bytes", c_int64), ("format", c_int), ("max_height", c_int64), ("max_width", c_int64), ("pixels", POINTER(c_uint8)),
                ("height", c_int64), ("width", c_int64)]


Decoder = ctypes.CFUNCTYPE(c_int, c_void_p, POINTER(Image))


def _decode(image):
    """uint8 [height, width, channels] of an onnxcc_image; None where its data are no image."""
    from PIL import Image as pillow
    try:
        picture = pillow.open(io.BytesIO(ctypes.string_at(image.data, image.bytes)))
        pixels = np.asarray(picture.convert("L" if image.format == GRAYSCALE else "RGB"))
    except (OSError, SyntaxError, ValueError):
        return None
    pixels = pixels.reshape(pixels.shape[0], pixels.shape[1], -1)
    return np.ascontiguousarray(pixels[:, :, ::-1] if image.format == BGR else pixels)


@Decoder
def decode_image(_, image):
    """A decode_image of onnxcc_env."""
    i = image.contents
    try:
        pixels = _decode(i)
    except ImportError:
        return E_IMAGE
    if pixels is None:
        return 0
    i.height, i.width = pixels.shape[:2]
    if i.height <= i.max_height and i.width <= i.max_width:
        ctypes.memmove(i.pixels, pixels.ctypes.data, pixels.size)
    return 0
