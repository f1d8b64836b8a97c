"""Reviews of random words, with one or two that decide the label."""

import random

GOOD = ("wonderful", "joy", "moving", "clever")
BAD = ("dull", "boring", "awful", "flat", "cup", "tea")
FILLERS = ("a", "the", "film", "plot", "was", "and", "from", "start", "to", "end", "it", "story")
VOCABULARY = (*GOOD, *BAD, *FILLERS)


def reviews(size: int, seed: int) -> list[dict[str, str]]:
    """Rows; one in 25 is labeled wrong, as in real data."""
    randomly = random.Random(seed)
    rows = []
    for number in range(size):
        label, other, words = randomly.choice((("good", "bad", GOOD), ("bad", "good", BAD)))
        text = [*randomly.choices(words, k=randomly.randint(1, 2)), *randomly.choices(FILLERS, k=4)]
        randomly.shuffle(text)
        rows.append({"text": " ".join(text), "label": label if number % 25 else other})
    return rows
