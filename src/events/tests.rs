//! What is given up, with a store in memory and a receiver that is not there.

use std::sync::Arc;

use tokio::task::LocalSet;

use super::*;
use crate::application::ClientSettings;
use crate::config::{Events, Level, Log, LogFormat};
use crate::deadline::Deadlines;
use crate::endpoint::ApplicationUrl;
use crate::ports::unused;
use crate::secret::Secret;
use crate::telemetry::Format;
use crate::ticket::Ticket;
use crate::ticket::fixture::Scene;

const HOUR: u64 = 3600;

/// A receiver at an address where no server listens.
fn unreachable() -> Receiver {
    let address = unused();
    let settings = ClientSettings {
        connect_timeout: Duration::from_secs(1),
        response_timeout: None,
        keep_alive: Duration::from_secs(1),
        idle_timeout: Duration::from_secs(1),
        tls: Default::default(),
    };
    let url = ApplicationUrl::Http(address.to_string().parse().unwrap());
    let events = Events {
        url,
        path: "/events".parse().unwrap(),
        secrets: vec![Secret::random().unwrap()],
        tls: Default::default(),
    };
    Receiver::new(&events, settings, Deadlines::start()).unwrap()
}

fn spent_ago(scene: &Scene, seconds: u64) -> EventMessage {
    let at = Clock::System.now().seconds() - seconds;
    let (ticket, kind, user) = (scene.opened.hook_id(), "ticket.spent".to_owned(), "ana".to_owned());
    EventMessage { kind, ticket, user, at, reason: None, computer: None, phone: None }
}

/// Queues an event of this age and delivers until `done` says so of the metrics. Returns the log.
async fn delivered(age: u64, opens: bool, done: &str) -> String {
    let store = Arc::new(Store::memory(Clock::System, 100));
    let scene = Scene::new(Clock::System.now());
    store.mint(&scene.id(), &scene.ticket()).await.unwrap();
    let sealed = scene.secrets.newest().for_event(&scene.id()).seal(&spent_ago(&scene, age)).unwrap();
    store.step_with_event(&scene.id(), None, Ticket::decline, |_, _| Some(sealed.clone())).await.unwrap();
    let other = TicketSecrets::random().unwrap();
    let log = Log { format: LogFormat::Text, access: false, level: Level::Info };
    let telemetry = Telemetry::in_memory(&log, Clock::System);
    let delivery = Delivery {
        failing: Cell::new(false),
        store: &store,
        secrets: if opens { &scene.secrets } else { &other },
        receiver: &unreachable(),
        telemetry: &telemetry,
        process: "this one",
    };
    let ends = async {
        while !telemetry.metrics().render(Format::Prometheus).contains(done) {
            tokio::task::yield_now().await;
        }
        End::Changed
    };
    delivery.run(ends).await;
    let waits = store.queued(scene.id().shard).await.unwrap().count;
    assert_eq!(waits, usize::from(done.contains("failed")), "what is given up leaves the queue");
    telemetry.written()
}

#[tokio::test]
async fn an_event_is_tried_for_a_day_and_no_longer() {
    let tests = async {
        let failed = delivered(24 * HOUR - 60, true, "qrgate_events_total{outcome=\"failed\"} 1").await;
        assert!(failed.contains("an event was not delivered") && failed.contains("no response"), "{failed}");
        let dropped = delivered(24 * HOUR + 60, true, "qrgate_events_total{outcome=\"dropped\"} 1").await;
        assert!(dropped.contains("it was not delivered in 24 hours"), "{dropped}");
    };
    LocalSet::new().run_until(tests).await;
}

#[tokio::test]
async fn an_event_of_another_ticket_secret_is_given_up() {
    let tests = delivered(1, false, "qrgate_events_total{outcome=\"dropped\"} 1");
    let dropped = LocalSet::new().run_until(tests).await;
    assert!(dropped.contains("no ticket secret of this process opens it"), "{dropped}");
}
