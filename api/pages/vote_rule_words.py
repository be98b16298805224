"""The rules of votes in words: limits, secrecy, changes, proxies, identity."""

from collections.abc import Mapping
from types import MappingProxyType

from api.pages.proposal_words import MATTER_TITLES
from api.translations import Translator, msgid
from governance.ruleset import Base, Limit, Matter
from governance.vote_rules import Identity, limit_of

RULESET_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "property-law-2007": msgid("Property Law, article 76"),
        "civil-code-2021": msgid("Civil Code, article 278"),
    }
)
RULE_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "quorum": msgid("Quorum: so many take part"),
        **{matter.value: title for matter, title in MATTER_TITLES.items()},
        "is_secret": msgid("Secrecy"),
        "may_change": msgid("Change of a ballot"),
        "most_proxies": msgid("Owners that one person votes for in writing, at most"),
        "identity": msgid("Asked for beside a letter's code"),
    }
)
IDENTITY_TITLES: Mapping[Identity, str] = MappingProxyType(
    {
        Identity.PHONE: msgid("The last four digits of the telephone"),
        Identity.CERTIFICATE: msgid("The last four signs of the certificate"),
        Identity.NONE: msgid("Nothing: the code alone is enough"),
    }
)
RULE_FAULTS: Mapping[str, str] = MappingProxyType(
    {
        "basis": msgid("Name the resolution of the owners' assembly that decided these rules."),
        "unchanged": msgid("These are the rules already."),
        "changed_meanwhile": msgid(
            "Somebody changed the rules meanwhile. Nothing was overwritten: look at them as they are now."
        ),
    }
)
_LIMITS: Mapping[tuple[Base, bool], str] = MappingProxyType(
    {
        (Base.ALL, False): msgid("at least %(share)s of all"),
        (Base.ALL, True): msgid("more than %(share)s of all"),
        (Base.PARTICIPATING, False): msgid("at least %(share)s of those taking part"),
        (Base.PARTICIPATING, True): msgid("more than %(share)s of those taking part"),
    }
)


def limit_text(limit: Limit, _: Translator) -> str:
    return _(_LIMITS[limit.base, limit.is_exceeded], share=limit.share)


def rule_value_text(key: str, value: object, _: Translator) -> str:
    """One rule as it is kept, in words; `key` is one of RULE_TITLES."""
    if key == "is_secret":
        return _("secret, under pseudonyms") if value else _("open, under the numbers of the roll")
    if key == "may_change":
        return _("may be changed until the end") if value else _("is final")
    if key == "identity":
        return _(IDENTITY_TITLES[Identity(str(value))])
    if key == "quorum" or key in list(Matter):
        return limit_text(limit_of(str(value)), _) if value else _("as the law says")
    return str(value)


def rule_fault(reason: str, _: Translator) -> str:
    return _(RULE_FAULTS[reason])
