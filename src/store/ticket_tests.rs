//! What every store does with a ticket; `contract.rs` runs these on each kind.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::test_steps::*;
use super::*;
use crate::ticket::fixture::{LIFETIME, Scene};
use crate::ticket::{Reason, RedeemFailure, TOMBSTONE};
use crate::token::{BrowserId, ClaimKey, TicketSecrets};

pub(super) async fn a_minted_ticket_is_read_and_found_as_it_was_written(store: Arc<Store>) {
    let scene = minted(&store, Duration::ZERO).await;
    let row = store.read(&scene.id()).await.unwrap().unwrap();
    assert_eq!(row.version, 1);
    assert_eq!(scene.opened.for_record(&scene.origin).open(&row.ticket.record).unwrap(), scene.record);
    let page = scene.secrets.newest().for_page(&scene.id(), &scene.desk.view()).open(&row.ticket.page).unwrap();
    assert_eq!(page, scene.facts(None));
    assert_eq!(store.find(&scene.desk.view().index()).await.unwrap(), Some(scene.id()));
    let unknown = Scene::new(row.now);
    assert!(store.read(&unknown.id()).await.unwrap().is_none());
    assert_eq!(store.find(&unknown.desk.view().index()).await.unwrap(), None);
    assert!(matches!(claim(&store, &unknown).await, Stepped::Gone));
    store.ping().await.unwrap();
}

pub(super) async fn the_whole_journey_leaves_the_answer_for_the_holder(store: Arc<Store>) {
    let scene = approved(&store).await;
    let lease = begin(&store, &scene).await.unwrap();
    assert!(matches!(finish(&store, &scene, &lease).await, Stepped::Done(..)));
    let row = store.read(&scene.id()).await.unwrap().unwrap();
    assert_eq!(row.phase(), Phase::Spent);
    let sealed = row.ticket.sealed_response(row.now, &scene.claim()).unwrap();
    assert_eq!(scene.opened.for_response(&scene.phone).open(sealed).unwrap(), scene.response());
    assert_eq!(begin(&store, &scene).await, Err(Refusal::Over(Phase::Spent)));
}

pub(super) async fn a_newer_code_replaces_the_older_one_in_the_same_go(store: Arc<Store>) {
    let old = approved(&store).await;
    let lease = begin(&store, &old).await.unwrap();
    let new = Scene::of(old.secrets.clone(), old.computer.clone(), now(&store).await);
    let minted = store.mint(&new.id(), &new.ticket()).await.unwrap();
    assert_eq!(minted, Some((old.id(), Phase::Replaced)));
    assert_eq!(phase(&store, &old.id()).await, Phase::Replaced);
    assert!(matches!(finish(&store, &old, &lease).await, Stepped::Refused(_, Refusal::LeaseLost)));
    assert!(matches!(claim(&store, &new).await, Stepped::Done(..)));
    // What is finished stays what it is.
    assert!(matches!(store.step(&new.id(), None, |ticket, now| ticket.decline(now)).await.unwrap(), Stepped::Done(..)));
    let third = Scene::of(old.secrets.clone(), old.computer.clone(), now(&store).await);
    assert_eq!(store.mint(&third.id(), &third.ticket()).await.unwrap(), None);
    assert_eq!(phase(&store, &new.id()).await, Phase::Declined(Reason::Computer));
}

pub(super) async fn only_the_newest_of_many_codes_drawn_at_once_lives(store: Arc<Store>) {
    let (secrets, computer) = (TicketSecrets::random().unwrap(), BrowserId::random().unwrap());
    let issued = now(&store).await;
    let scenes: Vec<_> = (0..12).map(|_| Scene::of(secrets.clone(), computer.clone(), issued)).collect();
    let mints = scenes.iter().map(async |scene| store.mint(&scene.id(), &scene.ticket()).await.unwrap());
    futures_util::future::join_all(mints).await;
    let mut live = 0;
    for scene in &scenes {
        match phase(&store, &scene.id()).await {
            Phase::Issued => live += 1,
            other => assert_eq!(other, Phase::Replaced),
        }
    }
    assert_eq!(live, 1);
}

pub(super) async fn of_64_phones_one_gets_the_ticket(store: Arc<Store>) {
    let scene = Arc::new(minted(&store, Duration::ZERO).await);
    let phones: Vec<_> = (0..64)
        .map(|_| {
            let (store, scene, phone) = (store.clone(), scene.clone(), ClaimKey::random().unwrap());
            tokio::spawn(async move {
                let rule = |ticket, now| scene.claims_as(&phone, ticket, now);
                match store.step(&scene.id(), None, rule).await.unwrap() {
                    Stepped::Done(..) => true,
                    Stepped::Refused(_, refusal) => {
                        assert_eq!(refusal, Refusal::Taken);
                        false
                    }
                    Stepped::Gone => panic!("gone"),
                }
            })
        })
        .collect();
    let mut winners = 0;
    for phone in phones {
        winners += usize::from(phone.await.unwrap());
    }
    assert_eq!(winners, 1);
    assert_eq!(store.read(&scene.id()).await.unwrap().unwrap().version, 2);
}

pub(super) async fn of_50_presses_one_redeems(store: Arc<Store>) {
    let scene = approved(&store).await;
    let presses = (0..50).map(|_| begin(&store, &scene));
    let results = futures_util::future::join_all(presses).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(results.iter().all(|result| matches!(result, Ok(_) | Err(Refusal::Busy))));
}

pub(super) async fn a_failed_redeem_gives_the_ticket_back(store: Arc<Store>) {
    let scene = approved(&store).await;
    for _ in 0..2 {
        let lease = begin(&store, &scene).await.unwrap();
        let release = |ticket: Ticket, now| ticket.release_redeem(now, &lease, RedeemFailure::Called);
        assert!(matches!(store.step(&scene.id(), None, release).await.unwrap(), Stepped::Done(..)));
    }
    assert_eq!(phase(&store, &scene.id()).await, Phase::Approved);
    let lease = begin(&store, &scene).await.unwrap();
    assert!(matches!(finish(&store, &scene, &lease).await, Stepped::Done(..)));
}

pub(super) async fn a_sign_in_is_undone_from_what_remains_of_its_row(store: Arc<Store>) {
    let kept = Duration::from_millis(300);
    let scene = signed_in(&store, kept, Duration::from_secs(600)).await;
    let row = store.read(&scene.id()).await.unwrap().unwrap();
    assert!(row.ticket.remainder().is_some() && !row.ticket.record.is_empty());
    pass(&store, kept).await;
    let row = store.read(&scene.id()).await.unwrap().unwrap();
    assert_eq!((row.phase(), row.ticket.sealed_session().is_some()), (Phase::Spent, true));
    assert!(row.ticket.record.is_empty() && row.ticket.remainder().is_none(), "no record, no cookies");
    assert_eq!(store.find(&scene.desk.view().index()).await.unwrap(), Some(scene.id()), "the page finds it");
    let mut watch = store.watch(&scene.id());
    let begin = |ticket: Ticket, now| ticket.begin_undo(now, scene.session(), Duration::from_secs(7));
    let Stepped::Done(_, undoing) = store.step(&scene.id(), None, begin).await.unwrap() else { panic!("begun") };
    tokio::time::timeout(Duration::from_secs(5), watch.changed()).await.expect("a step");
    let finish = |ticket: Ticket, now| ticket.finish_undo(now, &undoing.lease, Bytes::from_static(b"page"));
    assert!(matches!(store.step(&scene.id(), None, finish).await.unwrap(), Stepped::Done(..)));
    let row = store.read(&scene.id()).await.unwrap().unwrap();
    assert_eq!((row.phase(), &row.ticket.page[..]), (Phase::Undone, &b"page"[..]));
}

pub(super) async fn of_50_undos_one_calls(store: Arc<Store>) {
    let scene = signed_in(&store, TOMBSTONE, Duration::from_secs(600)).await;
    let begin = |ticket: Ticket, now| ticket.begin_undo(now, scene.session(), Duration::from_secs(7));
    let id = scene.id();
    let presses = (0..50).map(|_| store.step(&id, None, begin));
    let results = futures_util::future::join_all(presses).await;
    assert_eq!(results.iter().filter(|result| matches!(result, Ok(Stepped::Done(..)))).count(), 1);
    assert!(results.iter().all(|r| matches!(r, Ok(Stepped::Done(..) | Stepped::Refused(_, Refusal::Busy)))));
}

pub(super) async fn a_swap_onto_another_version_or_out_of_time_writes_nothing(store: Arc<Store>) {
    let scene = minted(&store, Duration::ZERO).await;
    let row = store.read(&scene.id()).await.unwrap().unwrap();
    let step = row.ticket.clone().decline(row.now).unwrap();
    for version in [0, 2, 99] {
        assert_eq!(store.swap(&scene.id(), version, &step, None).await.unwrap(), Swapped::Lost);
    }
    let late = Step { before: Some(row.now), ..step.clone() };
    assert_eq!(store.swap(&scene.id(), row.version, &late, None).await.unwrap(), Swapped::Lost);
    assert_eq!(phase(&store, &scene.id()).await, Phase::Issued);
    assert_eq!(store.swap(&scene.id(), row.version, &step, None).await.unwrap(), Swapped::Written);
    assert_eq!(store.swap(&scene.id(), row.version, &step, None).await.unwrap(), Swapped::Lost);
}

pub(super) async fn a_claim_asks_whether_its_anchor_still_names_it(store: Arc<Store>) {
    let scene = minted(&store, Duration::ZERO).await;
    // The anchor moves on although the row was not touched, as after a failover.
    let other = Scene::of(scene.secrets.clone(), scene.computer.clone(), scene.record.issued);
    let ticket = other.ticket();
    let write = Write {
        id: other.id(),
        version: 0,
        ticket: &ticket,
        before: None,
        anchor: Anchor::Take(Some(scene.id())),
        older: None,
        event: None,
    };
    assert_eq!(store.write("mint", &write).await.unwrap(), Swapped::Written);
    let claimed = claim(&store, &scene).await;
    assert!(matches!(claimed, Stepped::Refused(_, Refusal::Over(Phase::Replaced))), "{claimed:?}");
    assert!(matches!(claim(&store, &other).await, Stepped::Done(..)));
}

pub(super) async fn a_row_read_a_moment_ago_saves_a_reading_and_a_stale_one_is_read_again(store: Arc<Store>) {
    let scene = minted(&store, Duration::ZERO).await;
    let stale = store.read(&scene.id()).await.unwrap();
    assert!(matches!(claim(&store, &scene).await, Stepped::Done(..)));
    let decline = |ticket: Ticket, now| ticket.cancel(now, &scene.claim());
    match store.step(&scene.id(), stale, decline).await.unwrap() {
        Stepped::Done(row, ()) => assert!(row.ticket.held_by(&scene.claim()) && row.version == 3),
        other => panic!("{other:?}"),
    }
}

pub(super) async fn out_of_time_is_out_of_time(store: Arc<Store>) {
    let scene = minted(&store, LIFETIME - Duration::from_millis(400)).await;
    assert_eq!(phase(&store, &scene.id()).await, Phase::Issued);
    match &*store {
        Store::Memory(memory) => memory.clock().advance(Duration::from_millis(400)),
        Store::Redis(_) => tokio::time::sleep(Duration::from_millis(450)).await,
    }
    assert!(matches!(claim(&store, &scene).await, Stepped::Refused(_, Refusal::Over(Phase::Expired))));
    // A newer code meets it and counts it, once.
    for older in [Some((scene.id(), Phase::Expired)), None] {
        let new = Scene::of(scene.secrets.clone(), scene.computer.clone(), now(&store).await);
        let minted = store.mint(&new.id(), &new.ticket()).await.unwrap();
        match older {
            Some(_) => assert_eq!(minted, older),
            None => assert_ne!(minted.map(|(_, phase)| phase), Some(Phase::Expired)),
        }
    }
}

pub(super) async fn a_watch_hears_every_change(store: Arc<Store>) {
    let old = minted(&store, Duration::ZERO).await;
    let mut watch = store.watch(&old.id());
    let mut other = store.watch(&Scene::new(old.record.issued).id());
    assert!(matches!(claim(&store, &old).await, Stepped::Done(..)));
    tokio::time::timeout(Duration::from_secs(5), watch.changed()).await.expect("a step");
    let new = Scene::of(old.secrets.clone(), old.computer.clone(), now(&store).await);
    store.mint(&new.id(), &new.ticket()).await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), watch.changed()).await.expect("a newer code");
    // Once it may be woken: when the store begins to hear of other processes.
    let mut is_silent = false;
    for _ in 0..2 {
        is_silent |= tokio::time::timeout(Duration::from_millis(200), other.changed()).await.is_err();
    }
    assert!(is_silent, "a change of another ticket wakes no watch");
}
