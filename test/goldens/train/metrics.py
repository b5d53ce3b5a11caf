"""What scikit-learn says of predictions: metrics.json.

    python metrics.py          # scikit-learn 1.9, numpy 2

Mean IoU and its relatives are computed as `evaluate`'s mean_iou does (numpy's histograms of intersections and areas), and held
against scikit-learn's jaccard_score.
"""
import json, warnings
from pathlib import Path

import numpy as np
from sklearn import metrics as m

warnings.filterwarnings('ignore')  # classes that nobody predicted
r = np.random.default_rng(7)
OUT = Path(__file__).parent / 'metrics.json'


def classify(n, k, missing=(), unseen=()):
    """`missing` classes are in no label, `unseen` ones are never predicted."""
    labels = r.choice([c for c in range(k) if c not in missing], n)
    scores = r.normal(size=(n, k)).round(3)
    scores[np.arange(n), labels] += .8
    for c in (*unseen, ): scores[:, c] = -9
    pred = scores.argmax(1)
    p, rec, f, s = m.precision_recall_fscore_support(labels, pred, labels=range(k), zero_division=0)
    present = sorted(set(labels) | set(pred))
    macro = m.precision_recall_fscore_support(labels, pred, average='macro', labels=present, zero_division=0)[:3]
    weighted = m.precision_recall_fscore_support(labels, pred, average='weighted', labels=present, zero_division=0)[:3]
    return dict(
        k=k, labels=labels.tolist(), scores=scores.ravel().tolist(), accuracy=m.accuracy_score(labels, pred),
        top={q: m.top_k_accuracy_score(labels, scores, k=q, labels=range(k)) for q in (2, 3) if q < k},
        precision=p.tolist(), recall=rec.tolist(), f1=f.tolist(), support=s.tolist(),
        macro=macro, weighted=weighted, confusion=m.confusion_matrix(labels, pred, labels=range(k)).ravel().tolist())


def segment(shape, k, missing=()):
    labels = r.choice([c for c in range(k) if c not in missing] + [255], shape)
    pred = np.where(r.random(shape) < .6, np.where(labels == 255, 0, labels), r.integers(0, k - 1, shape))
    keep = labels != 255
    hist = lambda x: np.histogram(x, bins=k, range=(0, k))[0]
    inter, areas, own = hist(pred[keep & (pred == labels)]), hist(pred[keep]), hist(labels[keep])
    union = areas + own - inter
    iou, acc = inter / np.where(union, union, np.nan), inter / np.where(own, own, np.nan)
    sk = m.jaccard_score(labels[keep], pred[keep], average=None, labels=range(k), zero_division=0)
    assert np.allclose(np.nan_to_num(iou), sk)
    none = lambda x: [None if np.isnan(v) else float(v) for v in x]
    return dict(k=k, labels=labels.ravel().tolist(), predictions=pred.ravel().tolist(), per_category_iou=none(iou),
                per_category_accuracy=none(acc), mean_iou=float(np.nanmean(iou)), mean_accuracy=float(np.nanmean(acc)),
                overall_accuracy=float(inter.sum() / own.sum()))


OUT.write_text(json.dumps(dict(
    classify=[classify(40, 2), classify(60, 5), classify(50, 6, missing=(2,), unseen=(2,)), classify(50, 5, unseen=(1,)),
              classify(50, 5, missing=(4,))],
    segment=[segment((3, 9, 11), 4), segment((2, 8, 8), 5, missing=(1,)), segment((1, 6, 6), 6, missing=(0, 5))])) + '\n')
