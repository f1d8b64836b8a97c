"""Classifiers in a row, the small ones first, as one: a text goes on to the next where the one before was not sure."""

from collections.abc import Sequence

import numpy as np

from offramp.calibration.chained import joined
from offramp.engine.cascade import Cascade, Member
from offramp.engine.classifier import Classifier
from offramp.model.folder import ModelFacts, check_chain


def chained(classifiers: Sequence[Classifier], names: Sequence[str], *, token_budget: int) -> Classifier:
    """Makes one classifier of several; its labels have the order of the last one's.

    Args:
        classifiers: in the order in which texts pass them.
        names: what errors call them.
        token_budget: tokens of a batch, padding included, in all of them.

    Raises:
        ModelFolderError: they have other labels, or are for other kinds of texts.
    """
    facts = [
        ModelFacts(one.labels, one.takes_pairs, one.multi_label, one.runner.cascade.read_on is not None)
        for one in classifiers
    ]
    check_chain(dict(zip(names, facts, strict=True)))
    labels, members = classifiers[-1].labels, list[Member]()
    for classifier in classifiers:
        own: Sequence[Member] = classifier.runner.cascade.members
        if classifier.labels != labels:
            order = np.array([classifier.labels.index(label) for label in labels])
            own = [member.ordered(order) for member in own]
        members += own
    calibration = joined([one.calibration for one in classifiers])
    problem = calibration.problem(classifiers[-1].problem)
    cascade = Cascade(tuple(members), problem, calibration.temperatures, labels, calibration.evidence)
    return Classifier(cascade, calibration, token_budget=token_budget)
