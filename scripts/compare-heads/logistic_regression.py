"""Tests scikit-learn's logistic regression, solved to convergence, on the features in a folder.

usage: logistic_regression.py FOLDER
FOLDER/shape.json is {"dimension": d}. {train,test}.f32 have rows of d little-endian floats, {train,test}.i32 labels.
Prints a JSON list of {"name", "correct"}, with the number of correct predictions for the test images.
"""

import json
import pathlib
import sys

import numpy as np
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

folder = pathlib.Path(sys.argv[1])
dimension = json.loads((folder / "shape.json").read_text())["dimension"]


def load(split):
    features = np.fromfile(folder / f"{split}.f32", dtype="<f4").reshape(-1, dimension)
    return features, np.fromfile(folder / f"{split}.i32", dtype="<i4")


train, train_labels = load("train")
test, test_labels = load("test")
folds = int(min(5, np.bincount(train_labels).min()))

candidates = {
    "C = 1": LogisticRegression(max_iter=5000),
    "C = 1, standardised": make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)),
}
if folds > 1:
    tuned = LogisticRegressionCV(Cs=np.logspace(-4, 2, 7), cv=folds, max_iter=2000)
    candidates["C by cross-validation"] = tuned

rows = []
for name, model in candidates.items():
    answers = model.fit(train, train_labels).predict(test)
    rows.append({"name": f"scikit-learn, {name}", "correct": int((answers == test_labels).sum())})
print(json.dumps(rows))
