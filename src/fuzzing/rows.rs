//! Rows of the store, as written by an attacker with write access: a forged row gives no session.

use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;

use crate::clock::Timestamp;
use crate::origin::Origin;
use crate::secret::Secret;
use crate::store::row;
use crate::ticket::{Approved, Binding, Phase, State, Ticket};
use crate::token::{Approval, ClaimKey, ClaimMac, Desk, NewSession, Opened, Party, Record, TicketSecrets, Token};

const LEASE: Duration = Duration::from_secs(13);

/// A genuine ticket under a secret that no input can know.
struct Scene {
    opened: Opened,
    phone: ClaimKey,
    desk: Desk,
    origin: Origin,
    record: Record,
}

thread_local!(static SCENE: Scene = Scene::new().expect("a scene"));

impl Scene {
    fn new() -> Option<Scene> {
        let secrets = TicketSecrets::new(vec![Secret::from_bytes(vec![7; 32])]).ok()?;
        let mut bytes = [0x42; 33];
        bytes[0] = secrets.newest().id();
        let opened = secrets.open(&Token::parse(&BASE64URL_NOPAD.encode(&bytes))?)?;
        let desk = Desk::parse(&BASE64URL_NOPAD.encode(&[0x42; 32]))?;
        let record = Record {
            user: "ana".to_owned(),
            name: None,
            account_hint: None,
            issued: Timestamp(1_790_000_000_000),
            end: Timestamp(1_790_000_180_000),
            next: None,
            approval: Approval::Number,
            stay: Vec::new(),
            issuer: Party { address: None, label: "Firefox on Linux".to_owned() },
            user_agent: None,
            auth_time: None,
            session: "sessionid=x".to_owned(),
            desk: desk.clone(),
        };
        let phone = ClaimKey::parse(&BASE64URL_NOPAD.encode(&[1; 32]))?;
        Some(Scene { opened, phone, desk, origin: Origin::parse("https://app.example")?, record })
    }

    fn claim(&self) -> ClaimMac {
        self.opened.claim_mac(&self.phone)
    }
}

/// The input is a row, or the JSON part of one; in the second case its bytes are also used as the sealed parts.
///
/// - Writing a row that was read gives the same bytes.
/// - A forged row is never redeemed, even with a genuine claim, because approval and number are keyed MACs. No sealed
///   field opens.
/// - A genuine claimed ticket, approved by its number, is redeemed at most once, whatever times the row has, and no
///   time overflows.
pub fn check(data: &[u8]) {
    if let Some(id) = row::named(data) {
        assert_eq!(row::name(&id).as_bytes(), data, "a ticket's name");
    }
    let as_rest = || row::decode(row::join(1, data, data, data));
    let Ok((version, ticket)) = row::decode(data.to_vec()).or_else(|_| as_rest()) else { return };
    let written = row::encode(version.max(1), &ticket).expect("a ticket is written as JSON");
    let again = row::decode(written);
    assert_eq!(again.ok(), Some((version.max(1), ticket.clone())), "read back");
    SCENE.with(|scene| {
        assert!(scene.opened.for_record(&scene.origin).open(data).is_err(), "a record");
        assert!(scene.opened.for_response(&scene.phone).open(data).is_err(), "a response");
        let view = scene.desk.view();
        assert!(scene.opened.key().for_page(&scene.opened.id(), &view).open(data).is_err(), "a page");
        let session = scene.opened.key().for_session(&scene.opened.id(), &scene.desk, &scene.origin).open(data);
        assert!(session.is_err(), "a session");
        let times = [ticket.issued, ticket.exp, ticket.end, scene.record.issued, Timestamp(0), Timestamp(u64::MAX)];
        for now in times {
            opens_nothing(scene, &ticket, now);
            runs_its_course(scene, ticket.clone(), now);
        }
    });
}

fn opens_nothing(scene: &Scene, ticket: &Ticket, now: Timestamp) {
    // An attacker knows the claim of their own browser.
    for ticket in [ticket.clone(), claimed_by(scene.claim(), ticket.clone())] {
        let redeemed = ticket.clone().begin_redeem(now, &scene.opened, &scene.claim(), &scene.record, None, LEASE);
        assert!(redeemed.is_err(), "redeemed without an approval");
        for number in [47, scene.opened.number(&scene.claim())] {
            let typed_for = ticket.binding().map(|binding| binding.claim);
            if let Ok(step) =
                ticket.clone().approve(now, &scene.opened.id(), scene.opened.key(), typed_for, number, None)
            {
                assert!(matches!(step.ticket.state, State::Declined(_)), "approved without its number");
            }
        }
    }
    let over = ticket.phase(now).is_over();
    for (what, step) in [
        ("decline", ticket.clone().decline(now)),
        ("cancel", ticket.clone().cancel(now, &scene.claim())),
        ("contest", ticket.clone().contest(now)),
        ("open", ticket.clone().open(now)),
        ("replace", ticket.clone().replace(now)),
    ] {
        assert!(!over || step.is_err(), "{what} after the end");
    }
    let undone = ticket.clone().begin_undo(now, session(), LEASE);
    assert!(undone.is_err() || ticket.phase(now) == Phase::Spent, "undone before it was spent");
    let noted = ticket.clone().note_expiry(now);
    assert!(noted.is_err() || ticket.phase(now) == Phase::Expired);
}

fn session() -> NewSession {
    let text = |text: &str| text.to_owned();
    let issued = Timestamp(1_790_000_000_000);
    NewSession { user: text("ana"), name: text("s1"), login_id: text("l"), revoke_id: text("r"), issued }
}

/// The same row; where it has a claim, with this one.
fn claimed_by(claim: ClaimMac, ticket: Ticket) -> Ticket {
    let with_own_claim = |binding: Binding| Binding { claim, ..binding };
    let state = match ticket.state {
        State::Claimed(binding) => State::Claimed(with_own_claim(binding)),
        State::Approved(approved) => {
            State::Approved(Approved { binding: with_own_claim(approved.binding), ..approved })
        }
        other => other,
    };
    Ticket { state, ..ticket }
}

fn runs_its_course(scene: &Scene, ticket: Ticket, now: Timestamp) {
    let claim = scene.claim();
    let Ok(step) = ticket.claim(now, &scene.opened, claim, &scene.record, Bytes::new(), None) else { return };
    assert!(now < scene.record.end, "claimed after the sealed end");
    let number = scene.opened.number(&claim);
    let wrong = if number == 99 { 10 } else { number + 1 };
    let approve =
        |ticket: Ticket, number| ticket.approve(now, &scene.opened.id(), scene.opened.key(), Some(claim), number, None);
    let declined = approve(step.ticket.clone(), wrong).expect("a claimed ticket is judged");
    assert!(matches!(declined.ticket.state, State::Declined(_)), "a wrong number");
    let Ok(approved) = approve(step.ticket, number) else { return };
    let begun = approved.ticket.begin_redeem(now, &scene.opened, &claim, &scene.record, None, LEASE);
    let Ok(step) = begun else { return };
    let redeem = step.with.expect("the first call");
    assert_eq!((redeem.grant.user.as_str(), redeem.grant.attempt), ("ana", 1));
    let again = step.ticket.clone().begin_redeem(now, &scene.opened, &claim, &scene.record, None, LEASE);
    assert!(again.is_err(), "two redeems at once");
    let sealed = Some((Bytes::from_static(b"session"), Duration::from_secs(600)));
    if let Ok(spent) = step.ticket.finish_redeem(now, &redeem.lease, Bytes::from_static(b"response"), sealed) {
        let again = spent.ticket.clone().begin_redeem(now, &scene.opened, &claim, &scene.record, None, LEASE);
        assert!(again.is_err(), "spent twice");
        let Ok(step) = spent.ticket.begin_undo(now, session(), LEASE) else { return };
        assert!(step.ticket.sealed_response(now, &claim).is_none(), "cookies after an undo");
        assert!(step.ticket.clone().begin_undo(now, session(), LEASE).is_err(), "two undos at once");
        if let Ok(undone) = step.ticket.finish_undo(now, &step.with.lease, Bytes::new()) {
            assert_eq!(undone.ticket.phase(now), Phase::Undone);
        }
    }
}
