//! The rules of an undo.

use std::time::Duration;

use bytes::Bytes;

use super::fixture::Scene;
use super::*;
use crate::clock::Timestamp;

const MINT: Timestamp = Timestamp(1_790_000_000_000);
const UNDO: Duration = Duration::from_secs(600);
const UNDO_LEASE: Duration = Duration::from_secs(7);
/// When the sign-in is spent.
const SPENT: u64 = 10;

fn at(seconds: u64) -> Timestamp {
    MINT + Duration::from_secs(seconds)
}

/// A sign-in whose session has a name.
fn spent(scene: &Scene) -> Ticket {
    let begun = scene.redeems(scene.approved(at(1)), at(2)).unwrap();
    let session = Some((scene.sealed_session(), UNDO));
    let lease = begun.with.unwrap().lease;
    begun.ticket.finish_redeem(at(SPENT), &lease, scene.sealed_response(), session).unwrap().ticket
}

fn begins(scene: &Scene, ticket: &Ticket, now: Timestamp) -> Result<Step<Undoing>, Refusal> {
    ticket.clone().begin_undo(now, scene.session(), UNDO_LEASE)
}

#[test]
fn a_sign_in_is_undone_once_the_application_has_ended_its_session() {
    let scene = Scene::new(MINT);
    let ticket = spent(&scene);
    assert_eq!(ticket.undo_left(at(SPENT)), Some(UNDO));
    let begun = begins(&scene, &ticket, at(20)).unwrap();
    assert_eq!(begun.ticket.phase(at(20)), Phase::Spent, "not before the hook has answered");
    assert_eq!((begun.with.grant.session, begun.with.grant.timestamp), (scene.session(), at(20).seconds()));
    let page = Bytes::from_static(b"page");
    let undone = begun.ticket.finish_undo(at(21), &begun.with.lease, page.clone()).unwrap().ticket;
    assert_eq!((undone.phase(at(21)), undone.page.clone()), (Phase::Undone, page));
    assert_eq!(undone.undo_left(at(21)), None);
    assert_eq!(begins(&scene, &undone, at(22)).unwrap_err(), Refusal::AlreadyDone);
    assert_eq!(undone.decline(at(22)), Err(Refusal::Over(Phase::Undone)));
}

#[test]
fn only_a_named_session_of_a_spent_ticket_is_undone_and_only_in_time() {
    let scene = Scene::new(MINT);
    let approved = scene.approved(at(1));
    let running = scene.redeems(approved.clone(), at(2)).unwrap();
    let lease = running.with.unwrap().lease;
    let unnamed = running.ticket.clone().finish_redeem(at(3), &lease, scene.sealed_response(), None).unwrap().ticket;
    let declined = scene.ticket().decline(at(1)).unwrap().ticket;
    let replaced = scene.ticket().replace(at(1)).unwrap().ticket;
    for ticket in [scene.ticket(), approved, running.ticket, unnamed, declined, replaced] {
        assert_eq!(begins(&scene, &ticket, at(4)).unwrap_err(), Refusal::NothingToUndo, "{:?}", ticket.phase(at(4)));
        assert_eq!((ticket.undo_left(at(4)), ticket.sealed_session()), (None, None));
    }
    let ticket = spent(&scene);
    let last = Timestamp(at(SPENT + 600).0 - 1);
    assert!(begins(&scene, &ticket, last).is_ok());
    assert_eq!(begins(&scene, &ticket, at(SPENT + 600)).unwrap_err(), Refusal::NothingToUndo);
    assert_eq!(ticket.undo_left(at(SPENT + 600)), None);
    let set_back = Timestamp(at(SPENT).0 - 31_000);
    assert_eq!(begins(&scene, &ticket, set_back).unwrap_err(), Refusal::NothingToUndo, "the clock was set back");
}

#[test]
fn of_two_undos_one_calls_and_each_call_is_signed_later() {
    let scene = Scene::new(MINT);
    let first = begins(&scene, &spent(&scene), at(20)).unwrap();
    assert_eq!(begins(&scene, &first.ticket, at(26)).unwrap_err(), Refusal::Busy);
    assert!(first.ticket.is_undoing(at(26)) && !first.ticket.is_undoing(at(27)));
    // The process was killed: the lease lapses.
    let second = begins(&scene, &first.ticket, at(27)).unwrap();
    let lost = second.ticket.clone().finish_undo(at(28), &first.with.lease, Bytes::new());
    assert_eq!(lost, Err(Refusal::LeaseLost));
    let lease = &second.with.lease;
    let mut ticket = second.ticket.release_undo(at(28), lease, RedeemFailure::Called).unwrap().ticket;
    let mut stamps = vec![first.with.grant.timestamp, second.with.grant.timestamp];
    for _ in 0..2 {
        let begun = begins(&scene, &ticket, at(28)).unwrap();
        stamps.push(begun.with.grant.timestamp);
        ticket = begun.ticket.release_undo(at(28), &begun.with.lease, RedeemFailure::Called).unwrap().ticket;
    }
    assert_eq!(stamps, [20, 27, 28, 29].map(|seconds| at(seconds).seconds()));
    // A call that was not sent uses no timestamp up.
    let begun = begins(&scene, &ticket, at(28)).unwrap();
    let released = begun.ticket.release_undo(at(28), &begun.with.lease, RedeemFailure::NotCalled).unwrap().ticket;
    assert_eq!(begins(&scene, &released, at(28)).unwrap().with.grant.timestamp, begun.with.grant.timestamp);
}

#[test]
fn calls_within_a_moment_are_not_signed_far_ahead_of_the_clock() {
    let scene = Scene::new(MINT);
    let mut ticket = spent(&scene);
    let mut calls = 0;
    while let Ok(begun) = begins(&scene, &ticket, at(20)) {
        calls += 1;
        ticket = begun.ticket.release_undo(at(20), &begun.with.lease, RedeemFailure::Called).unwrap().ticket;
    }
    assert_eq!((calls, begins(&scene, &ticket, at(20)).unwrap_err()), (31, Refusal::Busy));
    assert!(begins(&scene, &ticket, at(21)).is_ok());
}

#[test]
fn an_undo_that_has_begun_takes_cookies_and_record_out_of_the_row() {
    let scene = Scene::new(MINT);
    let ticket = spent(&scene);
    assert!(ticket.sealed_response(at(20), &scene.claim()).is_some());
    let begun = begins(&scene, &ticket, at(20)).unwrap().ticket;
    assert_eq!(begun.sealed_response(at(20), &scene.claim()), None);
    assert!(begun.record.is_empty() && begun.remainder().is_none());
    assert_eq!(begun.forget_at(), at(SPENT) + UNDO + TOMBSTONE);
}

#[test]
fn cookies_and_record_are_kept_no_longer_than_without_an_undo() {
    let scene = Scene::new(MINT);
    let ticket = spent(&scene);
    let forgotten = scene.record.end + TOMBSTONE;
    assert_eq!(ticket.forget_at(), forgotten);
    assert_eq!(ticket.clone().kept_at(Timestamp(forgotten.0 - 1)).as_ref(), Some(&ticket));
    let remainder = ticket.clone().kept_at(forgotten).unwrap();
    assert!(remainder.record.is_empty());
    assert!(matches!(&remainder.state, State::Spent(spent) if spent.response.is_empty()));
    assert_eq!((remainder.phase(forgotten), &remainder.page), (Phase::Spent, &ticket.page));
    assert!(begins(&scene, &remainder, forgotten).is_ok());
    let end = at(SPENT) + UNDO + TOMBSTONE;
    assert_eq!((remainder.forget_at(), remainder.remainder()), (end, None));
    assert!(ticket.clone().kept_at(Timestamp(end.0 - 1)).is_some() && ticket.kept_at(end).is_none());
    let begun = scene.redeems(scene.approved(at(1)), at(2)).unwrap();
    let lease = begun.with.unwrap().lease;
    let unnamed = begun.ticket.finish_redeem(at(3), &lease, scene.sealed_response(), None).unwrap().ticket;
    assert_eq!((unnamed.remainder(), unnamed.kept_at(forgotten)), (None, None), "no undo, no remainder");
}

#[test]
fn a_row_of_every_stage_of_an_undo_survives_its_written_form() {
    let scene = Scene::new(MINT);
    let ticket = spent(&scene);
    let begun = begins(&scene, &ticket, at(20)).unwrap();
    let undone = begun.ticket.clone().finish_undo(at(21), &begun.with.lease, Bytes::new()).unwrap().ticket;
    for ticket in [ticket.remainder().unwrap(), ticket, begun.ticket, undone] {
        let mut read: Ticket = serde_json::from_slice(&serde_json::to_vec(&ticket).unwrap()).unwrap();
        read.record = ticket.record.clone();
        read.page = ticket.page.clone();
        assert_eq!(read, ticket);
    }
}
