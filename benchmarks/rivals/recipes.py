"""What other early-exit methods come to on the same network: a way of teaching its exits and a rule.

Each is made anew from its paper, of the parts that this library has; none of their code is used. All share the
encoder, the data, the seeds, the recipe, the exits and the clock, so that what differs is the idea.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Rival:
    """A method.

    Attributes:
        name, source: what it is called and where it is described.
        method: how the exits are taught, as in the plan of ``benchmarks.paper``.
        rule: what is compared with the threshold, a name of ``offramp.policy.CRITERIA``.
        differs: from the source.
        thresholds: ``per-exit``: the source has one for each exit, so there always is, fitted as ours are; ``shared``:
            there is nothing to fit; None: as those of what it is set beside.
    """

    name: str
    source: str
    method: str
    rule: str
    differs: str = ""
    thresholds: Literal["shared", "per-exit"] | None = None


RIVALS = (
    Rival(
        "DeeBERT",
        "Xin et al., ACL 2020",
        "attach labels",
        "certainty",
        "exits are linear instead of whole poolers, and calibrated",
    ),
    Rival(
        "PABEE",
        "Zhou et al., NeurIPS 2020",
        "weighted",
        "patience",
        "four exits instead of one after every layer, so there are few speeds to choose from",
        thresholds="shared",
    ),
    Rival(
        "FastBERT",
        "Liu et al., ACL 2020",
        "attach model",
        "certainty",
        "students are linear instead of small transformers; dev temperatures",
    ),
    Rival("BERxiT", "Xin et al., EACL 2021", "alternating", "confidence", "without its learned gate"),
    Rival(
        "PCEE-BERT",
        "Zhang et al., NAACL 2022 Findings",
        "weighted",
        "patient-certainty",
        "patience 2 among four exits, so that none leave before the second; without its ensemble of exits",
    ),
    Rival("SWEET", "Rotem et al., ACL 2023", "sweet", "confidence"),
    Rival(
        "BEEM",
        "Bajpai and Hanawal, ICLR 2025",
        "weighted",
        "agreement",
        "thresholds fitted to dev rows as ours are, instead of from the exits' error rates",
        thresholds="per-exit",
    ),
)
