"""A few texts for checking an export when the user gives none: short and long, plain and odd."""

SENTENCES = (
    "Yes.",
    "No, thank you.",
    "The parcel arrived two days late.",
    "I would like to change my booking, please!",
    "Is there a train to the coast on Sunday morning?",
    "Shares of the company rose by 3.5 % after it reported its results for the second quarter.",
    "A quiet film with fine actors; the last half hour is far too long.",
    "Please cancel order no. 48-1137 and send the money back to my card ending in 0042.",
    "The committee met on Tuesday, but nobody could say when, or whether, a decision would be taken.",
    "WHY is nobody answering?? I have been waiting for 3 hours...",
    "Über den Wolken liegt eine dünne Schicht aus Eis.",
    "Le café ferme à 18 h; on peut encore y dîner.",
    "user@example.org wrote: see https://example.org/page?id=7 for the details",
    "42",
    "The new bridge, which took four years and twice the money that had been set aside for it, was opened by the mayor "
    "on a rainy afternoon in front of some two hundred people, most of whom had come for the free lunch.",
    "She opened the window. The street was empty. Somewhere a dog barked, then another, then all of them at once; and "
    "when it was quiet again she heard the sea, as she had heard it as a child, slow and even and without end.",
)
