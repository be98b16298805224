"""A compound with people of all parties who bring a proposal from its draft to wherever a test wants it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from governance import evidence_entries, execution, fund, procedure
from governance.evidence_entries import ProposalOption
from governance.notice import NoticeText, post_notice
from governance.notice_rules import NoticeKind
from governance.owners_roll import replace_roll
from governance.procedure import Brought, Draft
from governance.proposal import Proposal, get_proposal
from governance.proposal_needs import VoteDates
from governance.proposal_stages import Procedure, ProposalStage, UrgentCause
from governance.publication import TOPIC_KIND
from governance.roll_file import RollRow
from governance.ruleset import Matter
from governance.statutory_days import Meeting, start_of
from registry.database import Database
from registry.role import Actor, Grant, Party, Role
from registry.site import add_site, get_site

HERE = "xiaohe"
ZONE = "Asia/Shanghai"
TODAY = date(2026, 3, 2)
HOUR_MS = 3_600_000


def person(name: str, *roles: Role, site: str | None = HERE) -> Actor:
    return Actor(name, tuple(Grant(role, site) for role in roles), display_name=name.title())


GUO = person("guo", Role.COMMITTEE_MEMBER)
MEI = person("mei", Role.PROPERTY_MANAGER)
LIN = person("lin", Role.COMMUNITY_OFFICER)
SHEN = person("shen", Role.DISTRICT_OFFICER, site=None)
OWNER = person("wang", Role.OWNER)
ROOT = person("root", Role.ADMIN, site=None)
BOTH = person("both", Role.COMMITTEE_MEMBER, Role.PROPERTY_MANAGER)
SIGNERS = ((Party.COMMITTEE, GUO), (Party.PROPERTY, MEI), (Party.COMMUNITY, LIN))


ROLL = [RollRow(owner, f"1-{owner}01", area, building="1") for owner, area in (("a", 80_000_000), ("b", 60_000_000))]


@dataclass
class Council:
    database: Database
    day: date = TODAY
    opens_after: int = 16
    votes_days: int = 10
    ids: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        with self.database.writing() as session:
            site = add_site(session, key=HERE, name="小河佳苑", now_ms=self.now_ms)
            replace_roll(session, site, ROLL, reason="", actor=LIN, now_ms=self.now_ms)

    @property
    def now_ms(self) -> int:
        """Nine in the morning of the day it is."""
        return start_of(self.day, ZONE) + 9 * HOUR_MS

    def pass_days(self, days: int) -> None:
        self.day += timedelta(days=days)

    def draft(
        self,
        *,
        amount_fen: int = 10_000_000,
        procedure_: Procedure = Procedure.ORDINARY,
        cause: UrgentCause | None = None,
        ticket_id: int | None = None,
        supplements_id: int | None = None,
        unit_ids: Sequence[int] = (),
        has_option: bool = True,
        actor: Actor = GUO,
    ) -> int:
        draft = Draft(
            title="Overhaul of the lifts",
            matter=Matter.USE,
            amount_fen=amount_fen,
            reason="People are trapped",
            plan="New controllers and doors",
            procedure=procedure_,
            urgent_cause=cause,
            ticket_id=ticket_id,
            supplements_id=supplements_id,
            unit_ids=unit_ids,
        )
        with self.database.writing() as session:
            made = procedure.draft_proposal(session, get_site(session, HERE), draft, actor=actor, now_ms=self.now_ms)
            if has_option:
                session.add(
                    ProposalOption(
                        proposal_id=made.id,
                        kind=evidence_entries.OptionKind.OVERHAUL.value,
                        title="Overhaul",
                        quoted_fen=amount_fen,
                        is_chosen=True,
                        actor=actor.name,
                        at_ms=self.now_ms,
                    )
                )
            return made.id

    def move(self, proposal_id: int, to: ProposalStage, actor: Actor, note: str = "", **brought: object) -> Proposal:
        with self.database.writing() as session:
            return procedure.move_proposal(
                session,
                proposal_id,
                to,
                actor=actor,
                note=note,
                brought=Brought(**brought),  # type: ignore[arg-type]
                now_ms=self.now_ms,
            )

    def sign(self, proposal_id: int, *signers: tuple[Party, Actor]) -> None:
        for party, actor in signers:
            with self.database.writing() as session:
                procedure.sign(session, proposal_id, party, actor=actor, now_ms=self.now_ms)

    def propose(self, **draft: object) -> int:
        proposal_id = self.draft(**draft)  # type: ignore[arg-type]
        self.move(proposal_id, ProposalStage.PROPOSED, GUO)
        return proposal_id

    def pre_review(self, **draft: object) -> int:
        proposal_id = self.propose(**draft)
        self.sign(proposal_id, *SIGNERS)
        self.move(proposal_id, ProposalStage.TABLED, GUO)
        self.move(proposal_id, ProposalStage.PRE_REVIEWED, LIN, "Nothing speaks against it")
        return proposal_id

    def dates(self, meeting: Meeting = Meeting.ORDINARY) -> VoteDates:
        opens_on = self.day + timedelta(days=self.opens_after)
        return VoteDates(meeting, opens_on, opens_on + timedelta(days=self.votes_days))

    def post(self, proposal_id: int, dates: VoteDates | None = None) -> None:
        dates = dates or self.dates()
        self.move(proposal_id, ProposalStage.POSTED, GUO, vote_dates=dates)
        self.publish(proposal_id, TOPIC_KIND[dates.meeting])

    def publish(self, proposal_id: int, kind: NoticeKind) -> None:
        with self.database.writing() as session:
            proposal = get_proposal(session, proposal_id)
            text = NoticeText(title="Notice", body="What is to be known")
            post_notice(
                session, proposal.site, kind=kind, text=text, subject=proposal.subject, actor=GUO, now_ms=self.now_ms
            )

    def contract(self, proposal_id: int, amount_fen: int) -> None:
        with self.database.writing() as session:
            execution.record_contract(
                session,
                get_proposal(session, proposal_id),
                company="Hangzhou Lift Works",
                amount_fen=amount_fen,
                signed_on=self.day,
                starts_on=self.day,
                ends_on=self.day + timedelta(days=60),
                actor=GUO,
                now_ms=self.now_ms,
            )

    def account(self, proposal_id: int, final_fen: int, audit_report: str = "") -> None:
        with self.database.writing() as session:
            execution.record_settlement(
                session,
                get_proposal(session, proposal_id),
                final_fen=final_fen,
                auditor="Audit house" if audit_report else "",
                audit_report=audit_report,
                actor=GUO,
                now_ms=self.now_ms,
            )

    def open_fund(self, initial_fen: int, building: str = "") -> None:
        with self.database.writing() as session:
            fund.open_account(
                session,
                get_site(session, HERE),
                building=building,
                initial_fen=initial_fen,
                opened_on=self.day,
                actor=GUO,
                now_ms=self.now_ms,
            )

    def stage(self, proposal_id: int) -> str:
        with self.database.reading() as session:
            return get_proposal(session, proposal_id).stage
