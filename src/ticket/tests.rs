use std::time::Duration;

use bytes::Bytes;

use super::fixture::{LEASE, Scene};
use super::state::LEFT_BY_A_CLAIM;
use super::*;
use crate::clock::Timestamp;
use crate::stay::Stay;
use crate::token::{ApprovalMac, ClaimKey};

const MINT: Timestamp = Timestamp(1_790_000_000_000);
const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: u64) -> Timestamp {
    MINT + Duration::from_secs(seconds)
}

fn wrong(number: u8) -> u8 {
    if number == 10 { 11 } else { 10 }
}

#[test]
fn the_whole_journey_ends_with_the_holder_having_the_answer() {
    let scene = Scene::new(MINT);
    let claimed = scene.claims(scene.ticket(), at(5)).unwrap();
    assert!(claimed.anchored, "a claim asks whether a newer code exists");
    assert_eq!(claimed.before, Some(at(120)));
    let approved = scene.approves(claimed.ticket, at(9), scene.number()).unwrap();
    assert_eq!(approved.ticket.phase(at(9)), Phase::Approved);
    let begun = scene.redeems(approved.ticket, at(10)).unwrap();
    assert_eq!(begun.ticket.phase(at(10)), Phase::Approved, "a running redeem does not show");
    let spent = begun.ticket.finish_redeem(at(11), &begun.with.unwrap().lease, scene.sealed_response(), None).unwrap();
    assert_eq!(spent.before, Some(at(10) + LEASE));
    let sealed = spent.ticket.sealed_response(at(70), &scene.claim()).unwrap();
    assert_eq!(scene.opened.for_response(&scene.phone).open(sealed).unwrap(), scene.response());
    assert_eq!(spent.ticket.sealed_response(at(71), &scene.claim()), None, "a minute is over");
    let other = scene.opened.claim_mac(&ClaimKey::random().unwrap());
    assert_eq!(spent.ticket.sealed_response(at(12), &other), None);
}

#[test]
fn with_approval_phone_the_claim_is_the_approval() {
    let scene = Scene::new(MINT).approved_by_tap();
    let claimed = scene.claims(scene.ticket(), at(5)).unwrap().ticket;
    assert_eq!(claimed.phase(at(5)), Phase::Approved);
    assert!(scene.redeems(claimed, at(5)).unwrap().with.is_some());
}

#[test]
fn a_claimed_ticket_belongs_to_one_browser() {
    let scene = Scene::new(MINT);
    let other = ClaimKey::random().unwrap();
    let claimed = scene.claims(scene.ticket(), at(1)).unwrap().ticket;
    assert_eq!(scene.claims(claimed.clone(), at(2)), Err(Refusal::Held));
    assert_eq!(scene.claims_as(&other, claimed.clone(), at(2)), Err(Refusal::Taken));
    assert_eq!(claimed.clone().cancel(at(2), &scene.opened.claim_mac(&other)), Err(Refusal::Taken));
    let approved = scene.approved(at(1));
    let stolen = scene.opened.claim_mac(&other);
    let tried = approved.begin_redeem(at(2), &scene.opened, &stolen, &scene.record, None, LEASE);
    assert_eq!(tried.unwrap_err(), Refusal::Taken);
}

#[test]
fn a_late_claim_leaves_a_minute_and_no_step_begins_after_the_end() {
    let scene = Scene::new(MINT);
    let late = Timestamp(at(120).0 - 1);
    let claimed = scene.claims(scene.ticket(), late).unwrap().ticket;
    assert_eq!(claimed.exp, late + LEFT_BY_A_CLAIM);
    assert!(claimed.exp < claimed.end);
    assert_eq!(scene.claims(scene.ticket(), at(120)), Err(Refusal::Over(Phase::Expired)));
    let early = scene.claims(scene.ticket(), at(1)).unwrap().ticket;
    assert_eq!(early.exp, at(120), "an early claim moves nothing");
}

#[test]
fn the_sealed_end_counts_where_the_stores_times_were_moved() {
    let scene = Scene::new(MINT);
    let mut ticket = scene.ticket();
    ticket.exp = at(9_000);
    ticket.end = at(9_000);
    let end = scene.record.end;
    assert_eq!(scene.claims(ticket, end), Err(Refusal::Over(Phase::Expired)));
    let mut approved = scene.approved(at(1));
    approved.exp = at(9_000);
    assert_eq!(scene.redeems(approved, end).unwrap_err(), Refusal::Over(Phase::Expired));
}

#[test]
fn a_wrong_number_ends_the_ticket_and_the_right_one_may_be_sent_again() {
    let scene = Scene::new(MINT);
    let claimed = scene.claims(scene.ticket(), at(1)).unwrap().ticket;
    let declined = scene.approves(claimed.clone(), at(2), wrong(scene.number())).unwrap().ticket;
    assert_eq!(declined.phase(at(2)), Phase::Declined(Reason::Number));
    assert_eq!(
        scene.approves(declined, at(3), scene.number()),
        Err(Refusal::Over(Phase::Declined(Reason::Number))),
        "one try"
    );
    let approved = scene.approves(claimed, at(2), scene.number()).unwrap().ticket;
    assert_eq!(scene.approves(approved.clone(), at(3), scene.number()), Err(Refusal::AlreadyDone));
    assert_eq!(scene.approves(approved, at(3), wrong(scene.number())), Err(Refusal::NothingToApprove));
    assert_eq!(scene.approves(scene.ticket(), at(3), 47), Err(Refusal::NothingToApprove));
}

#[test]
fn an_approval_written_into_the_store_is_worth_nothing() {
    // Whoever can write to the store and photographed the code makes a claim and an approval up.
    let scene = Scene::new(MINT);
    let mut forged = scene.ticket();
    let binding = Binding { claim: scene.claim(), check: scene.opened.number_mac(&scene.claim()) };
    let assent = ApprovalMac(crate::token::Mac([7; 32]));
    let genuine = Approved::new(binding, scene.opened.key(), &scene.id(), None);
    forged.state = State::Approved(Approved { assent, ..genuine });
    assert_eq!(scene.redeems(forged, at(2)).unwrap_err(), Refusal::Forged);
}

#[test]
fn a_length_of_session_changed_in_the_store_signs_nobody_in() {
    let scene = Scene::new(MINT);
    let claimed = scene.claims(scene.ticket(), at(1)).unwrap().ticket;
    let (key, typed_for) = (scene.opened.key(), Some(scene.claim()));
    for chosen in [None, Some(Stay::Browser), Some(Stay::Hours(1))] {
        let step = claimed.clone().approve(at(2), &scene.id(), key, typed_for, scene.number(), chosen).unwrap();
        let State::Approved(approved) = step.ticket.state else { panic!("approved") };
        for stay in [None, Some(Stay::Browser), Some(Stay::Hours(1)), Some(Stay::Days(400))] {
            let state = State::Approved(Approved { stay, ..approved });
            let redeemed = scene.redeems(Ticket { state, ..claimed.clone() }, at(3));
            match stay == chosen {
                true => assert_eq!(redeemed.unwrap().with.unwrap().grant.stay, chosen),
                false => assert_eq!(redeemed.unwrap_err(), Refusal::Forged, "{chosen:?} as {stay:?}"),
            }
        }
    }
}

#[test]
fn one_press_is_one_lease() {
    let scene = Scene::new(MINT);
    let begun = scene.redeems(scene.approved(at(1)), at(2)).unwrap();
    let grant = begun.with.unwrap().grant;
    assert_eq!((grant.user.as_str(), grant.attempt, grant.timestamp), ("ana", 1, at(2).seconds()));
    assert_eq!(scene.redeems(begun.ticket.clone(), at(3)).unwrap_err(), Refusal::Busy);
    let again = scene.redeems(begun.ticket, at(2) + LEASE).unwrap();
    let grant_again = again.with.unwrap().grant;
    assert_eq!(grant_again.hook_id, grant.hook_id, "a lapsed lease never calls under another id");
    assert_eq!(grant_again.attempt, 2);
    assert_eq!(again.ticket.phase(at(16)), Phase::Approved);
}

#[test]
fn three_failed_calls_decline_and_calls_that_never_left_do_not_count() {
    let scene = Scene::new(MINT);
    let mut ticket = scene.approved(at(1));
    for _ in 0..5 {
        let begun = scene.redeems(ticket, at(2)).unwrap();
        ticket =
            begun.ticket.release_redeem(at(3), &begun.with.unwrap().lease, RedeemFailure::NotCalled).unwrap().ticket;
    }
    for attempt in 1..=3 {
        let begun = scene.redeems(ticket, at(4)).unwrap();
        let redeem = begun.with.unwrap();
        assert_eq!(redeem.grant.attempt, attempt);
        ticket = begun.ticket.release_redeem(at(5), &redeem.lease, RedeemFailure::Called).unwrap().ticket;
    }
    assert_eq!(ticket.phase(at(5)), Phase::Declined(Reason::Application));
    assert!(ticket.held_by(&scene.claim()), "the holder sees the reason");
}

#[test]
fn three_calls_that_never_reported_back_decline_with_the_next_press() {
    let scene = Scene::new(MINT);
    let mut ticket = scene.approved(at(1));
    for press in 0..3 {
        ticket = scene.redeems(ticket, at(2 + 13 * press)).unwrap().ticket;
    }
    let ended = scene.redeems(ticket, at(2 + 39)).unwrap();
    assert!(ended.with.is_none());
    assert_eq!(ended.ticket.phase(at(41)), Phase::Declined(Reason::Application));
}

#[test]
fn every_call_is_signed_later_than_the_one_before() {
    let scene = Scene::new(MINT);
    let mut ticket = scene.approved(at(1));
    let mut stamps = Vec::new();
    for _ in 0..2 {
        let begun = scene.redeems(ticket, at(2)).unwrap();
        let redeem = begun.with.unwrap();
        stamps.push(redeem.grant.timestamp);
        ticket = begun.ticket.release_redeem(at(2), &redeem.lease, RedeemFailure::Called).unwrap().ticket;
    }
    assert_eq!(stamps, [at(2).seconds(), at(3).seconds()]);
}

#[test]
fn a_decline_wins_until_spent_also_over_a_running_redeem() {
    let scene = Scene::new(MINT);
    let begun = scene.redeems(scene.approved(at(1)), at(2)).unwrap();
    let lease = begun.with.unwrap().lease;
    let declined = begun.ticket.clone().decline(at(3)).unwrap().ticket;
    assert_eq!(declined.clone().finish_redeem(at(4), &lease, Bytes::new(), None), Err(Refusal::LeaseLost));
    assert_eq!(declined.decline(at(4)), Err(Refusal::AlreadyDone));
    let replaced = begun.ticket.clone().replace(at(3)).unwrap().ticket;
    assert_eq!(replaced.finish_redeem(at(4), &lease, Bytes::new(), None), Err(Refusal::LeaseLost));
    let spent = begun.ticket.finish_redeem(at(3), &lease, Bytes::new(), None).unwrap().ticket;
    assert_eq!(spent.clone().decline(at(4)), Err(Refusal::Over(Phase::Spent)));
    assert_eq!(spent.cancel(at(4), &scene.claim()), Err(Refusal::Over(Phase::Spent)));
}

#[test]
fn an_older_lease_ends_nothing() {
    let scene = Scene::new(MINT);
    let begun = scene.redeems(scene.approved(at(1)), at(2)).unwrap();
    let first = begun.with.unwrap().lease;
    let lapsed = at(2) + LEASE;
    assert_eq!(begun.ticket.clone().finish_redeem(lapsed, &first, Bytes::new(), None), Err(Refusal::LeaseLost));
    let second = scene.redeems(begun.ticket, lapsed).unwrap();
    let now = lapsed + SECOND;
    assert_eq!(second.ticket.clone().finish_redeem(now, &first, Bytes::new(), None), Err(Refusal::LeaseLost));
    assert_eq!(second.ticket.clone().refuse(now, &first, Reason::Application), Err(Refusal::LeaseLost));
    assert_eq!(second.ticket.release_redeem(now, &first, RedeemFailure::Called), Err(Refusal::LeaseLost));
}

#[test]
fn a_redeem_that_began_in_time_may_end_later() {
    let scene = Scene::new(MINT);
    let begun = scene.redeems(scene.approved(at(1)), at(119)).unwrap();
    let lease = begun.with.unwrap().lease;
    assert_eq!(begun.ticket.phase(at(125)), Phase::Approved);
    assert_eq!(begun.ticket.phase(at(132)), Phase::Expired, "the lease has lapsed");
    assert_eq!(scene.redeems(begun.ticket.clone(), at(125)).unwrap_err(), Refusal::Busy);
    let spent = begun.ticket.finish_redeem(at(131), &lease, scene.sealed_response(), None).unwrap().ticket;
    assert_eq!(spent.phase(at(500)), Phase::Spent);
}

#[test]
fn reasons_tell_who_said_no() {
    let scene = Scene::new(MINT);
    let begin = || {
        let begun = scene.redeems(scene.approved(at(1)), at(2)).unwrap();
        (begun.ticket, begun.with.unwrap().lease)
    };
    let reason = |step: Step| match step.ticket.phase(at(3)) {
        Phase::Declined(reason) => reason.as_str(),
        other => panic!("{other:?}"),
    };
    let (ticket, lease) = begin();
    assert_eq!(reason(ticket.refuse(at(3), &lease, Reason::Application).unwrap()), "application");
    let (ticket, lease) = begin();
    assert_eq!(reason(ticket.refuse(at(3), &lease, Reason::SignedOut).unwrap()), "signed_out");
    assert_eq!(reason(begin().0.decline(at(3)).unwrap()), "computer");
    assert_eq!(reason(begin().0.cancel(at(3), &scene.claim()).unwrap()), "phone");
    let stranger = scene.opened.claim_mac(&ClaimKey::random().unwrap());
    assert_eq!(reason(scene.ticket().cancel(at(3), &stranger).unwrap()), "phone", "before any claim anybody may");
}

#[test]
fn a_clock_that_is_set_back_lengthens_no_life() {
    let scene = Scene::new(at(1000));
    let ticket = scene.ticket();
    assert_eq!(ticket.phase(at(1000 - 30)), Phase::Issued, "clocks of two servers may differ");
    assert_eq!(ticket.phase(at(1000 - 31)), Phase::Expired);
    let refused = ticket.claim(at(1000 - 31), &scene.opened, scene.claim(), &scene.record, Bytes::new(), None);
    assert_eq!(refused, Err(Refusal::Over(Phase::Expired)));
}

#[test]
fn nothing_begins_on_an_expired_ticket() {
    let scene = Scene::new(MINT);
    let over = Refusal::Over(Phase::Expired);
    let now = at(180);
    for ticket in [scene.ticket(), scene.claims(scene.ticket(), at(1)).unwrap().ticket, scene.approved(at(1))] {
        assert_eq!(scene.claims(ticket.clone(), now), Err(over));
        assert_eq!(scene.approves(ticket.clone(), now, scene.number()), Err(over));
        assert_eq!(scene.redeems(ticket.clone(), now).unwrap_err(), over);
        assert_eq!(ticket.clone().decline(now), Err(over));
        assert_eq!(ticket.clone().cancel(now, &scene.claim()), Err(over));
        assert_eq!(ticket.clone().contest(now), Err(over));
        assert_eq!(ticket.clone().replace(now), Err(over));
        let noted = ticket.note_expiry(now).unwrap().ticket;
        assert_eq!(noted.note_expiry(now), Err(Refusal::AlreadyDone), "counted once");
    }
    assert_eq!(scene.ticket().note_expiry(at(1)), Err(Refusal::AlreadyDone));
}

#[test]
fn another_browser_at_a_claimed_ticket_is_shown_on_the_computer_once() {
    let scene = Scene::new(MINT);
    assert_eq!(scene.ticket().contest(at(1)), Err(Refusal::AlreadyDone), "nobody holds it");
    let claimed = scene.claims(scene.ticket(), at(1)).unwrap().ticket;
    assert_eq!(claimed.clone().open(at(2)), Err(Refusal::AlreadyDone), "a claim says more");
    let contested = claimed.contest(at(2)).unwrap().ticket;
    assert!(contested.contested);
    assert_eq!(contested.contest(at(3)), Err(Refusal::AlreadyDone));
}

#[test]
fn tombstones_stay_a_minute_after_the_last_possible_moment() {
    let scene = Scene::new(MINT);
    let end = scene.record.end;
    assert_eq!(scene.ticket().forget_at(), end + TOMBSTONE);
    let late = Timestamp(at(120).0 - 1);
    let claimed = scene.claims(scene.ticket(), late).unwrap().ticket;
    let approved = scene.approves(claimed, late, scene.number()).unwrap().ticket;
    let last = Timestamp(approved.exp.0 - 1);
    let begun = scene.redeems(approved, last).unwrap();
    assert_eq!(begun.ticket.forget_at(), last + LEASE + TOMBSTONE);
    let done = last + SECOND * 12;
    let spent = begun.ticket.finish_redeem(done, &begun.with.unwrap().lease, Bytes::new(), None).unwrap().ticket;
    assert_eq!(spent.forget_at(), done + TOMBSTONE);
}

#[test]
fn a_row_survives_its_written_form() {
    let scene = Scene::new(MINT);
    let begun = scene.redeems(scene.approved(at(1)), at(2)).unwrap();
    let spent =
        begun.ticket.clone().finish_redeem(at(3), &begun.with.unwrap().lease, scene.sealed_response(), None).unwrap();
    let declined = scene.ticket().decline(at(2)).unwrap();
    let replaced = scene.approved(at(1)).replace(at(2)).unwrap();
    for ticket in [scene.ticket(), scene.approved(at(1)), begun.ticket, spent.ticket, declined.ticket, replaced.ticket]
    {
        let mut read: Ticket = serde_json::from_slice(&serde_json::to_vec(&ticket).unwrap()).unwrap();
        read.record = ticket.record.clone();
        read.page = ticket.page.clone();
        assert_eq!(read, ticket);
    }
}
