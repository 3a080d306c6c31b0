"""Small files in the formats in which datasets are published."""

import csv
import io
import pickle
import zipfile

import numpy as np
from PIL import Image

SHORT = {"train": "train", "validation": "val", "test": "test"}
RANDOM = np.random.default_rng(0)


def png(array):
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


def strokes():
    """A drawing of Omniglot: black ink on white, one bit a pixel, 105×105."""
    paper = np.full((105, 105), 255, np.uint8)
    paper[20:80, RANDOM.integers(10, 90) :][:, :8] = 0
    stream = io.BytesIO()
    Image.fromarray(paper).convert("1").save(stream, "PNG")
    return stream.getvalue()


def omniglot(folder, alphabets, drawings=20):
    """Archives like the published ones; `alphabets`: part → alphabet → number of characters."""
    folder.mkdir(parents=True, exist_ok=True)
    identity = 0
    for part, content in alphabets.items():
        with zipfile.ZipFile(folder / f"{part}.zip", "w") as archive:
            for alphabet, characters in content.items():
                for number in range(1, characters + 1):
                    identity += 1
                    for drawing in range(1, drawings + 1):
                        archive.writestr(
                            f"{part}/{alphabet}/character{number:02}/{identity:04}_{drawing:02}.png",
                            strokes(),
                        )


def photographs(classes, size, side):
    return RANDOM.integers(0, 256, (classes * size, side, side, 3)).astype(np.uint8)


def metaoptnet(path, images, size):
    labels = [number // size for number in range(len(images))]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps({"data": images, "labels": labels}, protocol=2))


def tiered(folder, split, images, labels):
    folder.mkdir(parents=True, exist_ok=True)
    encoded = [np.frombuffer(png(image), np.uint8)[:, None] for image in images]
    names = [f"n{label}" for label in labels]
    (folder / f"{split}_images_png.pkl").write_bytes(pickle.dumps(encoded))
    table = {"label_specific": np.array(labels), "label_specific_str": names}
    (folder / f"{split}_labels.pkl").write_bytes(pickle.dumps(table))


def ravi(folder, split, images, labels):
    (folder / "images").mkdir(parents=True, exist_ok=True)
    with (folder / f"{split}.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["filename", "label"])
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            name = f"{label}{number:08}.png"
            (folder / "images" / name).write_bytes(png(image))
            table.writerow([name, label])


def leo(folder, split, classes, size):
    embeddings = RANDOM.normal(size=(classes * size, 640))
    names = [f"n{number % classes:08}" for number in range(classes * size)]
    keys = np.array([f"{i}-{name}-{name}_{i}.jpg" for i, name in enumerate(names)])
    folder.mkdir(parents=True, exist_ok=True)
    content = {"embeddings": embeddings, "labels": np.array(names), "keys": keys}
    (folder / f"{split}_embeddings.pkl").write_bytes(pickle.dumps(content, protocol=2))
    return embeddings


def movielens(path, separator, users, films):
    """User, film, rating and time a line; a third of the users rate next to nothing."""
    given = {}
    for user in range(1, users + 1):
        count = 15 if user % 3 == 0 else 90
        for film in RANDOM.choice(films, count, replace=False) + 1:
            given[user, int(film)] = int(RANDOM.integers(1, 6))
    lines = [(*key, rating, 875_000_000) for key, rating in given.items()]
    RANDOM.shuffle(lines)
    path.write_text("".join(separator.join(map(str, line)) + "\n" for line in lines))
    return given


def jester(folder, users, least):
    """Sheets as text: the number of ratings, then a hundred of them, 99 for none."""
    sheets = []
    for number, count in enumerate(users, 1):
        table = np.round(RANDOM.uniform(-10, 10, (count, 100)), 2)
        for row in table:
            row[RANDOM.choice(100, RANDOM.integers(0, 100 - least), replace=False)] = 99
        rows = [f"{(row != 99).sum()}," + ",".join(map(str, row)) for row in table]
        (folder / f"jester-data-{number}.csv").write_text("\n".join(rows) + "\n")
        sheets.append(table)
    return np.concatenate(sheets)
