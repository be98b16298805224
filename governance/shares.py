"""Who pays how much of what: in proportion to area, exact to the fen.

Each owner pays the whole fen below their exact share; the fen that are left go, one each, to the largest remainders
(Hamilton's method), and of equal remainders to the one whose name comes first. So the shares always add up.
"""

from collections.abc import Mapping


def shares_fen(total_fen: int, area_of: Mapping[str, int]) -> dict[str, int]:
    """By owner; areas are whole numbers of any unit (square millimetres), above zero.

    >>> shares_fen(100, {"a": 1, "b": 1, "c": 1})
    {'a': 34, 'b': 33, 'c': 33}
    """
    whole = sum(area_of.values())
    if whole <= 0 or total_fen < 0 or min(area_of.values(), default=0) < 0:
        raise ValueError("a total of at least nothing and an area above zero are needed")
    exact = {owner: divmod(total_fen * area, whole) for owner, area in area_of.items()}
    shares = {owner: fen for owner, (fen, _) in exact.items()}
    left = total_fen - sum(shares.values())
    for owner in sorted(exact, key=lambda each: (-exact[each][1], each))[:left]:
        shares[owner] += 1
    return shares
