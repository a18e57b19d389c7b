"""Writes augmentations.json: what torchvision 0.26 makes of Pillow images at fixed parameters.

A case names its image, its operation and the operation's parameters; an image is its width, height and the base64 of
its RGB bytes, row by row. Operations, each with what it stands for in torchvision.transforms.functional:

  crop        box [top, left, height, width] and size: resized_crop, bilinear, antialiased
  flip        hflip
  grayscale   rgb_to_grayscale, three channels
  brightness, contrast, saturation, hue   adjust_*, with factor
  blur        Pillow's GaussianBlur, with sigma as its radius
  solarize    solarize, with threshold
  evaluation  Resize(resize), then CenterCrop(size)
  chain       the steps one after the other, each rounded to 8 bits

normalize is apart, since its result is not 8-bit: to_tensor, then normalize, for some pixels.
"""

import base64
import json
from pathlib import Path

import PIL
import numpy as np
import torchvision
import torchvision.transforms.functional as F
from PIL import Image, ImageDraw, ImageFilter
from torchvision.transforms import InterpolationMode

HERE = Path(__file__).parent
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def picture(width, height, seed):
    """Gradients, saturated shapes with sharp edges, and noise."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    pixels = np.stack([60 + 150 * x, 40 + 170 * y, 200 - 120 * x * y], axis=2)
    image = Image.fromarray(pixels.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    w, h = width / 40, height / 32
    draw.ellipse((3 * w, 4 * h, 15 * w, 16 * h), fill=(230, 40, 30))
    draw.rectangle((20 * w, 3 * h, 34 * w, 11 * h), fill=(20, 90, 220), outline=(255, 255, 255))
    draw.polygon([(8 * w, 30 * h), (20 * w, 15 * h), (27 * w, 28 * h)], fill=(30, 180, 60))
    draw.rectangle((29 * w, 18 * h, 37 * w, 28 * h), fill=(0, 0, 0))
    draw.rectangle((31 * w, 20 * h, 35 * w, 24 * h), fill=(128, 128, 128))
    noise = np.random.RandomState(seed).randint(-12, 13, (height, width, 3))
    return Image.fromarray((np.asarray(image).astype(int) + noise).clip(0, 255).astype(np.uint8))


IMAGES = {"landscape": picture(40, 32, 1), "square": picture(24, 24, 2)}
IMAGES["portrait"] = IMAGES["landscape"].transpose(Image.Transpose.TRANSPOSE)


def apply(image, step):
    match step["operation"]:
        case "crop":
            size = [step["size"], step["size"]]
            return F.resized_crop(image, *step["box"], size, InterpolationMode.BILINEAR, antialias=True)
        case "flip":
            return F.hflip(image)
        case "grayscale":
            return F.rgb_to_grayscale(image, num_output_channels=3)
        case "brightness":
            return F.adjust_brightness(image, step["factor"])
        case "contrast":
            return F.adjust_contrast(image, step["factor"])
        case "saturation":
            return F.adjust_saturation(image, step["factor"])
        case "hue":
            return F.adjust_hue(image, step["factor"])
        case "blur":
            return image.filter(ImageFilter.GaussianBlur(radius=step["sigma"]))
        case "solarize":
            return F.solarize(image, step["threshold"])
        case "evaluation":
            return F.center_crop(F.resize(image, step["resize"], InterpolationMode.BILINEAR), step["size"])
        case "chain":
            for one in step["steps"]:
                image = apply(image, one)
            return image


def crop(top, left, height, width, size):
    return {"operation": "crop", "box": [top, left, height, width], "size": size}


def colour(operation, factor):
    return {"operation": operation, "factor": factor}


def chain(*steps):
    return {"operation": "chain", "steps": list(steps)}


def blur(sigma):
    return {"operation": "blur", "sigma": sigma}


def evaluation(resize, size):
    return {"operation": "evaluation", "resize": resize, "size": size}


FLIP, GRAYSCALE = {"operation": "flip"}, {"operation": "grayscale"}
SOLARIZE = {"operation": "solarize", "threshold": 128}
BRIGHTNESS, CONTRAST = colour("brightness", 1.3), colour("contrast", 0.7)
SATURATION, HUE = colour("saturation", 1.4), colour("hue", 0.07)
DARKER, FLATTER = colour("brightness", 0.6), colour("contrast", 1.4)
PALER, REDDER = colour("saturation", 0.6), colour("hue", -0.1)

CASES = [
    # The whole image, smaller, larger, and as it is.
    ("landscape", crop(0, 0, 32, 40, 24)),
    ("landscape", crop(0, 0, 32, 40, 36)),
    ("square", crop(0, 0, 24, 24, 24)),
    # Parts: down and up, both at once, one pixel, one row, one column, the last corner.
    ("landscape", crop(3, 5, 27, 31, 16)),
    ("landscape", crop(10, 12, 11, 9, 32)),
    ("landscape", crop(1, 2, 30, 12, 24)),
    ("landscape", crop(17, 23, 1, 1, 8)),
    ("landscape", crop(31, 0, 1, 40, 12)),
    ("landscape", crop(0, 39, 32, 1, 12)),
    ("landscape", crop(30, 37, 2, 3, 16)),
    ("portrait", crop(2, 1, 37, 29, 20)),
    ("landscape", FLIP),
    ("landscape", GRAYSCALE),
    *[("landscape", colour(name, f)) for name in ("brightness", "contrast", "saturation") for f in (0.6, 1.0, 1.4)],
    *[("landscape", colour("hue", f)) for f in (-0.4, -0.1, 0.0, 0.1, 0.4)],
    # Jitter in several orders; the last one has v1's largest hue.
    ("square", chain(BRIGHTNESS, CONTRAST, SATURATION, HUE)),
    ("square", chain(HUE, SATURATION, CONTRAST, BRIGHTNESS)),
    ("square", chain(CONTRAST, HUE, BRIGHTNESS, SATURATION)),
    ("square", chain(SATURATION, BRIGHTNESS, HUE, CONTRAST)),
    ("square", chain(DARKER, FLATTER, PALER, REDDER)),
    ("square", chain(REDDER, FLATTER, DARKER, PALER)),
    ("square", chain(FLATTER, PALER, REDDER, DARKER)),
    ("square", chain(PALER, DARKER, FLATTER, colour("hue", -0.4))),
    *[("square", blur(sigma)) for sigma in (0.1, 0.5, 1, 2)],
    ("landscape", blur(2)),
    ("landscape", SOLARIZE),
    # Whole recipes in their order: v1, v2, v3's two views, cifar.
    ("landscape", chain(crop(3, 5, 27, 31, 24), GRAYSCALE, BRIGHTNESS, HUE, CONTRAST, SATURATION, FLIP)),
    ("landscape", chain(crop(3, 5, 27, 31, 24), CONTRAST, BRIGHTNESS, HUE, SATURATION, blur(1.1), FLIP)),
    ("landscape", chain(crop(0, 8, 20, 26, 24), PALER, REDDER, FLATTER, DARKER, GRAYSCALE, blur(0.3))),
    ("landscape", chain(crop(3, 5, 27, 31, 24), DARKER, HUE, PALER, CONTRAST, blur(1.7), FLIP)),
    ("landscape", chain(crop(8, 2, 14, 12, 24), HUE, SATURATION, BRIGHTNESS, CONTRAST, SOLARIZE, FLIP)),
    ("landscape", chain(crop(6, 9, 14, 16, 32), FLIP, SATURATION, CONTRAST, BRIGHTNESS, REDDER)),
    # A half in the centre crop is rounded to even: offsets 2.5 and 3.5 become 2 and 4.
    ("landscape", evaluation(37, 32)),
    ("landscape", evaluation(39, 32)),
    ("portrait", evaluation(37, 32)),
    ("square", evaluation(27, 24)),
    ("square", evaluation(18, 16)),
]


def encoded(image):
    return {"width": image.width, "height": image.height, "rgb": base64.b64encode(image.tobytes()).decode()}


def normalized():
    image = IMAGES["square"].crop((6, 4, 10, 8))
    return {"mean": MEAN, "std": STD, "image": encoded(image),
            "expected_chw": [round(v, 7) for v in F.normalize(F.to_tensor(image), MEAN, STD).flatten().tolist()]}


def main():
    rows = [{"image": name, **step, "expected": encoded(apply(IMAGES[name], step))} for name, step in CASES]
    compact = lambda value: json.dumps(value, separators=(",", ":"))
    (HERE / "augmentations.json").write_text(
        f'{{"pillow":"{PIL.__version__}","torchvision":"{torchvision.__version__.split("+")[0]}",\n'
        f'"images":{compact({name: encoded(image) for name, image in IMAGES.items()})},\n'
        f'"normalize":{compact(normalized())},\n'
        '"cases":[\n' + ",\n".join(map(compact, rows)) + "\n]}\n"
    )


main()
