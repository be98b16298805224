"""How personal data is masked wherever the public reads: names by their signs, numbers by their shape.

An owner finds their own row by the part and the sign that is left; nobody learns a name or a number from it. The rule
is one of ours, after what notice boards use.
"""

import re

MASK = "*"
_NUMBERS = (
    # Identity cards, then bank accounts, then mobile telephones: the longer shape first.
    (re.compile(r"(?<!\d)(\d{4})\d{10}(\d{3}[\dXx])(?!\d)"), r"\1**********\2"),
    (re.compile(r"(?<!\d)(\d{4})\d{8,11}(\d{4})(?!\d)"), r"\1********\2"),
    (re.compile(r"(?<!\d)(1[3-9]\d)\d{4}(\d{4})(?!\d)"), r"\1****\2"),
)
_MAIL = re.compile(r"([\w.+-])[\w.+-]*@([\w-]+\.[\w.-]+)")


def mask_name(name: str) -> str:
    """The first sign of a person's name; of a name in Latin letters the first of each word.

    >>> mask_name("王小明"), mask_name("Li Mei"), mask_name("")
    ('王**', 'L* M**', '')
    """
    return " ".join(word[:1] + MASK * (len(word) - 1) for word in name.split())


def mask_numbers(text: str) -> str:
    """A text in which telephone, identity-card and account numbers and addresses of mail cannot be read any more.

    >>> mask_numbers("请致电 13812345678")
    '请致电 138****5678'
    """
    for pattern, kept in _NUMBERS:
        text = pattern.sub(kept, text)
    return _MAIL.sub(r"\1***@\2", text)
