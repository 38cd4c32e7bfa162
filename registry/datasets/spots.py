"""Spot checks: the MD5 of single images, by which the field's archives are known.

SOP: metric-learning repositories check these four after unpacking. Cars196: as shared for
``car_ims.tgz``. Of Oxford and Paris none was found, with blurred faces or without.
"""

SPOTS: dict[str, dict[str, str]] = {
    "sop": {
        "bicycle_final/111265328556_0.JPG": "77420a4db9dd9284378d7287a0729edb",
        "chair_final/111182689872_0.JPG": "ce78d10ed68560f4ea5fa1bec90206ba",
        "table_final/111194782300_0.JPG": "8203e079b5c134161bbfa7ee2a43a0a1",
        "toaster_final/111157129195_0.JPG": "d6c24ee8c05d986cafffa6af82ae224e",
    },
    "cars196": {
        "car_ims/000001.jpg": "2d44a28f071aeaac9c0802fddcde452e",
        "car_ims/000002.jpg": "531fbde520bee33dcbfced6ae588c8f9",
        "car_ims/014981.jpg": "e7238ce05218a6e4dc92cda5e8971f17",
        "car_ims/014982.jpg": "b2a95af89329d32d5fe2b74f0922378e",
        "car_ims/016185.jpg": "bab296d5e4b2290d024920bf4dc23d07",
    },
}
