//! Every order in which two phones, the computer, three requests in flight and the faults between them can meet at one
//! ticket, up to a bound, and every order of undos after it. No ready-made checker: that an end stays within reach of
//! every state is what most of them cannot ask.
//!
//! The rules are the real ones. The store is its promise alone: a swap is written whole onto the version it was judged
//! on, or not at all. A process is what it knows of a request under way; killed, it knows nothing. An answer of the
//! store or of the hook may be lost after the deed, and a swap may be sent twice.
//!
//! `cargo test --lib model_tests -- --nocapture` prints how many states that were.

use std::collections::{BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::fixture::{LEASE, Scene};
use super::redeem::MAX_CALLS;
use super::state::RESPONSE_REPEATED;
use super::*;
use crate::clock::Timestamp;
use crate::token::{Approval, ClaimKey, ClaimMac, NewSession};

const MINT: Timestamp = Timestamp(1_790_000_000_000);
/// Requests in flight at once, each in a separate process.
const REQUESTS: usize = 3;
const UNDO: Duration = Duration::from_secs(600);
const UNDO_LEASE: Duration = Duration::from_secs(7);

/// What may still happen: the bound of the exploration.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Left {
    /// POSTs of the two phones.
    presses: u8,
    /// GETs of the two phones.
    visits: u8,
    /// Decisions at the computer, a newer code among them.
    decisions: u8,
    /// Undos of the computer.
    undos: u8,
    /// Processes killed, answers of the store lost.
    faults: u8,
    /// How often time passes to just before, or onto, the next moment at which something ends.
    jumps: u8,
}

/// Everything there is at one moment.
#[derive(Clone, PartialEq, Eq, Hash)]
struct World {
    now: Timestamp,
    row: Row,
    /// The newest code of this user and browser is this one.
    anchored: bool,
    /// Nothing has ended the code to type: no claim, no decline, no newer code, and not its lifetime.
    code_lives: bool,
    requests: Vec<Request>,
    /// Every call that may have reached the application: its `webhook-timestamp`, and the redeem that made it.
    calls: BTreeSet<(u64, u32)>,
    /// Sessions whose cookies have left for a phone. A session bears the number of the redeem that asked for it.
    relayed: BTreeSet<u32>,
    /// The `webhook-timestamp` of every revoke call that may have reached the application.
    revokes: BTreeSet<u64>,
    /// The session whose end the application has confirmed.
    revoked: bool,
    left: Left,
}

/// The ticket as the store has it. What names versions is whether one is still the newest.
#[derive(Clone, PartialEq, Eq)]
struct Row(Ticket);

#[derive(Clone, PartialEq, Eq, Hash)]
struct Request {
    of: Who,
    at: At,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Who {
    Phone(usize),
    Computer,
}

/// How far a request has come. What it does between these two changes nothing that another could see, so it is one
/// step with what comes before it; and a process killed there is a request that was never sent.
#[derive(Clone, PartialEq, Eq, Hash)]
enum At {
    /// Has read and judged the row, which may be another by now, and is about to swap.
    Swaps { verb: Verb, newest: bool, step: Judged, given: Option<Begun> },
    /// Has the lease and is about to call the login hook.
    Calls(Begun),
    /// Has the lease and is about to call the revoke hook.
    Revokes(Begun),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Verb {
    Visit,
    Continue,
    Finish,
    Cancel,
    Approve { rightly: bool },
    Decline,
    NewerCode,
    Redeemed(Begun),
    Failed { begun: Begun, called: bool },
    Refused(Begun),
    SignedOut(Begun),
    Undo,
    Revoked(Begun),
    NotRevoked { begun: Begun, called: bool },
}

/// A lease and a grant are not cloned; each branch of the exploration holds the same one.
#[derive(Clone)]
struct Begun {
    serial: u32,
    timestamp: u64,
    given: Rc<Given>,
}

enum Given {
    Redeem(Redeem),
    Undoing(Undoing),
}

impl Begun {
    fn lease(&self) -> &Lease {
        match &*self.given {
            Given::Redeem(redeem) => &redeem.lease,
            Given::Undoing(undoing) => &undoing.lease,
        }
    }
}

impl std::fmt::Debug for Begun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.given {
            Given::Redeem(_) => write!(f, "redeem {}", self.serial),
            Given::Undoing(_) => write!(f, "undo {}", self.serial),
        }
    }
}

impl PartialEq for Begun {
    fn eq(&self, other: &Begun) -> bool {
        format!("{self:?}") == format!("{other:?}") && self.timestamp == other.timestamp
    }
}

impl Eq for Begun {}

impl Hash for Begun {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.serial.hash(state);
    }
}

#[derive(Clone, PartialEq, Eq)]
struct Judged(Rc<Step>);

impl Hash for Judged {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_ticket(&self.0.ticket, state);
        self.0.before.hash(state);
    }
}

impl Hash for Row {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_ticket(&self.0, state);
    }
}

/// Keyed proofs are compared and never hashed.
fn hash_ticket<H: Hasher>(ticket: &Ticket, state: &mut H) {
    (ticket.exp, ticket.contested, ticket.opened, ticket.expiry_noted).hash(state);
    std::mem::discriminant(&ticket.state).hash(state);
    match &ticket.state {
        State::Approved(a) => (a.calls, a.begun, a.signed, a.lease.map(|lease| lease.until)).hash(state),
        State::Spent(spent) => {
            (spent.at, &spent.response).hash(state);
            let undo = spent.undo.as_ref();
            undo.map(|undo| (undo.begun, undo.signed, undo.lease.map(|lease| lease.until))).hash(state);
        }
        State::Declined(declined) => declined.reason.hash(state),
        State::Issued | State::Claimed(_) | State::Undone(_) | State::Replaced(_) => {}
    }
}

/// The people, and what one code is made with.
struct Model {
    scene: Scene,
    claims: [ClaimMac; 2],
}

/// A transition: what happened, and the world after it; or the rule it broke.
type Next = (String, Result<World, String>);

impl Model {
    fn new(approval: Approval) -> Model {
        let mut scene = Scene::new(MINT);
        scene.record.approval = approval;
        let claims = [scene.claim(), scene.opened.claim_mac(&ClaimKey::random().unwrap())];
        Model { scene, claims }
    }

    fn start(&self, left: Left) -> World {
        // The sealed parts play no role in any rule.
        let ticket = Ticket { record: Bytes::new(), page: Bytes::new(), ..self.scene.ticket() };
        World {
            now: MINT,
            row: Row(ticket),
            anchored: true,
            code_lives: true,
            requests: Vec::new(),
            calls: BTreeSet::new(),
            relayed: BTreeSet::new(),
            revokes: BTreeSet::new(),
            revoked: false,
            left,
        }
    }

    fn claim(&self, who: Who) -> ClaimMac {
        match who {
            Who::Phone(phone) => self.claims[phone],
            Who::Computer => panic!("the computer claims nothing"),
        }
    }

    /// The number that the phone at the ticket shows.
    fn number(&self, ticket: &Ticket) -> u8 {
        ticket.binding().map_or(10, |binding| self.scene.opened.number(&binding.claim))
    }

    /// The real rules, each as `qr/` asks it.
    fn judge(&self, who: Who, verb: &Verb, world: &World) -> Result<(Step, Option<Given>), Refusal> {
        let (scene, ticket, now) = (&self.scene, world.row.0.clone(), world.now);
        let only = |step: Step| (step, None);
        match verb {
            Verb::Visit => match ticket.clone().note_expiry(now) {
                Ok(step) => Ok(only(step)),
                Err(_) if ticket.held_by(&self.claim(who)) => Err(Refusal::AlreadyDone),
                Err(_) => ticket.contest(now).map(only),
            },
            Verb::Continue => {
                ticket.claim(now, &scene.opened, self.claim(who), &scene.record, Bytes::new(), None).map(only)
            }
            Verb::Finish => ticket.begin_redeem(now, &scene.opened, &self.claim(who), &scene.record, None, LEASE).map(
                |Step { ticket, before, anchored, with }| {
                    (Step { ticket, before, anchored, with: () }, with.map(Given::Redeem))
                },
            ),
            Verb::Cancel => ticket.cancel(now, &self.claim(who)).map(only),
            Verb::Approve { rightly } => {
                let right = self.number(&ticket);
                let number = if *rightly { right } else { 10 + (right - 9) % 90 };
                let typed_for = ticket.binding().map(|binding| binding.claim);
                ticket.approve(now, &scene.id(), scene.opened.key(), typed_for, number, None).map(only)
            }
            Verb::Decline => ticket.decline(now).map(only),
            Verb::NewerCode => ticket.replace(now).map(only),
            Verb::Redeemed(begun) => {
                let response = Bytes::copy_from_slice(&begun.serial.to_be_bytes());
                let session = Some((Bytes::from_static(b"session"), UNDO));
                ticket.finish_redeem(now, begun.lease(), response, session).map(only)
            }
            Verb::Failed { begun, called } => {
                let failure = if *called { RedeemFailure::Called } else { RedeemFailure::NotCalled };
                ticket.release_redeem(now, begun.lease(), failure).map(only)
            }
            Verb::Refused(begun) => ticket.refuse(now, begun.lease(), Reason::Application).map(only),
            Verb::SignedOut(begun) => ticket.refuse(now, begun.lease(), Reason::SignedOut).map(only),
            Verb::Undo => ticket.begin_undo(now, session(), UNDO_LEASE).map(|step| {
                let Step { ticket, before, anchored, with } = step;
                (Step { ticket, before, anchored, with: () }, Some(Given::Undoing(with)))
            }),
            Verb::Revoked(begun) => ticket.finish_undo(now, begun.lease(), Bytes::new()).map(only),
            Verb::NotRevoked { begun, called } => {
                let failure = if *called { RedeemFailure::Called } else { RedeemFailure::NotCalled };
                ticket.release_undo(now, begun.lease(), failure).map(only)
            }
        }
    }

    /// Everything that can happen next.
    fn next(&self, world: &World) -> Vec<Next> {
        let mut next = Vec::new();
        self.people_act(world, &mut next);
        time_passes(world, &mut next);
        for index in 0..world.requests.len() {
            self.goes_on(world, index, &mut next);
        }
        next
    }

    fn people_act(&self, world: &World, next: &mut Vec<Next>) {
        if world.requests.len() == REQUESTS {
            return;
        }
        let mut begin = |left: Left, of: Who, verb: Verb| {
            let what = format!("{of:?} sends {verb:?}");
            next.push((what, self.asks(&World { left, ..world.clone() }, of, verb)));
        };
        let left = world.left;
        for phone in [Who::Phone(0), Who::Phone(1)] {
            // Until one of them has done something they are alike.
            let alike = matches!(world.row.0.state, State::Issued) && world.requests.is_empty();
            if alike && phone == Who::Phone(1) {
                continue;
            }
            if left.presses > 0 {
                let left = Left { presses: left.presses - 1, ..left };
                for verb in [Verb::Continue, Verb::Finish, Verb::Cancel] {
                    begin(left, phone, verb);
                }
            }
            if left.visits > 0 {
                begin(Left { visits: left.visits - 1, ..left }, phone, Verb::Visit);
            }
        }
        if left.decisions > 0 {
            let left = Left { decisions: left.decisions - 1, ..left };
            let typed = [Verb::Approve { rightly: true }, Verb::Approve { rightly: false }];
            for verb in typed.into_iter().chain([Verb::Decline, Verb::NewerCode]) {
                begin(left, Who::Computer, verb);
            }
        }
        if left.undos > 0 {
            begin(Left { undos: left.undos - 1, ..left }, Who::Computer, Verb::Undo);
        }
    }

    /// A request reads the row and judges.
    fn asks(&self, base: &World, of: Who, verb: Verb) -> Result<World, String> {
        match self.judge(of, &verb, base) {
            Ok((step, given)) => {
                let given = given.map(|given| begun(&step, given));
                Ok(with(base, of, At::Swaps { verb, newest: true, step: Judged(Rc::new(step)), given }))
            }
            Err(refusal) => match self.given_again(of, &verb, refusal, base) {
                Some(session) => relayed(base, session),
                None => Ok(base.clone()),
            },
        }
    }

    /// One request goes one step on, or a fault meets it.
    fn goes_on(&self, world: &World, index: usize, next: &mut Vec<Next>) {
        let mut rest = world.clone();
        let Request { of, at } = rest.requests.remove(index);
        let faulted = (world.left.faults > 0).then(|| {
            let left = Left { faults: world.left.faults - 1, ..world.left };
            World { left, ..rest.clone() }
        });
        match at {
            At::Swaps { verb, newest, step: Judged(step), given } => {
                let in_time = step.before.is_none_or(|before| world.now < before);
                let anchored = !step.anchored || world.anchored;
                if !(newest && in_time && anchored) {
                    // A claim that lost to a newer code fails; every other step reads and judges again.
                    let after = if anchored { self.asks(&rest, of, verb) } else { Ok(rest) };
                    next.push((format!("{of:?} loses a swap"), after));
                    return;
                }
                let done = written(&rest, of, &verb, &step).and_then(|world| self.follows(&world, of, &verb, &given));
                next.push((format!("{of:?} writes {verb:?}"), done));
                // Where nothing follows, an answer that is lost changes nothing.
                let follows = given.is_some() || matches!(verb, Verb::Continue | Verb::Redeemed(_));
                if let Some(faulted) = faulted.filter(|_| follows) {
                    let unheard = written(&faulted, of, &verb, &step);
                    next.push((format!("{of:?} writes {verb:?} and hears nothing"), unheard.clone()));
                    let again = unheard.and_then(|world| self.asks(&world, of, verb.clone()));
                    next.push((format!("{of:?} writes {verb:?}, hears nothing, tries again"), again));
                }
            }
            At::Revokes(begun) => {
                let mut ends = |what: &str, base: Result<World, String>, verb: Option<Verb>| {
                    let world = base.and_then(|base| match verb {
                        Some(verb) => self.asks(&base, of, verb),
                        None => Ok(base),
                    });
                    next.push((format!("{of:?}'s undo {}: {what}", begun.serial), world));
                };
                let failed = |called: bool| Some(Verb::NotRevoked { begun: begun.clone(), called });
                let called = revoke_called(&rest, &begun);
                let confirmed = called.clone().map(|world| World { revoked: true, ..world });
                ends("the session has ended", confirmed, Some(Verb::Revoked(begun.clone())));
                ends("no success", called, failed(true));
                ends("the application cannot be reached", Ok(rest), failed(false));
                if let Some(faulted) = faulted {
                    ends("killed before the call", Ok(faulted.clone()), None);
                    ends("killed after the call", revoke_called(&faulted, &begun), None);
                }
            }
            At::Calls(begun) => {
                let mut ends = |what: &str, base: Result<World, String>, verb: Option<Verb>| {
                    let world = base.and_then(|base| match verb {
                        Some(verb) => self.asks(&base, of, verb),
                        None => Ok(base),
                    });
                    next.push((format!("{of:?}'s redeem {}: {what}", begun.serial), world));
                };
                let failed = |called: bool| Some(Verb::Failed { begun: begun.clone(), called });
                let called = self.called(&rest, &begun);
                ends("a session", called.clone(), Some(Verb::Redeemed(begun.clone())));
                ends("a session, and the answer is lost", called.clone(), failed(true));
                ends("refused", called, Some(Verb::Refused(begun.clone())));
                ends("the application cannot be reached", Ok(rest.clone()), failed(false));
                ends("the computer has signed out", Ok(rest), Some(Verb::SignedOut(begun.clone())));
                if let Some(faulted) = faulted {
                    ends("killed before the call", Ok(faulted.clone()), None);
                    ends("killed after the call", self.called(&faulted, &begun), None);
                }
            }
        }
    }

    /// What a request does after a step that is written.
    fn follows(&self, world: &World, of: Who, verb: &Verb, given: &Option<Begun>) -> Result<World, String> {
        match (verb, given) {
            (Verb::Continue, _) if self.scene.record.approval == Approval::Phone => self.asks(world, of, Verb::Finish),
            (Verb::Finish, Some(begun)) => Ok(with(world, of, At::Calls(begun.clone()))),
            (Verb::Undo, Some(begun)) => Ok(with(world, of, At::Revokes(begun.clone()))),
            (Verb::Redeemed(begun), _) => relayed(world, begun.serial),
            _ => Ok(world.clone()),
        }
    }

    /// The holder's Finish after `spent` gets the same answer.
    fn given_again(&self, who: Who, verb: &Verb, refusal: Refusal, world: &World) -> Option<u32> {
        if *verb != Verb::Finish || refusal != Refusal::Over(Phase::Spent) {
            return None;
        }
        world.row.0.sealed_response(world.now, &self.claim(who)).map(session_of)
    }

    /// A call has reached the application.
    fn called(&self, base: &World, begun: &Begun) -> Result<World, String> {
        let mut world = base.clone();
        let Given::Redeem(Redeem { grant, .. }) = &*begun.given else { panic!("a login call of an undo") };
        if grant.hook_id != self.scene.opened.hook_id() || grant.user != self.scene.record.user {
            return Err("a call under another webhook-id or for another user".to_owned());
        }
        if world.calls.iter().any(|(timestamp, _)| *timestamp == grant.timestamp) {
            return Err("two calls with one webhook-timestamp".to_owned());
        }
        world.calls.insert((grant.timestamp, begun.serial));
        if world.calls.len() > usize::from(MAX_CALLS) {
            return Err(format!("{} calls of the login hook", world.calls.len()));
        }
        Ok(world)
    }

    /// Every process is killed, the running lease ends, and then nothing goes wrong any more: the holder's next press
    /// must end the ticket, and before its time unless the lease outlived it.
    fn recovers(&self, world: &World) -> Result<(), String> {
        let mut world = World { requests: Vec::new(), ..world.clone() };
        if let State::Approved(Approved { lease: Some(lease), .. }) = &world.row.0.state {
            world.now = world.now.max(lease.until);
        }
        while !world.row.0.phase(world.now).is_over() && world.anchored {
            let holder = [Who::Phone(0), Who::Phone(1)].into_iter().find(|who| world.row.0.held_by(&self.claim(*who)));
            let (who, verb) = match (&world.row.0.state, holder) {
                (State::Issued, _) => (Who::Phone(0), Verb::Continue),
                (State::Claimed(_), _) => (Who::Computer, Verb::Approve { rightly: true }),
                (_, Some(holder)) => (holder, Verb::Finish),
                (_, None) => return Err("an approved ticket that no phone holds".to_owned()),
            };
            let (step, given) = self.judge(who, &verb, &world).map_err(|refusal| format!("stuck: {refusal:?}"))?;
            let begun = given.map(|given| begun(&step, given));
            world = written(&world, who, &verb, &step)?;
            let Some(begun) = begun else { continue };
            world = self.called(&world, &begun)?;
            let verb = Verb::Redeemed(begun);
            let (step, _) = self.judge(who, &verb, &world).map_err(|refusal| format!("stuck: {refusal:?}"))?;
            world = written(&world, who, &verb, &step)?;
        }
        Ok(())
    }
}

fn with(base: &World, of: Who, at: At) -> World {
    let mut world = base.clone();
    world.requests.push(Request { of, at });
    world
}

fn begun(step: &Step, given: Given) -> Begun {
    let (serial, timestamp) = match (&step.ticket.state, &given) {
        (State::Approved(approved), Given::Redeem(redeem)) => (approved.begun, redeem.grant.timestamp),
        (State::Spent(spent), Given::Undoing(undoing)) => {
            (spent.undo.as_ref().map_or(0, |undo| undo.begun), undoing.grant.timestamp)
        }
        _ => panic!("a grant for a ticket that is not approved, or not spent"),
    };
    Begun { serial, timestamp, given: Rc::new(given) }
}

fn session() -> NewSession {
    let text = |text: &str| text.to_owned();
    NewSession { user: text("ana"), name: text("s1"), login_id: text("l"), revoke_id: text("r"), issued: MINT }
}

/// A revoke call has reached the application.
fn revoke_called(base: &World, begun: &Begun) -> Result<World, String> {
    let mut world = base.clone();
    match world.revokes.insert(begun.timestamp) {
        true => Ok(world),
        false => Err("two revoke calls with one webhook-timestamp".to_owned()),
    }
}

fn session_of(response: &Bytes) -> u32 {
    response.as_ref().try_into().map(u32::from_be_bytes).unwrap()
}

/// The store writes a step: what no step may ever do is looked for here.
fn written(base: &World, of: Who, verb: &Verb, step: &Step) -> Result<World, String> {
    let (old, new) = (&base.row.0, &step.ticket);
    let is_undo = matches!(verb, Verb::Undo | Verb::Revoked(_) | Verb::NotRevoked { .. });
    if old.phase(base.now).is_over() && old.state != new.state && !is_undo {
        return Err(format!("{verb:?} changed a ticket that was {:?}", old.phase(base.now)));
    }
    if *verb == Verb::Visit && (old.state != new.state || old.exp != new.exp) {
        return Err("a GET took a step".to_owned());
    }
    let moves = (&old.state, &new.state);
    match moves {
        (State::Claimed(_), State::Approved(_)) if of != Who::Computer => {
            return Err(format!("{of:?} approved a ticket that needs the number"));
        }
        (State::Approved(old), State::Spent(spent)) if old.binding != spent.binding => {
            return Err("spent by another phone than the holder".to_owned());
        }
        (State::Approved(_), State::Spent(spent))
            if !base.calls.iter().any(|(_, serial)| *serial == session_of(&spent.response)) =>
        {
            return Err("spent on a session that nobody was asked for".to_owned());
        }
        (State::Spent(_), State::Undone(_)) if !base.revoked => {
            return Err("undone, and the application has not said that the session ended".to_owned());
        }
        (State::Spent(_), State::Undone(_) | State::Spent(_)) => {}
        (_, State::Undone(_)) => return Err("undone before it was spent".to_owned()),
        (State::Undone(_), _) => return Err("a sign-in that was undone is no longer".to_owned()),
        (State::Issued | State::Claimed(_), State::Spent(_)) => return Err("spent without an approval".to_owned()),
        _ => {}
    }
    let mut world = base.clone();
    world.row.0 = new.clone();
    world.code_lives &= matches!(new.state, State::Issued);
    world.anchored &= *verb != Verb::NewerCode;
    for request in &mut world.requests {
        if let At::Swaps { newest, .. } = &mut request.at {
            *newest = false;
        }
    }
    Ok(world)
}

/// Cookies leave for a phone.
fn relayed(base: &World, session: u32) -> Result<World, String> {
    let mut world = base.clone();
    match &world.row.0.state {
        State::Spent(spent) if !spent.response.is_empty() && session_of(&spent.response) == session => {}
        _ => return Err(format!("session {session} was relayed of a ticket {:?}", world.row.0.phase(world.now))),
    }
    world.relayed.insert(session);
    match world.relayed.len() {
        1 => Ok(world),
        _ => Err("two sessions were relayed".to_owned()),
    }
}

/// Time passes onto the next moment at which something ends, or until just before it.
fn time_passes(world: &World, next: &mut Vec<Next>) {
    if world.left.jumps == 0 {
        return;
    }
    let ticket = &world.row.0;
    let mut moments = vec![ticket.exp, ticket.end];
    match &ticket.state {
        State::Approved(Approved { lease: Some(lease), .. }) => moments.push(lease.until),
        State::Spent(spent) => {
            moments.push(spent.at + RESPONSE_REPEATED);
            let undo = spent.undo.as_ref();
            moments.extend(undo.map(|undo| undo.until));
            moments.extend(undo.and_then(|undo| undo.lease).map(|lease| lease.until));
        }
        _ => {}
    }
    let Some(moment) = moments.into_iter().filter(|moment| world.now < *moment).min() else { return };
    let before = Timestamp(moment.0 - 1);
    for now in [before, moment].into_iter().filter(|now| world.now < *now) {
        let left = Left { jumps: world.left.jumps - 1, ..world.left };
        let seconds = Duration::from_millis(now.0 - MINT.0).as_secs_f64();
        let code_lives = world.code_lives && now < ticket.exp;
        next.push((format!("{seconds} s have passed"), Ok(World { now, code_lives, left, ..world.clone() })));
    }
}

/// What an exploration came by.
#[derive(Default)]
struct Seen {
    states: usize,
    transitions: usize,
    ends: BTreeSet<String>,
}

/// Walks every world that can be reached, nearest first; panics with the shortest way to a broken rule.
fn explore(what: &str, model: &Model, start: World) -> Seen {
    let began = Instant::now();
    let mut seen = Seen::default();
    let mut places: HashMap<Rc<World>, usize> = HashMap::new();
    let mut ways: Vec<(Rc<World>, usize, String)> = Vec::new();
    let start = Rc::new(start);
    places.insert(start.clone(), 0);
    ways.push((start, 0, what.to_owned()));
    let mut index = 0;
    while index < ways.len() {
        let world = ways[index].0.clone();
        if let Err(broken) = model.recovers(&world) {
            panic!("{broken} after:\n{}", way(&ways, index, "every process is killed; the holder presses again"));
        }
        // What `qr/typed.rs` asks of a ticket whose code is typed.
        if (world.row.0.phase(world.now) == Phase::Issued) != world.code_lives {
            panic!(
                "a code that has ended opens again, or one that lives does not, after:\n{}",
                way(&ways, index, "it is typed")
            );
        }
        if !world.relayed.is_empty() || world.row.0.phase(world.now).is_over() {
            let relayed = if world.relayed.is_empty() { "nothing relayed" } else { "relayed" };
            seen.ends.insert(format!("{} with {relayed}", world.row.0.phase(world.now).as_str()));
        }
        for (what, after) in model.next(&world) {
            seen.transitions += 1;
            let mut after = after.unwrap_or_else(|broken| panic!("{broken} after:\n{}", way(&ways, index, &what)));
            // Which process a request is in makes no difference.
            after.requests.sort_by_cached_key(key);
            let after = Rc::new(after);
            if !places.contains_key(&after) {
                places.insert(after.clone(), ways.len());
                ways.push((after, index, what));
            }
        }
        index += 1;
    }
    seen.states = ways.len();
    let (states, transitions, took) = (seen.states, seen.transitions, began.elapsed());
    println!("{what}: {states} states, {transitions} transitions, {} ends, {took:.1?}", seen.ends.len());
    seen
}

fn key(request: &Request) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    request.hash(&mut hasher);
    hasher.finish()
}

/// The steps that led to a place, one a line.
fn way(ways: &[(Rc<World>, usize, String)], mut index: usize, last: &str) -> String {
    let mut steps = vec![last.to_owned()];
    while index != 0 {
        steps.push(ways[index].2.clone());
        index = ways[index].1;
    }
    steps.reverse();
    steps.join("\n")
}

/// Each way a ticket can end must have been met: a model in which nothing happens proves nothing.
fn met(seen: &Seen, ends: &[&str]) {
    for end in ends {
        assert!(seen.ends.contains(*end), "no ticket ended {end}: {:?}", seen.ends);
    }
    assert!(
        !seen
            .ends
            .iter()
            .any(|end| { end.ends_with(" with relayed") && !end.starts_with("spent") && !end.starts_with("undone") }),
        "{:?}",
        seen.ends
    );
}

#[test]
fn no_order_of_phones_and_computer_breaks_a_rule() {
    let model = Model::new(Approval::Number);
    let left = Left { presses: 2, visits: 1, decisions: 2, undos: 0, faults: 0, jumps: 1 };
    let seen = explore("by number", &model, model.start(left));
    met(&seen, &["spent with relayed", "declined with nothing relayed", "replaced with nothing relayed"]);
}

#[test]
fn no_fault_between_two_steps_of_a_redeem_breaks_a_rule() {
    let model = Model::new(Approval::Phone);
    let left = Left { presses: 2, visits: 0, decisions: 1, undos: 0, faults: 2, jumps: 1 };
    let seen = explore("by phone, with faults", &model, model.start(left));
    met(&seen, &["spent with relayed", "spent with nothing relayed", "declined with nothing relayed"]);
}

#[test]
fn no_row_of_failures_calls_the_hook_a_fourth_time_or_leaves_a_ticket_stuck() {
    let model = Model::new(Approval::Phone);
    let mut start = model.start(Left { presses: 4, visits: 0, decisions: 0, undos: 0, faults: 1, jumps: 1 });
    // From a ticket that the phone holds, with the redeem before it.
    let (step, _) = model.judge(Who::Phone(0), &Verb::Continue, &start).unwrap();
    start.row.0 = step.ticket;
    start.code_lives = false;
    let seen = explore("approved, four presses", &model, start);
    met(&seen, &["spent with relayed", "expired with nothing relayed", "declined with nothing relayed"]);
}

#[test]
fn no_order_of_undos_and_of_the_phones_last_presses_breaks_a_rule() {
    let model = Model::new(Approval::Phone);
    let mut start = model.start(Left { presses: 2, visits: 0, decisions: 0, undos: 3, faults: 1, jumps: 2 });
    // From a ticket that the phone holds.
    let (step, _) = model.judge(Who::Phone(0), &Verb::Continue, &start).unwrap();
    start.row.0 = step.ticket;
    start.code_lives = false;
    let seen = explore("approved, undone", &model, start);
    met(&seen, &["undone with relayed", "undone with nothing relayed", "spent with relayed"]);
}
